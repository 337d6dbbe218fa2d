//! Route tables of configuration texts, and what is asked of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::diagnostic::Severity;
use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_config::{interpret, text, validate};
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_http::config::route::RouteConfiguration;
use nuncio_http::route::{RouteCompiler, RouteTable};
use nuncio_upstream::ClusterManager;

/// A stream of a connection without TLS.
pub(crate) fn info() -> StreamInfo {
    StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now())
}

/// Compiles; mistakes are in `ctx`.
pub(crate) fn compile(yaml: &str, ctx: &mut Ctx) -> Result<RouteTable, Refused> {
    let source = Source::new("routes.yaml", Format::Yaml, yaml);
    let node =
        text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).ok_or(Refused)?;
    let descriptor =
        nuncio_api::message("envoy.config.route.v3.RouteConfiguration").ok_or(Refused)?;
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).ok_or(Refused)?;
    validate::validate(&tree, &mut ctx.diagnostics);
    let message: RouteConfiguration = decode(&Arc::new(tree), ctx)?;
    let clusters = ClusterManager::new(StatsStore::default());
    let mut compiler = RouteCompiler {
        plugins: Default::default(),
        ctx,
        extensions: &Extensions::default(),
        filter_names: &[],
        cluster_id: &mut |name| clusters.reserve(name),
        known_clusters: Some(&|name| name != "unknown"),
    };
    compiler.compile(&message)
}

/// What is wrong.
pub(crate) fn errors(ctx: &Ctx) -> String {
    let errors = ctx
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| found.message.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

/// The table of a text without mistakes.
pub(crate) fn table(yaml: &str) -> RouteTable {
    let mut ctx = Ctx::default();
    let table = compile(yaml, &mut ctx);
    assert_eq!(errors(&ctx), "", "{yaml}");
    table.unwrap_or_else(|_| panic!("{yaml} is refused without a reason"))
}

/// A request.
pub(crate) fn request(path: &str, headers: &[(&str, &str)]) -> HeaderMap {
    let mut request = HeaderMap::request();
    let pseudo = [
        (":scheme", "http"),
        (":authority", "example.com"),
        (":path", path),
    ];
    let proto = ("x-forwarded-proto", "http");
    let is_given = headers.iter().any(|(name, _)| *name == proto.0);
    let proto = (!is_given).then_some(&proto);
    for (name, value) in pseudo.iter().chain(headers).chain(proto) {
        let name = HeaderName::parse_with_pseudo(name).expect("a header name");
        request.append(&name, value.as_bytes());
    }
    request
}
