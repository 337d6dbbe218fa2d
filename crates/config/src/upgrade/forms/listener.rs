//! Listeners: filter chain matches, UDP, the direction of traffic, and TCP proxy's first form.

use crate::span::Span;
use crate::text::Entry;
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// `sni_domains` was the first name of `server_names`.
pub(super) fn sni_domains(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "sni_domains") else {
        return;
    };
    upgrader.changed(taken.key_span, "sni_domains", "renamed to `server_names`");
    edit::insert(
        entries,
        taken.at,
        "server_names",
        taken.key_span,
        taken.value,
    );
}

/// v3 has one UDP listener for datagrams; its name is dropped.
pub(super) fn udp_listener_name(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if matches!(
        edit::text(entries, "udp_listener_name"),
        "raw_udp_listener" | "default_udp_listener"
    ) && let Some(taken) = edit::take(entries, "udp_listener_name")
    {
        upgrader.changed(
            taken.key_span,
            "udp_listener_name",
            "dropped: it is the only UDP listener in v3",
        );
    }
}

/// What `operation_name` said in a connection manager, the listener says in v3.
pub(super) fn traffic_direction(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(direction) = upgrader.traffic_direction.take() else {
        return;
    };
    if !edit::has(entries, "traffic_direction") {
        let at = entries.len();
        edit::insert(
            entries,
            at,
            "traffic_direction",
            Span::NONE,
            edit::string(direction),
        );
    }
}

/// `deprecated_v1` with one route that matches everything is a cluster.
pub(super) fn tcp_proxy_routes(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(first_form) = edit::find(entries, "deprecated_v1") else {
        return;
    };
    let routes = first_form
        .value
        .entries()
        .and_then(|form| edit::find(form, "routes"));
    let Some([route]) = routes.and_then(|routes| routes.value.items()) else {
        return;
    };
    let Some([only]) = route.entries() else {
        return;
    };
    if !edit::is_named(&only.key, "cluster") {
        return;
    }
    let cluster = only.value.clone();
    if let Some(taken) = edit::take(entries, "deprecated_v1") {
        upgrader.changed(taken.key_span, "deprecated_v1", "moved to `cluster`");
        edit::insert(entries, taken.at, "cluster", taken.key_span, cluster);
    }
}
