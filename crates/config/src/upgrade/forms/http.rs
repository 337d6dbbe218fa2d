//! The connection manager and its filters: idle timeouts, tracing, faults, health checks.

use crate::span::Span;
use crate::text::Entry;
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// `idle_timeout` is one of the options of the protocols that HTTP shares.
pub(super) fn idle_timeout(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "idle_timeout") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "idle_timeout",
        "moved to `common_http_protocol_options.idle_timeout`",
    );
    let fields = vec![("idle_timeout", taken.value)];
    edit::extend(entries, taken.at, "common_http_protocol_options", fields);
}

/// `operation_name` moves to the listener, `request_headers_for_tags` to custom tags.
pub(super) fn tracing(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "operation_name") {
        upgrader.changed(
            taken.key_span,
            "operation_name",
            "moved to the listener's `traffic_direction`",
        );
        let egress = taken.value.as_str() == Some("EGRESS");
        upgrader.traffic_direction = Some(if egress { "OUTBOUND" } else { "INBOUND" });
    }
    let Some(taken) = edit::take(entries, "request_headers_for_tags") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "request_headers_for_tags",
        "moved to `custom_tags`",
    );
    let (at, key_span, span) = (taken.at, taken.key_span, taken.value.span);
    let tags = taken.into_items().into_iter().map(|header| {
        let name = edit::map(header.span, vec![("name", header.clone())]);
        edit::map(header.span, vec![("tag", header), ("request_header", name)])
    });
    let mut tags: Vec<_> = tags.collect();
    if let Some(known) = edit::take(entries, "custom_tags") {
        tags.extend(known.into_items());
    }
    edit::insert(entries, at, "custom_tags", key_span, edit::list(span, tags));
}

/// A delay has one type, which v3 no longer names.
pub(super) fn fault_delay(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "type") {
        upgrader.changed(taken.key_span, "type", "dropped: every delay is fixed");
    }
}

/// The `endpoint` of a health check was matched as the path.
pub(super) fn health_check_endpoint(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "endpoint") else {
        return;
    };
    upgrader.changed(taken.key_span, "endpoint", "moved to `headers`");
    if edit::has(entries, "headers") {
        return;
    }
    let exact = edit::map(Span::NONE, vec![("exact", taken.value)]);
    let header = edit::map(
        Span::NONE,
        vec![("name", edit::string(":path")), ("string_match", exact)],
    );
    edit::insert(
        entries,
        taken.at,
        "headers",
        taken.key_span,
        edit::list(Span::NONE, vec![header]),
    );
}

/// The alphas of the authorization and the rate limit service are gone.
pub(super) fn use_alpha(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "use_alpha") {
        upgrader.changed(
            taken.key_span,
            "use_alpha",
            "dropped: the service is spoken to in v3",
        );
    }
}

/// How long a buffered request may take is the connection manager's to say.
pub(super) fn max_request_time(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "max_request_time") {
        let what = "dropped: `request_timeout` of the connection manager limits how long a request may take";
        upgrader.changed(taken.key_span, "max_request_time", what);
    }
}
