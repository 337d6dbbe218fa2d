//! Values on their way to the services that filters ask and back: texts, metadata, addresses, whom certificates name.
//!
//! Messages of protobuf have texts in UTF-8 alone; what is none becomes `!`, as in Envoy.

use nuncio_service_messages::auth::Peer;
use nuncio_service_messages::common::{self, Kind, ListValue};

use crate::stream_info::metadata::{Struct, Value};
use crate::stream_info::{Address, CertificateInfo, StreamInfo};

/// Bytes as a text of protobuf.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '!'));
    }
    out
}

/// Both ends of a connection, the client's first; its certificate is told only if that is wanted.
pub fn peers(info: &StreamInfo, with_certificate: bool) -> (Peer, Peer) {
    let connection = &*info.connection;
    let tls = connection.tls.as_deref();
    let client = tls.and_then(|tls| tls.peer.as_deref());
    let source = Peer {
        address: address(info.downstream_remote_address()),
        principal: principal(client.map(|client| &client.certificate)),
        certificate: match client.filter(|_| with_certificate) {
            Some(client) => client.url_encoded_pem.to_string(),
            None => String::new(),
        },
        ..Peer::default()
    };
    let destination = Peer {
        address: address(connection.local_address.as_ref()),
        principal: principal(tls.and_then(|tls| tls.local.as_deref())),
        ..Peer::default()
    };
    (source, destination)
}

fn address(of: Option<&Address>) -> Option<common::Address> {
    let kind = match of? {
        Address::Pipe(path) => common::AddressKind::Pipe(common::Pipe {
            path: path.to_string(),
        }),
        other => common::AddressKind::Socket(common::SocketAddress {
            protocol: 0,
            address: other.ip()?.to_string(),
            port_value: other.port().map(u32::from),
        }),
    };
    Some(common::Address {
        address: Some(kind),
    })
}

/// Whom a certificate names: the first URI, or host, or its subject.
fn principal(certificate: Option<&CertificateInfo>) -> String {
    let named = certificate.map(|it| {
        let first = it.uri_sans.first().or(it.dns_sans.first());
        first.unwrap_or(&it.subject).to_string()
    });
    named.unwrap_or_default()
}

/// Values for a message.
pub fn structure(of: &Struct) -> common::Struct {
    let fields = of
        .fields()
        .map(|(name, value)| (name.to_owned(), value_of(value)));
    common::Struct {
        fields: fields.collect(),
    }
}

fn value_of(value: &Value) -> common::Value {
    let kind = match value {
        Value::Null => Kind::Null(0),
        Value::Number(number) => Kind::Number(*number),
        Value::String(text) => Kind::String(text.to_string()),
        Value::Bool(bool) => Kind::Bool(*bool),
        Value::Struct(fields) => Kind::Struct(structure(fields)),
        Value::List(values) => Kind::List(ListValue {
            values: values.iter().map(value_of).collect(),
        }),
    };
    common::Value { kind: Some(kind) }
}

/// Values of a message.
pub fn fields_of(of: common::Struct) -> Struct {
    let mut fields = Struct::default();
    for (name, value) in of.fields {
        fields.insert(name, from_value(value));
    }
    fields
}

fn from_value(value: common::Value) -> Value {
    match value.kind {
        None | Some(Kind::Null(_)) => Value::Null,
        Some(Kind::Number(number)) => Value::Number(number),
        Some(Kind::String(text)) => Value::String(text.into()),
        Some(Kind::Bool(bool)) => Value::Bool(bool),
        Some(Kind::Struct(fields)) => Value::Struct(fields_of(fields)),
        Some(Kind::List(list)) => Value::List(list.values.into_iter().map(from_value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn bytes_that_are_no_text_are_told_as_exclamation_marks() {
        assert_eq!(text(b"a\xff\xfeb\xc3\xa9"), "a!!b\u{e9}");
    }
}
