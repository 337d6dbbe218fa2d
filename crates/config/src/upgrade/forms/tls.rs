//! TLS: `tls_context` and the names that certificates are checked for.

use crate::text::{Entry, Kind};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// A cluster's `tls_context` becomes its transport socket.
pub(super) fn upstream(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    context(
        upgrader,
        entries,
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    );
}

/// A filter chain's `tls_context` becomes its transport socket.
pub(super) fn downstream(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    context(
        upgrader,
        entries,
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    );
}

fn context(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>, v3_type: &str) {
    let Some(taken) = edit::take_message(entries, "tls_context") else {
        return;
    };
    if edit::has(entries, "transport_socket") {
        upgrader.changed(
            taken.key_span,
            "tls_context",
            "dropped: `transport_socket` is used in its place",
        );
        return;
    }
    upgrader.changed(taken.key_span, "tls_context", "moved to `transport_socket`");
    let span = taken.value.span;
    let url = edit::string(&format!("type.googleapis.com/{v3_type}"));
    let mut config = edit::map(span, vec![("@type", url)]);
    if let (Kind::Map(members), Some(inner)) = (taken.value.kind, config.entries_mut()) {
        inner.extend(members);
    }
    let name = edit::string("envoy.transport_sockets.tls");
    let socket = edit::map(span, vec![("name", name), ("typed_config", config)]);
    edit::insert(
        entries,
        taken.at,
        "transport_socket",
        taken.key_span,
        socket,
    );
}

/// `verify_subject_alt_name` lists exact names of any kind.
pub(super) fn subject_alt_names(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "require_ocsp_staple") {
        upgrader.changed(
            taken.key_span,
            "require_ocsp_staple",
            "dropped: Envoy never used it",
        );
    }
    let Some(taken) = edit::take(entries, "verify_subject_alt_name") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "verify_subject_alt_name",
        "moved to `match_subject_alt_names`",
    );
    let (at, key_span, span) = (taken.at, taken.key_span, taken.value.span);
    let exact = taken
        .into_items()
        .into_iter()
        .map(|name| edit::map(name.span, vec![("exact", name)]));
    edit::insert(
        entries,
        at,
        "match_subject_alt_names",
        key_span,
        edit::list(span, exact.collect()),
    );
}
