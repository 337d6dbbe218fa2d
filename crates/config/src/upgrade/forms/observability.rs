//! Tracing: Zipkin's first format is gone.

use crate::span::Span;
use crate::text::{Entry, Kind};
use crate::upgrade::edit;
use crate::upgrade::walk::Upgrader;

/// `HTTP_JSON_V1`, v2's default, becomes `HTTP_JSON`, which collectors take at another path.
pub(super) fn zipkin(upgrader: &mut Upgrader<'_>, entries: &mut Vec<Entry>) {
    let written = edit::text(entries, "collector_endpoint_version");
    if !matches!(written, "" | "HTTP_JSON_V1") {
        return;
    }
    let written = edit::find(entries, "collector_endpoint_version");
    let span = written.map_or_else(|| edit::place(entries), |entry| entry.value.span);
    upgrader.changed(
        span,
        "collector_endpoint_version",
        "`HTTP_JSON_V1` is gone: `HTTP_JSON` is sent",
    );
    match edit::find_mut(entries, "collector_endpoint_version") {
        Some(node) => node.kind = Kind::Str("HTTP_JSON".into()),
        None => {
            let at = entries.len();
            edit::insert(
                entries,
                at,
                "collector_endpoint_version",
                Span::NONE,
                edit::string("HTTP_JSON"),
            );
        }
    }
    if let Some(node) = edit::find_mut(entries, "collector_endpoint")
        && node.as_str() == Some("/api/v1/spans")
    {
        upgrader.changed(
            node.span,
            "collector_endpoint",
            "the path of `HTTP_JSON` is `/api/v2/spans`",
        );
        node.kind = Kind::Str("/api/v2/spans".into());
    }
}
