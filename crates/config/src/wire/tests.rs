//! Bytes as protobuf writes them.

use crate::diagnostic::Diagnostics;
use crate::dump::{Options, to_json};
use crate::interpret::interpret;
use crate::source::{Format, Source};
use crate::text;
use crate::wire::discovery::{DiscoveryResponse, RawAny, open};
use crate::wire::{decode, encode};

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

#[test]
fn a_message_is_written_as_it_was_read() {
    let text = r#"{id: one, cluster: c, metadata: {a: [1, true, null, "x"], b: {c: d}}, locality: {region: r},
        user_agent_build_version: {version: {major_number: 1}}, dynamic_parameters: {x: {params: {k: v}}},
        extensions: [{name: e, type_urls: [t]}]}"#;
    let source = Source::new("node.yaml", Format::Yaml, text);
    let mut found = Diagnostics::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut found).unwrap();
    let descriptor = nuncio_api::message("envoy.config.core.v3.Node").unwrap();
    let tree = interpret(descriptor, &node, &mut found).unwrap_or_else(|| panic!("{found:?}"));
    let again =
        decode(descriptor, &encode(&tree), &mut found).unwrap_or_else(|| panic!("{found:?}"));
    assert!(found.is_empty());
    let shown = |tree| to_json(tree, Options::default());
    assert_eq!(shown(&again), shown(&tree));
}

#[test]
fn numbers_durations_wrappers_and_any_are_written_too() {
    let text = r#"{name: c, connect_timeout: 1.5s, per_connection_buffer_limit_bytes: 7, type: STRICT_DNS,
        respect_dns_ttl: false, lb_subset_config: {locality_weight_aware: true}, health_checks: [{timeout: 1s,
        interval: 0.25s, unhealthy_threshold: 1, healthy_threshold: 1, grpc_health_check: {},
        http_health_check: {path: /, expected_statuses: [{start: -1, end: 5}]}}], transport_socket: {name: t,
        typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext,
        sni: a}}, common_lb_config: {healthy_panic_threshold: {value: 12.5}}}"#;
    let source = Source::new("cluster.yaml", Format::Yaml, text);
    let mut found = Diagnostics::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut found).unwrap();
    let descriptor = nuncio_api::message("envoy.config.cluster.v3.Cluster").unwrap();
    let tree = interpret(descriptor, &node, &mut found).unwrap_or_else(|| panic!("{found:?}"));
    let mut found = Diagnostics::default();
    let again =
        decode(descriptor, &encode(&tree), &mut found).unwrap_or_else(|| panic!("{found:?}"));
    let shown = |tree| to_json(tree, Options::default());
    assert_eq!(shown(&again), shown(&tree));
}

#[test]
fn of_fields_that_nobody_knows_each_message_is_told_of_once_and_of_few() {
    let unknown_of = |value: Vec<u8>| {
        let type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
        let (mut unknown, mut found) = (Vec::new(), Diagnostics::default());
        open(&RawAny { type_url, value }, &mut unknown, &mut found).unwrap();
        unknown
            .iter()
            .map(|set| set.finding().envoy.unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let field = |number: u8| [0xf0 | (number << 3), 0x7f, 1];
    // Two in the cluster, one in its circuit breakers (field 10).
    let nested = part(10, &field(1));
    assert_eq!(
        unknown_of([&field(1)[..], &nested, &field(0)].concat()),
        [
            "Protobuf message (type envoy.config.cluster.v3.Cluster(root) with unknown field set {2047, 2046}) has unknown fields",
            "Protobuf message (type envoy.config.cluster.v3.CircuitBreakers(envoy.config.cluster.v3.Cluster) with unknown field set {2047}) has unknown fields",
        ]
    );
    let [many] = &unknown_of(field(1).repeat(10_000))[..] else {
        panic!("it is one message");
    };
    assert_eq!(many.matches("2047").count(), 100);
}

#[test]
fn a_resource_of_a_server_may_have_fields_that_nobody_knows() {
    let value = [part(1, b"c"), vec![0xf8, 0x7f, 1]].concat();
    let type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    let (mut unknown, mut found) = (Vec::new(), Diagnostics::default());
    let raw = RawAny { type_url, value };
    let any = open(&raw, &mut unknown, &mut found).unwrap();
    assert_eq!(any.type_name(), "envoy.config.cluster.v3.Cluster");
    let text = "there is no field number 2047 in `envoy.config.cluster.v3.Cluster`";
    let said: Vec<_> = unknown
        .iter()
        .map(|field| field.finding().message)
        .collect();
    assert_eq!(said, [text]);
}

/// Whether a resource of a delta response lives for no duration.
fn has_invalid_life(seconds: &[u8], nanos: &[u8]) -> bool {
    let ttl = [&[0x08][..], seconds, &[0x10], nanos].concat();
    let resource = [part(3, b"name"), part(6, &ttl)].concat();
    let response = DiscoveryResponse::decode_delta(&part(2, &resource)).unwrap();
    response.changed[0].has_invalid_ttl
}

#[test]
fn a_life_that_is_no_duration_is_told() {
    let minus_one = [&[0xff; 9][..], &[1]].concat();
    let billion = [0x80, 0x94, 0xeb, 0xdc, 0x03];
    assert!(!has_invalid_life(&[5], &[7]));
    assert!(has_invalid_life(&minus_one, &billion));
    assert!(has_invalid_life(&minus_one, &[0]));
    assert!(has_invalid_life(&[0], &billion));
    assert!(has_invalid_life(&[0], &minus_one));
}
