//! `--disable-extensions`: what is named there counts as not built in.
//!
//! Names are `category/name`, as Envoy's. Those are known that Nuncio has; all others are refused wherever they stand.

use nuncio_config::tree::{Message, Value};
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::registry::Extensions;

use crate::cli::Options;
use crate::log;

/// An extension: its category, name and message.
type Known = (&'static str, &'static str, &'static str);

const CLUSTER_SPECIFIERS: &str = "envoy.router.cluster_specifier_plugin";

/// The extensions that are part of the engine.
const BUILT_IN: [Known; 11] = [
    (
        "envoy.filters.http",
        nuncio_http::config::router::NAME,
        nuncio_http::config::router::MESSAGE,
    ),
    (
        "envoy.filters.network",
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    ),
    (
        "envoy.filters.network",
        nuncio_tcp::proxy::NAME,
        nuncio_tcp::proxy::MESSAGE,
    ),
    (
        "envoy.filters.network",
        nuncio_redis::NAME,
        nuncio_redis::MESSAGE,
    ),
    (
        "envoy.filters.network",
        nuncio_thrift::NAME,
        nuncio_thrift::MESSAGE,
    ),
    (
        "envoy.transport_sockets.upstream",
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    ),
    (
        "envoy.transport_sockets.upstream",
        "envoy.transport_sockets.raw_buffer",
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
    ),
    (
        "envoy.load_balancing_policies",
        "envoy.load_balancing_policies.round_robin",
        "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    ),
    (
        "envoy.upstream_options",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    ),
    (
        "envoy.http.stateful_header_formatters",
        "envoy.http.stateful_header_formatters.preserve_case",
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
    ),
    (
        "envoy.clusters",
        "envoy.cluster.dns",
        "envoy.extensions.clusters.dns.v3.DnsCluster",
    ),
];

fn known(extensions: &Extensions) -> Vec<Known> {
    let filters = extensions.http_filters.iter().copied().flatten();
    let network = extensions.network_filters.iter().copied().flatten();
    let network = network.map(|room| ("envoy.filters.network", room.name, room.message));
    let listener = extensions.listener_filters.iter().copied().flatten();
    let listener = listener.map(|room| ("envoy.filters.listener", room.name, room.message));
    let loggers = extensions.access_loggers.iter().copied().flatten();
    let early = extensions.early_header_mutations.iter().copied().flatten();
    let early = early.map(|room| ("envoy.http.early_header_mutation", room.name, room.message));
    let filters = filters.map(|room| ("envoy.filters.http", room.name, room.message));
    let loggers = loggers.map(|room| ("envoy.access_loggers", room.name, room.message));
    let all = BUILT_IN.into_iter().chain(filters).chain(network);
    let all = all.chain(listener).chain(early);
    let tracers = extensions.tracers.iter().copied().flatten();
    let tracers = tracers.map(|room| ("envoy.tracers", room.name, room.message));
    let plugins = extensions.cluster_specifiers.iter().copied().flatten();
    let plugins = plugins.map(|room| (CLUSTER_SPECIFIERS, room.name, room.message));
    all.chain(loggers).chain(tracers).chain(plugins).collect()
}

/// Says of each name what becomes of it, in Envoy's words.
pub(crate) fn tell(options: &Options, extensions: &Extensions) {
    let known = known(extensions);
    for name in &options.disabled_extensions {
        let Some((category, own)) = name.split_once('/') else {
            let text = format!("failed to disable invalid extension name '{name}'");
            log::warning("misc", &text);
            continue;
        };
        if known.iter().any(|one| (one.0, one.1) == (category, own)) {
            log::info("misc", &format!("disabled extension '{name}'"));
        } else {
            let text = format!("failed to disable unknown extension '{name}'");
            log::warning("misc", &text);
        }
    }
}

/// Refuses each use of a disabled extension.
pub(crate) fn check(
    tree: &Message,
    options: &Options,
    extensions: &Extensions,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let is_disabled = |one: &Known| {
        let name = format!("{}/{}", one.0, one.1);
        options.disabled_extensions.contains(&name)
    };
    let disabled: Vec<Known> = known(extensions).into_iter().filter(is_disabled).collect();
    let before = ctx.diagnostics.errors();
    if !disabled.is_empty() {
        message(tree, &disabled, ctx);
    }
    match ctx.diagnostics.errors() == before {
        true => Ok(()),
        false => Err(Refused),
    }
}

fn message(parent: &Message, disabled: &[Known], ctx: &mut Ctx) {
    for entry in parent.entries() {
        value(parent, &entry.value, disabled, ctx);
    }
}

fn value(parent: &Message, found: &Value, disabled: &[Known], ctx: &mut Ctx) {
    match found {
        Value::Message(inner) => message(inner, disabled, ctx),
        Value::List(items) => {
            for item in items {
                value(parent, &item.value, disabled, ctx);
            }
        }
        Value::Map(items) => {
            for item in items {
                value(parent, &item.value, disabled, ctx);
            }
        }
        Value::Any(any) => {
            let used = any.message.name();
            if let Some(one) = disabled.iter().find(|one| one.2 == used) {
                let label = parent
                    .get_by_name("name")
                    .and_then(|name| name.value.as_str());
                let text = format!("`{}` is disabled by --disable-extensions", one.1);
                ctx.error(any.message.span, text).envoy(format!(
                    "Didn't find a registered implementation for '{}' with type URL: '{used}'",
                    label.unwrap_or_default()
                ));
            }
            message(&any.message, disabled, ctx);
        }
        _ => {}
    }
}
