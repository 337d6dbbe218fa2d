//! The HTTP connection manager: its filters and their end, and options that exclude each other.

use std::collections::HashSet;
use std::net::IpAddr;

use nuncio_config::tree::Message;

use super::Checker;
use super::look::Look;

const CATEGORY: &str = "envoy.filters.http";
const ROUTER: &str = "envoy.filters.http.router";

/// Filters that may end a chain as well as stand within it.
const EITHER: [&str; 4] = [
    "envoy.filters.http.composite",
    "envoy.filters.http.dynamic_modules",
    "envoy.extensions.filters.http.dynamic_modules",
    "envoy.filters.http.wasm",
];

/// One connection manager.
pub(super) fn connection_manager(manager: &Message, checker: &mut Checker<'_>) {
    filters(manager, "http_filters", "http", checker);
    let mut upgrades = HashSet::new();
    for upgrade in manager.children("upgrade_configs") {
        filters(upgrade, "filters", "http upgrade", checker);
        if let Some((kind, span)) = upgrade.text("upgrade_type")
            && !upgrades.insert(kind.to_ascii_lowercase())
        {
            let text = format!("Error: multiple upgrade configs with the same name: '{kind}'");
            checker.error(span, text);
        }
    }
    if manager.is_true("strip_matching_host_port") && manager.is_true("strip_any_host_port") {
        let text =
            "Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.";
        checker.error(manager.key_place("strip_any_host_port"), text);
    }
    let internal = manager.child("internal_address_config");
    let ranges = internal
        .into_iter()
        .flat_map(|internal| internal.children("cidr_ranges"));
    for range in ranges {
        internal_range(range, checker);
    }
    let provider = manager
        .child("tracing")
        .and_then(|tracing| tracing.child("provider"));
    if let Some(provider) = provider {
        checker.extension("envoy.tracers", provider);
    }
}

fn internal_range(range: &Message, checker: &mut Checker<'_>) {
    let Some((address, span)) = range.text("address_prefix") else {
        return;
    };
    if address.parse::<IpAddr>().is_err() {
        let length = range.number("prefix_len").unwrap_or(0);
        let envoy =
            format!("invalid ip/mask combo '{address}/{length}' (format is <ip>/<# mask bits>)");
        checker
            .error(span, format!("malformed IP address: {address}"))
            .envoy(envoy);
    }
}

fn filters(holder: &Message, field: &str, chain: &str, checker: &mut Checker<'_>) {
    let filters: Vec<&Message> = holder.children(field).collect();
    for filter in filters
        .iter()
        .filter(|filter| !filter.is_true("is_optional"))
    {
        checker.extension(CATEGORY, filter);
    }
    if holder.has_refused_items(field) {
        return;
    }
    let is_router = |checker: &mut Checker<'_>, filter: &Message| {
        let any = filter.any("typed_config");
        any.and_then(|(any, _)| checker.registered.name(CATEGORY, any.type_name()))
    };
    let mut router_seen = false;
    for (place, filter) in filters.iter().enumerate() {
        let Some(kind) = is_router(checker, filter) else {
            // What cannot be told may be the router that is missed.
            router_seen |= !filter.is_true("is_optional");
            continue;
        };
        let is_last = place + 1 == filters.len();
        let name = filter.text("name").map_or("", |(name, _)| name);
        if kind == ROUTER && !is_last {
            let text = format!(
                "Error: terminal filter named {name} of type {kind} must be the last filter in a {chain} filter chain."
            );
            checker
                .error(filter.place("name"), text)
                .suggest("move it to the end of the list, and keep one of its kind");
        }
        router_seen |= kind == ROUTER;
        if is_last && kind == ROUTER && filter.is_true("disabled") {
            let text = format!(
                "Error: the last (terminal) filter ({name}) in the chain cannot be disabled by default."
            );
            checker.error(filter.place("disabled"), text);
        }
        if is_last && !router_seen && !EITHER.contains(&kind) {
            let text = format!(
                "Error: non-terminal filter named {name} of type {kind} is the last filter in a {chain} filter chain."
            );
            checker
                .error(filter.place("name"), text)
                .suggest("add `envoy.filters.http.router` behind it");
        }
    }
}

/// A cache: where it keeps what, unless it is switched off.
pub(super) fn cache(config: &Message, checker: &mut Checker<'_>) {
    if !config.has("typed_config") && !config.is_true("disabled") {
        let text = "at least one of typed_config or disabled must be set";
        checker.error(config.span, text);
    }
}

/// How header names are spelled.
pub(super) fn header_case(format: &Message, checker: &mut Checker<'_>) {
    if let Some(formatter) = format.child("stateful_formatter") {
        checker.extension("envoy.http.stateful_header_formatters", formatter);
    }
}
