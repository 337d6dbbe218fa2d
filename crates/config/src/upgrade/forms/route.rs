//! Route actions: mirroring, WebSocket, CORS.

use super::matchers::{percent, regex};
use crate::span::Span;
use crate::text::{Entry, Kind, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// One mirror policy becomes a list of one.
pub(super) fn request_mirror_policy(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "request_mirror_policy") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "request_mirror_policy",
        "moved to `request_mirror_policies`",
    );
    if !edit::has(entries, "request_mirror_policies") {
        let policies = edit::list(taken.value.span, vec![taken.value]);
        edit::insert(
            entries,
            taken.at,
            "request_mirror_policies",
            taken.key_span,
            policies,
        );
    }
}

/// `runtime_key` counted in 1 of 10,000, from 0.
pub(super) fn mirror_runtime_key(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "runtime_key") else {
        return;
    };
    upgrader.changed(taken.key_span, "runtime_key", "moved to `runtime_fraction`");
    if edit::has(entries, "runtime_fraction") || taken.value.as_str() == Some("") {
        return;
    }
    let fields = vec![
        ("default_value", percent(edit::number(0), "TEN_THOUSAND")),
        ("runtime_key", taken.value),
    ];
    edit::insert(
        entries,
        taken.at,
        "runtime_fraction",
        taken.key_span,
        edit::map(Span::NONE, fields),
    );
}

/// `use_websocket` and `websocket_config` allow an upgrade.
pub(super) fn websocket(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let mut place = None;
    for name in ["use_websocket", "websocket_config"] {
        let Some(taken) = edit::take(entries, name) else {
            continue;
        };
        upgrader.changed(taken.key_span, name, "moved to `upgrade_configs`");
        if name == "websocket_config" || taken.is_true() {
            place = place.or(Some((taken.at, taken.key_span)));
        }
    }
    let Some((at, key_span)) = place else { return };
    if !edit::has(entries, "upgrade_configs") {
        let upgrade = edit::map(
            Span::NONE,
            vec![("upgrade_type", edit::string("websocket"))],
        );
        edit::insert(
            entries,
            at,
            "upgrade_configs",
            key_span,
            edit::list(Span::NONE, vec![upgrade]),
        );
    }
}

/// Origins are string matchers, and `enabled` is a fraction.
pub(super) fn cors(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let mut matchers = Vec::new();
    let mut place = None;
    if let Some(taken) = edit::take(entries, "allow_origin") {
        upgrader.changed(
            taken.key_span,
            "allow_origin",
            "moved to `allow_origin_string_match`",
        );
        place = Some((taken.at, taken.key_span));
        let exact = |origin: Node| edit::map(origin.span, vec![("exact", origin)]);
        matchers.extend(taken.into_items().into_iter().map(exact));
    }
    if let Some(taken) = edit::take(entries, "allow_origin_regex") {
        upgrader.changed(
            taken.key_span,
            "allow_origin_regex",
            "moved to `allow_origin_string_match`, with RE2 syntax",
        );
        place = place.or(Some((taken.at, taken.key_span)));
        let matcher = |origin: Node| edit::map(origin.span, vec![("safe_regex", regex(origin))]);
        matchers.extend(taken.into_items().into_iter().map(matcher));
    }
    if let Some((at, key_span)) = place {
        if let Some(known) = edit::take(entries, "allow_origin_string_match") {
            matchers.extend(known.into_items());
        }
        edit::insert(
            entries,
            at,
            "allow_origin_string_match",
            key_span,
            edit::list(Span::NONE, matchers),
        );
    }
    if let Some(taken) = edit::take(entries, "enabled") {
        upgrader.changed(taken.key_span, "enabled", "moved to `filter_enabled`");
        let share = if matches!(taken.value.kind, Kind::Bool(false)) {
            0
        } else {
            100
        };
        let fraction = edit::map(
            Span::NONE,
            vec![("default_value", percent(edit::number(share), "HUNDRED"))],
        );
        edit::insert(
            entries,
            taken.at,
            "filter_enabled",
            taken.key_span,
            fraction,
        );
    }
}
