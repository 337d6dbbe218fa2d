//! Descriptors of configuration texts, made of requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_config::{interpret, text};

use super::{Asked, Descriptor, FilterRateLimits, Moment, RateLimitMessage, RateLimitPolicy};
use crate::formatter::tests::Services;
use crate::headers::{HeaderMap, HeaderName};
use crate::stream_info::metadata::{Struct, Value};
use crate::stream_info::{Address, ConnectionInfo, StreamInfo};

fn message(yaml: &str, ctx: &mut Ctx) -> RateLimitMessage {
    let source = Source::new("limit.yaml", Format::Yaml, yaml);
    let limits = text::Limits::default();
    let node = text::parse(&source, 0, &limits, &mut ctx.diagnostics).expect("good YAML");
    let descriptor = nuncio_api::message("envoy.config.route.v3.RateLimit").expect("a message");
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics)
        .unwrap_or_else(|| panic!("{yaml}: {:?}", ctx.diagnostics));
    decode(&Arc::new(tree), ctx).unwrap_or_else(|_| panic!("{yaml}: {:?}", ctx.diagnostics))
}

/// A client at `address` asks for `path`, with these headers and dynamic metadata `{mine: {role: admin}}`.
fn with_request<T>(
    address: &str,
    path: &str,
    headers: &[(&str, &str)],
    ask: impl FnOnce(&Asked<'_>) -> T,
) -> T {
    let mut request = HeaderMap::request();
    for (name, value) in [(":path", path)].iter().chain(headers) {
        let name = HeaderName::parse_with_pseudo(name).expect("a name");
        request.append(&name, value.as_bytes());
    }
    let connection = ConnectionInfo {
        remote_address: Some(Address::Ip(
            address.parse::<SocketAddr>().expect("an address"),
        )),
        ..ConnectionInfo::default()
    };
    let mut info = StreamInfo::new(Rc::new(connection), SystemTime::UNIX_EPOCH, Instant::now());
    let role = [("role", Value::String("admin".into()))];
    info.dynamic_metadata_mut()
        .merge("mine", role.into_iter().collect::<Struct>());
    ask(&Asked {
        request: &request,
        info: &info,
        response: None,
        service_cluster: "here",
        destination: Some(b"there"),
        services: &Services::default(),
    })
}

fn of_filter(yaml: &str) -> Result<FilterRateLimits, String> {
    let mut ctx = Ctx::default();
    let message = message(yaml, &mut ctx);
    FilterRateLimits::compile(&[message], &mut ctx).map_err(|Refused| {
        let found = ctx.diagnostics.iter().next();
        found.expect("a reason").message.clone()
    })
}

fn descriptor_at(
    address: &str,
    yaml: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Option<Descriptor> {
    let limits = of_filter(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let mut found = Vec::new();
    with_request(address, path, headers, |asked| {
        limits.describe(Moment::Request, asked, &mut found);
    });
    found.pop()
}

/// `key=value,key=value`; none where there is no descriptor.
fn described_at(
    address: &str,
    actions: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Option<String> {
    let found = descriptor_at(address, &format!("{{actions: [{actions}]}}"), path, headers)?;
    let each = found.entries.iter().map(|entry| {
        let value = String::from_utf8_lossy(&entry.value);
        format!("{}={value}", entry.key)
    });
    Some(each.collect::<Vec<_>>().join(","))
}

fn described(actions: &str, path: &str, headers: &[(&str, &str)]) -> Option<String> {
    described_at("192.0.2.9:1", actions, path, headers)
}

#[test]
fn entries_stand_in_the_order_of_the_actions() {
    let actions = "{destination_cluster: {}}, {source_cluster: {}}, {generic_key: {descriptor_value: '%PROTOCOL%'}}";
    let expected = "destination_cluster=there,source_cluster=here,generic_key=%PROTOCOL%";
    assert_eq!(described(actions, "/", &[]).as_deref(), Some(expected));
}

#[test]
fn what_is_not_there_is_left_out_or_makes_no_descriptor() {
    let header = "{request_headers: {header_name: x-a, descriptor_key: a";
    let rest = "{generic_key: {descriptor_value: v}}";
    let strict = format!("{header}}}}}, {rest}");
    let lenient = format!("{header}, skip_if_absent: true}}}}, {rest}");
    let both = [("x-a", "1"), ("x-a", "2")];
    assert_eq!(described(&strict, "/", &[]), None);
    assert_eq!(
        described(&strict, "/", &both).as_deref(),
        Some("a=1,generic_key=v"),
        "the first value counts"
    );
    assert_eq!(
        described(&lenient, "/", &[]).as_deref(),
        Some("generic_key=v")
    );
}

#[test]
fn clients_are_told_by_their_address_or_their_network() {
    let of = |address, actions| described_at(address, actions, "/", &[]);
    let network = "{masked_remote_address: {v4_prefix_mask_len: 20, v6_prefix_mask_len: 33}}";
    for (address, actions, expected) in [
        (
            "10.1.255.9:1",
            "{remote_address: {}}",
            "remote_address=10.1.255.9",
        ),
        (
            "10.1.255.9:1",
            network,
            "masked_remote_address=10.1.240.0/20",
        ),
        (
            "[2001:db8:ffff::1]:1",
            network,
            "masked_remote_address=2001:db8:8000::/33",
        ),
        (
            "10.1.255.9:1",
            "{masked_remote_address: {v4_prefix_mask_len: 0}}",
            "masked_remote_address=0.0.0.0/0",
        ),
        (
            "[2001:db8::1]:1",
            "{masked_remote_address: {}}",
            "masked_remote_address=2001:db8::1/128",
        ),
    ] {
        assert_eq!(of(address, actions).as_deref(), Some(expected), "{actions}");
    }
}

#[test]
fn query_parameters_are_read_with_their_escapes() {
    let value = "{query_parameters: {query_parameter_name: 'a b', descriptor_key: q}}";
    let found = described(value, "/?x=1&a%20b=c%2Fd&a%20b=e", &[]);
    assert_eq!(found.as_deref(), Some("q=c/d"));
    assert_eq!(described(value, "/?ab=1", &[]), None);
    let matched = "{query_parameter_value_match: {descriptor_value: v, query_parameters: [{name: q, string_match: {exact: 'a b'}}]}}";
    let found = described(matched, "/?q=a%20b", &[]);
    assert_eq!(found.as_deref(), Some("query_match=v"));
    assert_eq!(described(matched, "/?q=a+b", &[]), None);
}

#[test]
fn headers_are_to_match_all_or_not_all() {
    let action = |expected: bool| {
        format!(
            "{{header_value_match: {{descriptor_value: v, expect_match: {expected}, headers: [{{name: x-a}}, {{name: x-b}}]}}}}"
        )
    };
    let one = [("x-a", "1")];
    let both = [("x-a", "1"), ("x-b", "1")];
    assert_eq!(
        described(&action(true), "/", &both).as_deref(),
        Some("header_match=v")
    );
    assert_eq!(described(&action(true), "/", &one), None);
    assert_eq!(
        described(&action(false), "/", &one).as_deref(),
        Some("header_match=v")
    );
    assert_eq!(described(&action(false), "/", &both), None);
}

#[test]
fn metadata_is_a_text_or_the_default() {
    let action = |path: &str, rest: &str| {
        format!(
            "{{metadata: {{descriptor_key: m, metadata_key: {{key: mine, path: [{{key: {path}}}]}}{rest}}}}}"
        )
    };
    let of = |path, rest| described(&action(path, rest), "/", &[]);
    assert_eq!(of("role", "").as_deref(), Some("m=admin"));
    assert_eq!(of("other", ", default_value: d").as_deref(), Some("m=d"));
    assert_eq!(of("other", ", skip_if_absent: true").as_deref(), Some(""));
    assert_eq!(of("other", ""), None);
    assert_eq!(of("role", ", source: ROUTE_ENTRY"), None);
}

#[test]
fn hits_are_a_number_or_the_text_of_a_command() {
    let hits = |addend: &str, headers: &[(&str, &str)]| {
        let yaml = format!("{{actions: [{{source_cluster: {{}}}}], hits_addend: {{{addend}}}}}");
        descriptor_at("192.0.2.9:1", &yaml, "/", headers)
            .map(|found| (found.hits.expect("hits"), found.gives_back))
    };
    assert_eq!(hits("number: 3", &[]), Some((3, false)));
    assert_eq!(
        hits("number: 3, is_negative_hits: true", &[]),
        Some((3, true))
    );
    for (text, expected) in [
        ("7", Some(7)),
        ("2.9", Some(2)),
        ("1e1", Some(10)),
        ("-1", None),
        ("nan", None),
        ("1000000001", None),
        ("many", None),
    ] {
        let found = hits("format: '%REQ(x-hits)%'", &[("x-hits", text)]);
        assert_eq!(found.map(|found| found.0), expected, "{text}");
    }
    assert_eq!(hits("format: '%REQ(x-hits)%'", &[]), None);
}

#[test]
fn those_for_the_end_of_a_stream_do_not_count_at_its_beginning() {
    let yaml = "{actions: [{source_cluster: {}}], apply_on_stream_done: true}";
    assert_eq!(descriptor_at("192.0.2.9:1", yaml, "/", &[]), None);
}

#[test]
fn of_a_route_those_of_the_stage_count_that_nothing_disables() {
    let mut ctx = Ctx::default();
    let messages = ["stage: 2", "stage: 3", "stage: 2, disable_key: k"].map(|rest| {
        let yaml = format!("{{actions: [{{source_cluster: {{}}}}], {rest}}}");
        message(&yaml, &mut ctx)
    });
    let policy = RateLimitPolicy::compile(&messages, &mut ctx).expect("sound");
    let of_stage = |stage| {
        let mut found = Vec::new();
        with_request("192.0.2.9:1", "/", &[], |asked| {
            policy.describe(stage, asked, &mut found);
        });
        found.len()
    };
    assert_eq!([0, 2, 3].map(of_stage), [0, 1, 1]);
}

const EXPRESSION: &str =
    "type.googleapis.com/envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor";

fn by_expression(rest: &str) -> String {
    let typed = format!("{{'@type': {EXPRESSION}, descriptor_key: k, {rest}}}");
    format!("{{actions: [{{extension: {{name: c, typed_config: {typed}}}}}]}}")
}

#[test]
fn an_expression_makes_an_entry_or_fails() {
    let yaml = by_expression("text: 'size(request.path) + 1'");
    let found = descriptor_at("192.0.2.9:1", &yaml, "/ab", &[]).expect("a descriptor");
    assert_eq!(found.entries, [super::Entry::new("k", b"4")]);
    let fails = by_expression("text: 'response.code'");
    assert_eq!(descriptor_at("192.0.2.9:1", &fails, "/", &[]), None);
}

#[test]
fn what_is_no_expression_is_said() {
    for (rest, words) in [
        ("text: '1 +'", "Unable to parse descriptor expression"),
        ("skip_if_error: true", "expression specifier is not set"),
    ] {
        let error = of_filter(&by_expression(rest)).expect_err("refused");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn an_unknown_extension_is_refused() {
    let other = "{extension: {name: c, typed_config: {'@type': type.googleapis.com/google.protobuf.Empty}}}";
    let error = of_filter(&format!("{{actions: [{other}]}}")).expect_err("refused");
    assert!(
        error.contains("Didn't find a registered implementation for 'c'"),
        "{error}"
    );
}
