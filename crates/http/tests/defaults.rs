//! The defaults that `nuncio expand` shows are those that hold: the same comes out with and without them, and
//! something else with another value.
#![forbid(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx};
use nuncio_config::{interpret, text};
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_http::config::DEFAULTS;
use nuncio_http::connection_manager::config::{CompileContext, ConnectionManagerConfig, Terminal};
use nuncio_http::route::{Action, RouteTable};
use nuncio_http::stream::{RouteSnapshot, StreamRoute};
use nuncio_upstream::ClusterManager;

/// A stream of a connection without TLS.
fn info() -> StreamInfo {
    StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
}

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// For each field a connection manager with its message around `%`, and another value.
const SHOWN: &[(&str, &str, &str)] = &[
    (
        "common_http_protocol_options.idle_timeout",
        "common_http_protocol_options: {%}",
        "7s",
    ),
    (
        "common_http_protocol_options.max_headers_count",
        "common_http_protocol_options: {%}",
        "7",
    ),
    (
        "http_protocol_options.allow_absolute_url",
        "http_protocol_options: {%}",
        "false",
    ),
    ("max_request_headers_kb", "%", "7"),
    ("stream_idle_timeout", "%", "7s"),
    ("request_timeout", "%", "7s"),
    ("request_headers_timeout", "%", "7s"),
    ("delayed_close_timeout", "%", "7s"),
    ("server_name", "%", "x"),
    ("use_remote_address", "%", "true"),
    ("generate_request_id", "%", "false"),
    ("normalize_path", "%", "true"),
    ("stream_error_on_invalid_http_message", "%", "true"),
    (
        "enabled",
        "upgrade_configs: [{upgrade_type: x, %}]",
        "false",
    ),
    (
        "enabled",
        "route_config: {virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, upgrade_configs: [{upgrade_type: x, %}]}}]}]}",
        "false",
    ),
    (
        "max_direct_response_body_size_bytes",
        "route_config: {%, virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: BODY}}}]}]}",
        "4",
    ),
    (
        "case_sensitive",
        "route_config: {virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /A, %}, route: {cluster: c}}]}]}",
        "false",
    ),
    (
        "timeout",
        "route_config: {virtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, %}}]}]}",
        "7s",
    ),
    (
        "dynamic_stats",
        "http_filters: [{name: r, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, %}}]",
        "false",
    ),
];

#[test]
fn the_defaults_that_are_shown_are_those_that_hold() {
    assert_eq!(SHOWN.len(), DEFAULTS.len());
    for (default, (path, around, other)) in DEFAULTS.iter().zip(SHOWN) {
        assert_eq!(default.path.join("."), *path);
        let field = default.path.last().expect("a field");
        let compiled = |written: &str| outcome(&around.replace('%', written));
        let absent = match default.path.len() {
            1 => compiled(""),
            // The messages around the field are the default's own.
            _ => outcome(""),
        };
        assert_eq!(
            compiled(&format!("{field}: {}", default.value)),
            absent,
            "{path}"
        );
        assert_ne!(
            compiled(&format!("{field}: {other}")),
            absent,
            "{path} has an effect"
        );
    }
}

/// What the code makes of a connection manager: its settings, where a request goes, or why it is refused.
fn outcome(fields: &str) -> String {
    // The largest body that a direct response may have by default.
    let fields = fields
        .replace("BODY", &"x".repeat(4096))
        .replace("{, ", "{");
    let mut whole = String::from("{stat_prefix: s");
    if !fields.contains("route_config") {
        whole += ", route_config: {}";
    }
    if !fields.contains("http_filters") {
        whole += ", http_filters: [{name: r, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]";
    }
    whole += &format!(", {fields}}}");
    let mut ctx = Ctx::default();
    match compile(&whole, &mut ctx) {
        Some((config, routes)) => describe(&config, &routes),
        None => format!(
            "refused: {:?}",
            ctx.diagnostics
                .iter()
                .map(|found| &found.message)
                .collect::<Vec<_>>()
        ),
    }
}

fn compile(yaml: &str, ctx: &mut Ctx) -> Option<(ConnectionManagerConfig, RouteTable)> {
    let source = Source::new("manager.yaml", Format::Yaml, yaml);
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics)?;
    let tree = interpret::interpret(nuncio_api::message(MANAGER)?, &node, &mut ctx.diagnostics)?;
    let any = Any {
        type_url: format!("type.googleapis.com/{MANAGER}").into(),
        message: Arc::new(tree),
        span: Span::NONE,
    };
    let clusters = ClusterManager::new(StatsStore::default());
    let mut context = CompileContext {
        ctx,
        extensions: &Extensions::default(),
        cluster_id: &mut |name| clusters.reserve(name),
        known_clusters: &|_| true,
        service_cluster: "",
        service_node: "",
        default_tracer: None,
        buffer_limit_bytes: 0,
        is_outbound: false,
    };
    ConnectionManagerConfig::compile(&any, &mut context).ok()
}

fn describe(config: &ConnectionManagerConfig, routes: &RouteTable) -> String {
    let terminal = match &config.terminal {
        Terminal::Router(router) => format!("{router:?}"),
        _ => String::new(),
    };
    let no_routes = RouteSnapshot::for_look_ups(Arc::new(RouteTable::empty()));
    format!(
        "{:?} {:?} {:?} {:?} {} {:?} {terminal} {}",
        config.codec,
        config.timeouts,
        config.request,
        config.response,
        config.stream_error_on_invalid_http_message,
        config.judge_upgrade(b"x", &StreamRoute::none(no_routes)),
        way(routes)
    )
}

/// Where a request for `/a` and one for `/A` go.
fn way(routes: &RouteTable) -> String {
    let mut way = String::new();
    for path in ["/a", "/A"] {
        let mut request = HeaderMap::request();
        let headers = [
            (":authority", "x"),
            (":path", path),
            (":method", "GET"),
            ("x-forwarded-proto", "http"),
        ];
        for (name, value) in headers {
            let name = HeaderName::parse_with_pseudo(name).expect("a header name");
            request.append(&name, value.as_bytes());
        }
        let index = routes.find(&request, &info(), 0);
        way += &match index.map(|index| routes.action(index)) {
            Some(Action::Forward(forward)) => {
                let picked: Vec<_> = (0..12)
                    .map(|random| forward.pick_weighted(&request, &info(), random))
                    .collect();
                let upgrades = forward.upgrades.as_ref().map(|it| it.allows(b"x"));
                format!("{:?} {picked:?} {upgrades:?}", forward.timeout)
            }
            Some(_) => "elsewhere".to_owned(),
            None => "nowhere".to_owned(),
        };
    }
    way
}
