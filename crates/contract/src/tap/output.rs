//! What traces have in common, and how they are written.

use std::io::Write as _;

use nuncio_config::runtime::Fraction;

use super::{Field, Format, Message, Value, binary, json, text};
use crate::stream_info::Address;

/// The bytes of a `TraceWrapper`.
pub fn encode(wrapper: &[Field], format: Format) -> Vec<u8> {
    match format {
        Format::JsonBytes | Format::JsonString => json::write(wrapper).into_bytes(),
        Format::Binary => binary::write(wrapper),
        Format::Delimited => binary::write_delimited(wrapper),
        Format::Text => text::write(wrapper).into_bytes(),
    }
}

/// A file for one trace, which is made as something is written into it.
#[derive(Debug, Default)]
pub enum File {
    /// Nothing has been written.
    #[default]
    New,
    /// It is there.
    Open(std::fs::File),
    /// It could not be written.
    Failed,
}

impl File {
    /// Writes into the file of the trace `id`.
    pub fn write(&mut self, bytes: &[u8], path_prefix: &str, id: u64, format: Format) {
        if matches!(self, Self::New) {
            let ending = match format {
                Format::JsonBytes | Format::JsonString => "json",
                Format::Binary => "pb",
                Format::Delimited => "pb_length_delimited",
                Format::Text => "pb_text",
            };
            let path = format!("{path_prefix}_{id}.{ending}");
            *self = std::fs::File::create(path).map_or(Self::Failed, Self::Open);
        }
        let failed = match self {
            Self::Open(file) => file.write_all(bytes).is_err(),
            Self::New | Self::Failed => true,
        };
        if failed {
            *self = Self::Failed;
        }
    }
}

/// The message `Body`.
pub fn body(bytes: &[u8], is_truncated: bool, format: Format) -> Message {
    let shown = match format {
        Format::JsonString => Field::chosen("as_string", 2, Value::Text(readable(bytes))),
        _ => Field::chosen("as_bytes", 1, Value::Bytes(bytes.to_vec())),
    };
    vec![shown, Field::new("truncated", 3, Value::Flag(is_truncated))]
}

/// What the message `Address` has.
pub fn address(address: &Address) -> Field {
    match address {
        Address::Ip(address) => {
            let parts = vec![
                Field::new("protocol", 1, Value::Name("TCP", 0)),
                Field::new("address", 2, Value::Text(address.ip().to_string())),
                Field::chosen("port_value", 3, Value::Small(address.port().into())),
                Field::new("resolver_name", 5, Value::Text(String::new())),
                Field::new("ipv4_compat", 6, Value::Flag(false)),
                Field::new("network_namespace_filepath", 7, Value::Text(String::new())),
            ];
            Field::chosen("socket_address", 1, Value::Message(parts))
        }
        Address::Pipe(path) => {
            let parts = vec![
                Field::new("path", 1, Value::Text(path.to_string())),
                Field::new("mode", 2, Value::Small(0)),
            ];
            Field::chosen("pipe", 2, Value::Message(parts))
        }
        Address::Internal(internal) => {
            let name = Value::Text(internal.listener.to_string());
            let id = Value::Text(internal.endpoint_id.to_string());
            let parts = vec![
                Field::chosen("server_listener_name", 1, name),
                Field::new("endpoint_id", 2, id),
            ];
            Field::chosen("envoy_internal_address", 3, Value::Message(parts))
        }
    }
}

/// The message `FractionalPercent` of a share.
pub fn sampling(share: Fraction) -> Message {
    let denominator = match share.divisor {
        10_000 => Value::Name("TEN_THOUSAND", 1),
        1_000_000 => Value::Name("MILLION", 2),
        _ => Value::Name("HUNDRED", 0),
    };
    vec![
        Field::new("numerator", 1, Value::Small(share.numerator)),
        Field::new("denominator", 2, denominator),
    ]
}

/// Bytes as text; a space stands for each byte that is not of UTF-8.
pub fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| ' '));
    }
    text
}
