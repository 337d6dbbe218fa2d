//! What is said of traces in `x-amzn-trace-id`, what segments hold, and what configurations are refused.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_config::{interpret, text};
use nuncio_contract::tracing::{self, Provider, Span as _, TracerRooms};

use super::config::Settings;
use super::context::{Context, read, text as text_of, write};
use super::json;
use super::manifest::Manifest;
use super::span::{Told, XRaySpan};
use super::tracer::XRayTracer;

#[test]
fn what_was_written_is_read() {
    let value = write(
        b"1-58406cf0-a006649127e371903a2de979",
        "53995c3f42cd8ad8",
        true,
    );
    let wanted = "Root=1-58406cf0-a006649127e371903a2de979;Parent=53995c3f42cd8ad8;Sampled=1";
    assert_eq!(value, wanted.as_bytes());
    let context = read(&value);
    assert_eq!(context.trace_id, b"1-58406cf0-a006649127e371903a2de979");
    assert_eq!(context.parent_id, b"53995c3f42cd8ad8");
    assert_eq!(context.is_sampled, Some(true));
}

#[test]
fn what_is_not_known_is_nothing_and_blanks_count() {
    assert_eq!(read(b""), Context::default());
    let context = read(b"Self=1;ROOT=A=b; Parent=2;sampled=?");
    assert_eq!(context.trace_id, b"a=b");
    assert_eq!(context.parent_id, b"");
    assert_eq!(context.is_sampled, None);
    assert_eq!(read(b"Sampled=1;Sampled=0").is_sampled, Some(false));
}

#[test]
fn bytes_that_are_no_text_go_on_as_they_came_and_are_blanks_in_segments() {
    let context = read(b"Root=A\xe9;Parent=\xe8;Sampled=0");
    assert_eq!(context.trace_id, b"a\xe9");
    assert_eq!(context.parent_id, b"\xe8");
    assert_eq!(context.is_sampled, Some(false));
    assert_eq!(
        write(b"a\xe9", "1", false),
        b"Root=a\xe9;Parent=1;Sampled=0"
    );
    assert_eq!(text_of(b"1.2.3.4\xe9\xc3\xa9"), "1.2.3.4 \u{e9}");
}

/// The rooms of the family.
const ROOMS: TracerRooms = &[crate::TRACERS];

/// What is said of a tracer with these fields.
fn said_of(fields: &str) -> (bool, Vec<String>) {
    let mut ctx = Ctx::default();
    let yaml = format!(
        "{{name: t, typed_config: {{'@type': type.googleapis.com/{}, segment_name: a, {fields}}}}}",
        super::ROOM.message
    );
    let source = Source::new("tracer.yaml", Format::Yaml, yaml);
    let compiled = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics)
        .and_then(|node| {
            let descriptor = nuncio_api::message("envoy.config.trace.v3.Tracing.Http")?;
            interpret::interpret(descriptor, &node, &mut ctx.diagnostics)
        })
        .ok_or(Refused)
        .and_then(|tree| decode::<Provider>(&Arc::new(tree), &mut ctx))
        .and_then(|provider| tracing::compile(&provider, ROOMS, &mut ctx));
    let said = ctx.diagnostics.iter();
    (
        compiled.is_ok(),
        said.map(|it| it.message.clone()).collect(),
    )
}

#[test]
fn the_daemon_has_an_ip_address_and_is_told_by_datagrams() {
    for address in ["127.0.0.1", "'::1'", "'[::1]'"] {
        let fields =
            format!("daemon_endpoint: {{protocol: UDP, address: {address}, port_value: 1}}");
        assert_eq!(said_of(&fields), (true, Vec::new()), "{address}");
    }
    for (fields, wanted) in [
        ("", "X-Ray daemon endpoint must be a UDP socket address"),
        (
            "daemon_endpoint: {address: 127.0.0.1, port_value: 1}",
            "X-Ray daemon endpoint must be a UDP socket address",
        ),
        (
            "daemon_endpoint: {protocol: UDP, address: localhost, port_value: 1}",
            "malformed IP address: localhost",
        ),
    ] {
        assert_eq!(said_of(fields), (false, vec![wanted.to_owned()]));
    }
}

