//! Extensions of v2's time that Envoy 1.40 has no more, and that only watch: they are dropped.
//!
//! One that decides over traffic (`client_ssl_auth`) stays, and so does one whose findings a policy may
//! read (`mysql_proxy` beside `rbac`); both are refused by what follows.

use crate::text::{Entry, Kind, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

const TRACERS: [&str; 5] = [
    "envoy.lightstep",
    "envoy.tracers.lightstep",
    "envoy.dynamic.ot",
    "envoy.tracers.dynamic_ot",
    "envoy.tracers.opencensus",
];
const HTTP_FILTERS: [&str; 4] = [
    "envoy.http_dynamo_filter",
    "envoy.filters.http.dynamo",
    "envoy.squash",
    "envoy.filters.http.squash",
];
const NETWORK_FILTERS: [&str; 2] = [
    "envoy.filters.network.mysql_proxy",
    "envoy.filters.network.kafka_broker",
];
const RBAC: &str = "envoy.filters.network.rbac";

/// The tracer of the bootstrap.
pub(super) fn bootstrap_tracer(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    tracer(upgrader, entries, "http");
}

/// The tracer of a connection manager.
pub(super) fn provider(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    tracer(upgrader, entries, "provider");
}

fn tracer(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>, field: &str) {
    let Some(entry) = edit::find(entries, field) else {
        return;
    };
    let name = edit::text(entry.value.entries().unwrap_or_default(), "name");
    if !TRACERS.contains(&name) {
        return;
    }
    let what = format!(
        "dropped: Envoy has no tracer `{name}` any more; `envoy.tracers.opentelemetry` may serve"
    );
    if let Some(taken) = edit::take(entries, field) {
        let mut whole = taken.key_span;
        whole.end = whole.end.max(taken.value.span.end);
        upgrader.changed(whole, field, what);
    }
}

/// The filters of a connection manager.
pub(super) fn http_filters(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    drop_named(upgrader, entries, "http_filters", &HTTP_FILTERS);
}

/// The filters of a chain.
pub(super) fn network_filters(upgrader: &mut Upgrader<'_>, entries: &mut [Entry]) {
    let filters = edit::find(entries, "filters").and_then(|entry| entry.value.items());
    if !filters
        .unwrap_or_default()
        .iter()
        .any(|filter| name(filter) == RBAC)
    {
        drop_named(upgrader, entries, "filters", &NETWORK_FILTERS);
    }
}

fn drop_named(upgrader: &mut Upgrader<'_>, entries: &mut [Entry], field: &str, gone: &[&str]) {
    let Some(Kind::List(filters)) = edit::find_mut(entries, field).map(|node| &mut node.kind)
    else {
        return;
    };
    let mut index = 0;
    filters.retain(|filter| {
        let keep = !gone.contains(&name(filter));
        if !keep {
            let what = format!(
                "dropped: `{}` only watches, and Envoy 1.40 does not have it",
                name(filter)
            );
            upgrader.changed(filter.span, &format!("{field}[{index}]"), what);
        }
        index += 1;
        keep
    });
}

fn name(filter: &Node) -> &str {
    edit::text(filter.entries().unwrap_or_default(), "name")
}
