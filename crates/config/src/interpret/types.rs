//! The types that an `Any` without `@type` may have been meant to be: of the place that it stands in, with the fields
//! that it has.

use nuncio_api as api;

use super::suggest::is_previous_version;
use crate::text::Entry;

const MOST: usize = 3;

/// The beginning of the types that belong in a message with an `Any`.
fn beginning(parent: &str) -> &'static str {
    let message = parent.rsplit('.').next().unwrap_or("");
    match message {
        "HttpFilter" => "envoy.extensions.filters.http.",
        "Filter" if parent.contains(".listener.") => "envoy.extensions.filters.network.",
        "ListenerFilter" => "envoy.extensions.filters.listener.",
        "TransportSocket" => "envoy.extensions.transport_sockets.",
        "AccessLog" => "envoy.extensions.access_loggers.",
        "CustomClusterType" => "envoy.extensions.clusters.",
        "StatsSink" | "Http" => "envoy.config.",
        _ => "envoy.extensions.",
    }
}

/// The nearest types, at most three: those that the extension's name names first, then those with fewer fields.
pub(super) fn nearest(parent: &str, name: &str, written: &[Entry]) -> Vec<&'static str> {
    let beginning = beginning(parent);
    let package = name.rsplit('.').next().unwrap_or("");
    let is_named = |full: &str| {
        let rest = full.strip_prefix(beginning).unwrap_or("");
        !package.is_empty() && rest.split('.').any(|part| part == package)
    };
    let has_all = |message: &api::Message| {
        let mut keys = written.iter().map(|entry| &*entry.key);
        keys.all(|key| message.field(key).is_some())
    };
    let candidates = api::messages().filter(|message| {
        let full = message.full_name();
        full.starts_with(beginning) && !is_previous_version(full) && is_outermost(full)
    });
    let mut found: Vec<(bool, bool, usize, &'static str)> = candidates
        .filter(|message| has_all(message) || is_named(message.full_name()))
        .map(|message| {
            let full = message.full_name();
            let of_routes = full.ends_with("PerRoute");
            (
                !is_named(full),
                !has_all(&message) || of_routes,
                message.fields().count(),
                full,
            )
        })
        .collect();
    found.sort_unstable();
    // A name that says it leaves no doubt.
    let sure = found
        .first()
        .is_some_and(|(unnamed, unlike, ..)| !unnamed && !unlike);
    let most = if sure { 1 } else { MOST };
    found
        .into_iter()
        .take(most)
        .map(|(.., full)| full)
        .collect()
}

/// Whether a message is none inside of another: `package.v3.Message`.
fn is_outermost(full: &str) -> bool {
    let mut parts = full.rsplit('.').skip(1);
    parts.next().is_some_and(|before| {
        before.starts_with('v') && before.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    })
}