#[test]
fn rules_that_cannot_be_read_are_warned_of() {
    let daemon = "daemon_endpoint: {protocol: UDP, address: 127.0.0.1, port_value: 1}";
    for (source, wanted) in [
        (
            "filename: /nowhere/rules.json",
            "the sampling rules cannot be read, so",
        ),
        (
            "inline_string: '{\"version\":1}'",
            "its `version` must be 2",
        ),
    ] {
        let (is_taken, said) = said_of(&format!("{daemon}, sampling_rule_manifest: {{{source}}}"));
        assert!(is_taken);
        assert!(
            said.iter().all(|it| it.contains(wanted)) && said.len() == 1,
            "{said:?}"
        );
    }
}

#[test]
fn a_file_is_read_whatever_is_watched_and_may_be_empty() {
    let folder = std::env::temp_dir().join(format!("nuncio-xray-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("rules.json");
    let said = || {
        let path = path.display();
        let source = format!("{{filename: {path}, watched_directory: {{path: /nowhere}}}}");
        let daemon = "daemon_endpoint: {protocol: UDP, address: 127.0.0.1, port_value: 1}";
        said_of(&format!("{daemon}, sampling_rule_manifest: {source}"))
    };
    std::fs::write(&path, "").expect("written");
    assert_eq!(said(), (true, Vec::new()));
    std::fs::write(&path, "{}").expect("written");
    let wrong = "the sampling rules cannot be read: its `version` must be 2".to_owned();
    assert_eq!(said(), (true, vec![wrong]));
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn rules_in_the_configuration_that_are_too_many_are_warned_of() {
    let daemon = "daemon_endpoint: {protocol: UDP, address: 127.0.0.1, port_value: 1}";
    let text = " ".repeat((1 << 20) + 1);
    let (is_taken, said) = said_of(&format!(
        "{daemon}, sampling_rule_manifest: {{inline_string: '{text}'}}"
    ));
    let wanted = "the sampling rules cannot be read, so that the default rule holds";
    assert_eq!((is_taken, said), (true, vec![wanted.to_owned()]));
}

/// A span of a trace, sampled or not.
fn span(is_sampled: bool) -> XRaySpan {
    let settings = Settings {
        daemon: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 1),
        name: "a segment".into(),
        origin: "".into(),
        aws: r#"{"a":1}"#.into(),
        manifest: Manifest::default(),
    };
    XRaySpan {
        tracer: XRayTracer::new(&Arc::new(settings)),
        name: "a segment".into(),
        id: "1".to_owned(),
        trace_id: b"a\xe9"[..].into(),
        parent_id: b""[..].into(),
        begin: SystemTime::UNIX_EPOCH,
        is_sampled,
        is_outbound: true,
        is_child: false,
        told: Told::default(),
    }
}

/// The segment in a datagram.
fn segment(datagram: &[u8]) -> serde_json::Value {
    let mut lines = datagram.splitn(2, |byte| *byte == b'\n');
    assert_eq!(lines.next(), Some(&br#"{"format":"json","version":1}"#[..]));
    serde_json::from_slice(lines.next().unwrap_or_default()).expect("JSON")
}

#[test]
fn annotations_without_place_in_a_datagram_are_left_out() {
    let mut told = span(true);
    let long = "\"".repeat(8 << 10);
    for name in ["a", "b", "c", "d", "e"] {
        told.set_tag(name, &long);
    }
    told.set_tag("short", "s");
    let datagram = json::write(&told, SystemTime::UNIX_EPOCH);
    assert!(datagram.len() <= 65_507);
    let segment = segment(&datagram);
    let names = segment["annotations"].as_object().expect("annotations");
    let names: BTreeSet<_> = names.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["a", "b", "c", "direction", "short"]));
    assert_eq!(segment["annotations"]["a"], *long);
    assert_eq!(segment["trace_id"], "a ");
}

#[test]
fn what_is_configured_of_aws_is_in_segments_of_requests_alone() {
    let mut told = span(true);
    let of = |told: &XRaySpan| segment(&json::write(told, SystemTime::UNIX_EPOCH));
    let wanted = serde_json::json!({"a": 1});
    assert_eq!(of(&told)["aws"], wanted);
    told.is_child = true;
    assert_eq!(of(&told)["aws"], serde_json::json!({}));
    told.set_tag("direction", "mine");
    let wanted = serde_json::json!({"direction": "mine"});
    assert_eq!(of(&told)["annotations"], wanted);
}

#[test]
fn only_spans_that_are_sampled_want_to_be_told() {
    assert!(span(true).is_told());
    assert!(!span(false).is_told());
}
