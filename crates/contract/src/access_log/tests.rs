//! Filters against what a real Envoy 1.40 logged for the same four requests.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, decode};
use nuncio_config::{interpret, text};

use super::{AccessLogFilter, CompiledFilter};
use crate::formatter::tests::{Stream, fields, headers, stream, string};
use crate::headers::MapKind;
use crate::stream_info::metadata::Value;
use crate::stream_info::{ResponseFlags, TraceReason};

fn filter(yaml: &str) -> CompiledFilter {
    let mut ctx = Ctx::default();
    let source = Source::new("filter.yaml", Format::Yaml, yaml);
    let limits = text::Limits::default();
    let node = text::parse(&source, 0, &limits, &mut ctx.diagnostics).expect("good YAML");
    let descriptor =
        nuncio_api::message("envoy.config.accesslog.v3.AccessLogFilter").expect("a message");
    let tree =
        interpret::interpret(descriptor, &node, &mut ctx.diagnostics).expect("a good message");
    let filter: AccessLogFilter = decode(&Arc::new(tree), &mut ctx)
        .unwrap_or_else(|_| panic!("{yaml}: {:?}", ctx.diagnostics));
    CompiledFilter::compile(&filter, &mut ctx).expect("a good filter")
}

fn exchange(path: &str, status: u16, request_fields: &[(&str, &[u8])]) -> Stream {
    let mut stream = stream();
    stream.request = headers(MapKind::Request, &[(":path", path.as_bytes())]);
    for (name, value) in request_fields {
        let name = crate::headers::HeaderName::parse(name).expect("a header name");
        stream.request.append(&name, value);
    }
    stream.info.response_code = Some(status);
    let list = Value::List(vec![Value::Number(1.0), Value::Number(2.0)]);
    let fields = fields([
        ("a", string("x")),
        ("l", list),
        ("n", Value::Number(2.0)),
        ("z", Value::Null),
    ]);
    stream.info.dynamic_metadata_mut().merge("m", fields);
    stream
}

/// A plain answer, a 404 by a route, a gRPC answer with status 14, and a request without a route.
fn exchanges() -> [Stream; 4] {
    let mut grpc = exchange(
        "/g",
        200,
        &[
            ("content-type", b"application/grpc"),
            ("x-envoy-force-trace", b"1"),
        ],
    );
    grpc.response = headers(MapKind::Response, &[("grpc-status", b"14")]);
    let mut no_route = exchange("/nr", 404, &[("x-a", b"2")]);
    no_route.info.add_flags(ResponseFlags::NO_ROUTE_FOUND);
    [
        exchange(
            "/ok",
            200,
            &[("x-request-id", b"00000031-0000-4000-8000-000000000000")],
        ),
        exchange(
            "/404",
            404,
            &[
                ("x-a", b"1"),
                ("x-request-id", b"00000032-0000-4000-8000-000000000000"),
            ],
        ),
        grpc,
        no_route,
    ]
}

