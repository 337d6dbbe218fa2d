//! Bytes as protobuf writes them.

use crate::diagnostic::Diagnostics;
use crate::dump::{Options, to_json};
use crate::wire::decode;

/// A length-delimited field.
fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        out.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(bytes);
    out
}

fn json(name: &str, bytes: &[u8]) -> Result<String, Vec<String>> {
    let mut diagnostics = Diagnostics::default();
    let message = decode(nuncio_api::message(name).unwrap(), bytes, &mut diagnostics);
    let texts = || {
        diagnostics
            .iter()
            .map(|found| found.message.clone())
            .collect()
    };
    message
        .map(|message| to_json(&message, Options::default()))
        .ok_or_else(texts)
}

#[test]
fn messages_wrappers_durations_and_any_are_read() {
    let tls = part(2, b"example.com");
    let url = b"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let any = [part(1, url), part(2, &tls)].concat();
    let socket = [part(1, b"tls"), part(3, &any)].concat();
    let timeout = [0x08, 0x05, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
    let mut cluster = [part(1, b"a"), part(4, &timeout), part(5, &[0x08, 0x11])].concat();
    cluster.extend([0xc2, 0x01, u8::try_from(socket.len()).unwrap()]);
    cluster.extend(&socket);
    let expected = concat!(
        r#"{"name":"a","connect_timeout":"5.500s","per_connection_buffer_limit_bytes":17,"#,
        r#""transport_socket":{"name":"tls","typed_config":{"@type":"type.googleapis.com/envoy.extensions."#,
        r#"transport_sockets.tls.v3.UpstreamTlsContext","sni":"example.com"}}}"#
    );
    assert_eq!(
        json("envoy.config.cluster.v3.Cluster", &cluster),
        Ok(expected.to_owned())
    );
}

#[test]
fn structures_and_maps_are_read() {
    let value = part(3, b"x");
    let member = [part(1, b"k"), part(2, &value)].concat();
    let structure = part(1, &member);
    let entry = [part(1, b"f"), part(2, &structure)].concat();
    let text = json("envoy.config.core.v3.Metadata", &part(1, &entry));
    assert_eq!(
        text,
        Ok(r#"{"filter_metadata":{"f":{"k":"x"}}}"#.to_owned())
    );
}

#[test]
fn what_is_no_message_is_refused() {
    let cluster = "envoy.config.cluster.v3.Cluster";
    assert!(json(cluster, b"abc").is_err());
    assert!(json(cluster, &[0x0a, 0x05, b'a']).is_err());
    assert!(json(cluster, &[0xff; 20]).is_err());
    assert!(json(cluster, &part(1, &[0xff])).is_err());
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let nested = |levels: usize| {
        let list = (0..levels).fold(Vec::new(), |inner, _| part(6, &part(1, &inner)));
        part(1, &[part(1, b"k"), part(2, &list)].concat())
    };
    let metadata = |levels: usize| part(1, &[part(1, b"f"), part(2, &nested(levels))].concat());
    assert!(json("envoy.config.core.v3.Metadata", &metadata(10)).is_ok());
    assert!(json("envoy.config.core.v3.Metadata", &metadata(60)).is_err());
}
