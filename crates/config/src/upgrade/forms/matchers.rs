//! Regular expressions and the first forms of matchers.
//!
//! v2's `regex` was ECMAScript, of which RE2 lacks look-around and back references; such an expression
//! is refused when it is compiled.

use crate::span::Span;
use crate::text::{Entry, Node};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

const NOW_RE2: &str = "with RE2 syntax";

/// A matcher for a regular expression.
pub(super) fn regex(expression: Node) -> Node {
    edit::map(expression.span, vec![("regex", expression)])
}

fn safe(expression: Node) -> Node {
    edit::map(expression.span, vec![("safe_regex", regex(expression))])
}

/// A route's `regex`, and the runtime of routes before 1.9.
pub(super) fn route(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "regex") {
        upgrader.changed(
            taken.key_span,
            "regex",
            format!("moved to `safe_regex`, {NOW_RE2}"),
        );
        edit::insert(
            entries,
            taken.at,
            "safe_regex",
            taken.key_span,
            regex(taken.value),
        );
    }
    if let Some(mut taken) = edit::take_message(entries, "runtime") {
        upgrader.changed(taken.key_span, "runtime", "moved to `runtime_fraction`");
        let old = taken.value.entries_mut();
        let mut fields = Vec::new();
        if let Some(old) = old {
            let value = edit::take(old, "default_value")
                .map_or_else(|| edit::number(0), |taken| taken.value);
            fields.push(("default_value", percent(value, "HUNDRED")));
            fields.extend(edit::take(old, "runtime_key").map(|key| ("runtime_key", key.value)));
        }
        edit::insert(
            entries,
            taken.at,
            "runtime_fraction",
            taken.key_span,
            edit::map(taken.value.span, fields),
        );
    }
}

/// A fraction.
pub(super) fn percent(numerator: Node, denominator: &str) -> Node {
    edit::map(
        Span::NONE,
        vec![
            ("numerator", numerator),
            ("denominator", edit::string(denominator)),
        ],
    )
}

/// A header's `regex_match`, and its `value` and `regex` of the first v2.
pub(super) fn header(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    if let Some(taken) = edit::take(entries, "regex_match") {
        upgrader.changed(
            taken.key_span,
            "regex_match",
            format!("moved to `string_match.safe_regex`, {NOW_RE2}"),
        );
        edit::insert(
            entries,
            taken.at,
            "string_match",
            taken.key_span,
            safe(taken.value),
        );
    }
    value_and_regex(upgrader, entries);
}

/// A query parameter's `value` and `regex`.
pub(super) fn query_parameter(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    value_and_regex(upgrader, entries);
    let only_name = entries
        .iter()
        .all(|entry| edit::is_named(&entry.key, "name"));
    if only_name {
        let span = edit::place(entries);
        upgrader.changed(
            span,
            "present_match",
            "added: a parameter without a value matches any",
        );
        let at = entries.len();
        let present = Node::new(Span::NONE, crate::text::Kind::Bool(true));
        edit::insert(entries, at, "present_match", Span::NONE, present);
    }
}

fn value_and_regex(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let is_regex = edit::take(entries, "regex").is_some_and(|taken| taken.is_true());
    let Some(taken) = edit::take(entries, "value") else {
        return;
    };
    let matcher = if is_regex {
        upgrader.changed(
            taken.key_span,
            "value",
            format!("moved to `string_match.safe_regex`, {NOW_RE2}"),
        );
        safe(taken.value)
    } else {
        upgrader.changed(taken.key_span, "value", "moved to `string_match.exact`");
        edit::map(taken.value.span, vec![("exact", taken.value)])
    };
    edit::insert(entries, taken.at, "string_match", taken.key_span, matcher);
}

/// A string's `regex`.
pub(super) fn string(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let Some(taken) = edit::take(entries, "regex") else {
        return;
    };
    upgrader.changed(
        taken.key_span,
        "regex",
        format!("moved to `safe_regex`, {NOW_RE2}"),
    );
    edit::insert(
        entries,
        taken.at,
        "safe_regex",
        taken.key_span,
        regex(taken.value),
    );
}

/// A virtual cluster's `pattern` and `method` are matches of headers.
pub(super) fn virtual_cluster(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let mut headers = Vec::new();
    let mut place = None;
    if let Some(taken) = edit::take(entries, "pattern") {
        upgrader.changed(
            taken.key_span,
            "pattern",
            format!("moved to `headers`, {NOW_RE2}"),
        );
        headers.push(edit::map(
            Span::NONE,
            vec![
                ("name", edit::string(":path")),
                ("string_match", safe(taken.value)),
            ],
        ));
        place = Some((taken.at, taken.key_span));
    }
    if let Some(taken) = edit::take(entries, "method") {
        upgrader.changed(taken.key_span, "method", "moved to `headers`");
        let exact = edit::map(Span::NONE, vec![("exact", taken.value)]);
        headers.push(edit::map(
            Span::NONE,
            vec![("name", edit::string(":method")), ("string_match", exact)],
        ));
        place = place.or(Some((taken.at, taken.key_span)));
    }
    if let Some((at, key_span)) = place {
        edit::insert(
            entries,
            at,
            "headers",
            key_span,
            edit::list(Span::NONE, headers),
        );
    }
}