#[test]
fn filters_take_what_the_oracle_took() {
    const ALL: &[&str] = &["/ok", "/404", "/g", "/nr"];
    let exchanges = exchanges();
    let comparison = |op: &str, value: u32| {
        format!("comparison: {{op: {op}, value: {{default_value: {value}, runtime_key: x}}}}")
    };
    let status = |op: &str| format!("status_code_filter: {{{}}}", comparison(op, 404));
    let metadata = |key: &str, value: &str| {
        format!(
            "metadata_filter: {{matcher: {{filter: m, path: [{{key: '{key}'}}], value: {{{value}}}}}}}"
        )
    };
    let missing = "{filter: ns, path: [{key: a}], value: {string_match: {exact: x}}}";
    for (yaml, expected) in [
        (status("EQ"), &["/404", "/nr"][..]),
        (status("GE"), &["/404", "/nr"]),
        (status("LE"), ALL),
        (status("NE"), &["/ok", "/g"]),
        (format!("duration_filter: {{{}}}", comparison("GE", 0)), ALL),
        (
            format!("duration_filter: {{{}}}", comparison("GE", 90_000)),
            &[],
        ),
        ("not_health_check_filter: {}".into(), ALL),
        ("traceable_filter: {}".into(), &[]),
        ("runtime_filter: {runtime_key: k}".into(), &[]),
        (
            "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 100}}".into(),
            ALL,
        ),
        (
            "and_filter: {filters: [{not_health_check_filter: {}}, {response_flag_filter: {}}]}"
                .into(),
            &["/nr"],
        ),
        (
            "or_filter: {filters: [{not_health_check_filter: {}}, {response_flag_filter: {}}]}"
                .into(),
            ALL,
        ),
        (
            "header_filter: {header: {name: x-a, string_match: {exact: '1'}}}".into(),
            &["/404"],
        ),
        (
            "header_filter: {header: {name: x-a, string_match: {exact: '1'}, invert_match: true}}"
                .into(),
            &["/nr"],
        ),
        ("response_flag_filter: {}".into(), &["/nr"]),
        ("response_flag_filter: {flags: [NR, UH]}".into(), &["/nr"]),
        ("response_flag_filter: {flags: [UH]}".into(), &[]),
        ("grpc_status_filter: {statuses: [UNKNOWN]}".into(), &["/ok"]),
        (
            "grpc_status_filter: {statuses: [UNIMPLEMENTED]}".into(),
            &["/404", "/nr"],
        ),
        (
            "grpc_status_filter: {statuses: [UNKNOWN], exclude: true}".into(),
            &["/404", "/g", "/nr"],
        ),
        ("grpc_status_filter: {}".into(), &[]),
        ("grpc_status_filter: {statuses: [OK]}".into(), &[]),
        (format!("metadata_filter: {{matcher: {missing}}}"), ALL),
        (
            format!("metadata_filter: {{matcher: {missing}, match_if_key_not_found: false}}"),
            &[],
        ),
        ("metadata_filter: {}".into(), ALL),
        (metadata("a", "string_match: {exact: x}"), ALL),
        (metadata("a", "string_match: {exact: w}"), &[]),
        (
            metadata("l", "list_match: {one_of: {double_match: {exact: 2}}}"),
            ALL,
        ),
        (
            metadata("n", "double_match: {range: {start: 1, end: 2.5}}"),
            ALL,
        ),
        (metadata("z", "null_match: {}"), ALL),
        (metadata("a", "present_match: false"), &[]),
        (
            metadata(
                "a",
                "or_match: {value_matchers: [{bool_match: true}, {string_match: {exact: x}}]}",
            ),
            ALL,
        ),
        ("log_type_filter: {types: [DownstreamEnd]}".into(), ALL),
        (
            "log_type_filter: {types: [DownstreamEnd], exclude: true}".into(),
            &[],
        ),
        ("log_type_filter: {}".into(), &[]),
    ] {
        let filter = filter(&yaml);
        let taken = exchanges
            .iter()
            .filter(|stream| filter.matches(&stream.context()));
        let paths: Vec<_> = taken
            .filter_map(|stream| stream.request.get_str(crate::headers::Known::Path))
            .collect();
        assert_eq!(paths, expected, "{yaml}");
    }
}

#[test]
fn a_share_is_chosen_by_the_request_id_so_that_all_logs_choose_alike() {
    let half = filter("runtime_filter: {runtime_key: k, percent_sampled: {numerator: 50}}");
    let [ok, not_found, ..] = exchanges();
    assert!(half.matches(&ok.context()), "0x31 is below 50");
    assert!(!half.matches(&not_found.context()), "0x32 is 50");
    let independent = filter(
        "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 50}, use_independent_randomness: true}",
    );
    assert_eq!(
        independent.matches(&ok.context()),
        independent.matches(&not_found.context())
    );
}

#[test]
fn a_forced_trace_is_traceable_and_a_health_check_never_is() {
    let traceable = filter("traceable_filter: {}");
    let [mut stream, ..] = exchanges();
    stream.info.trace_reason = TraceReason::ServiceForced;
    assert!(traceable.matches(&stream.context()));
    stream.info.health_check = true;
    assert!(!traceable.matches(&stream.context()));
    assert!(!filter("not_health_check_filter: {}").matches(&stream.context()));
}

#[test]
fn a_duration_is_compared_in_whole_milliseconds() {
    let slow = filter("duration_filter: {comparison: {op: GE, value: {default_value: 2}}}");
    let [mut stream, ..] = exchanges();
    stream.info.end = Some(stream.info.start + Duration::from_micros(1999));
    assert!(!slow.matches(&stream.context()));
    stream.info.end = Some(stream.info.start + Duration::from_micros(2000));
    assert!(slow.matches(&stream.context()));
}
