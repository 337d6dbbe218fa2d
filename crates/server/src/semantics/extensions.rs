//! Whether a message may stand where it stands: each place takes one kind of extension.
//!
//! What Envoy 1.40 has is in `extensions.txt`. A message that is in no list but may belong to an extension
//! (one of contrib, or of a later version) is left to whoever has to honour it.

use std::collections::{HashMap, HashSet};

use nuncio_config::span::Span;
use nuncio_config::tree::{Any, Message};

use super::Checker;
use super::look::Look;

const LISTS: &str = include_str!("extensions.txt");

/// Where extensions of a category stand.
const PLACES: [(&str, &str); 7] = [
    (
        "envoy.filters.http",
        "it is an HTTP filter: it belongs in `http_filters` of an HTTP connection manager",
    ),
    (
        "envoy.filters.network",
        "it is a network filter: it belongs in `filters` of a filter chain",
    ),
    (
        "envoy.filters.listener",
        "it filters connections as they come: it belongs in `listener_filters` of a listener",
    ),
    (
        "envoy.access_loggers",
        "it logs requests: it belongs in an `access_log`",
    ),
    (
        "envoy.transport_sockets.downstream",
        "it is a listener's transport: it belongs in `transport_socket` of a filter chain",
    ),
    (
        "envoy.transport_sockets.upstream",
        "it is a cluster's transport: it belongs in `transport_socket` of a cluster",
    ),
    (
        "envoy.clusters",
        "it is a kind of cluster: it belongs in `cluster_type` of a cluster",
    ),
];

/// All extensions by category; made when first asked.
#[derive(Default)]
pub(super) struct Registered {
    categories: HashMap<&'static str, HashMap<&'static str, &'static str>>,
    all: HashSet<&'static str>,
}

impl Registered {
    fn fill(&mut self) {
        if !self.all.is_empty() {
            return;
        }
        let mut category = "";
        for line in LISTS.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
            {
                category = name;
            } else if let Some((message, name)) = line.split_once(' ') {
                self.categories
                    .entry(category)
                    .or_default()
                    .insert(message, name);
                self.all.insert(message);
            }
        }
    }

    /// The name of the extension that a message configures.
    pub(super) fn name(&mut self, category: &str, message: &str) -> Option<&'static str> {
        self.fill();
        self.categories.get(category)?.get(message).copied()
    }

    /// The message that configures the extension of this name.
    fn message_of(&mut self, category: &str, name: &str) -> Option<&'static str> {
        self.fill();
        let messages = self.categories.get(category)?;
        let of_name = messages.iter().filter(|(_, other)| **other == name);
        // Routes have messages of their own, most with longer names.
        let of_routes =
            |message: &str| message.contains("PerRoute") || message.ends_with("Override");
        of_name
            .map(|(message, _)| *message)
            .min_by_key(|message| (of_routes(message), message.len(), *message))
    }

    /// Where a message belongs that stands in the wrong place, in words.
    fn right_place(&mut self, message: &str) -> Option<&'static str> {
        self.fill();
        PLACES
            .iter()
            .find(|(category, _)| {
                let messages = self.categories.get(category);
                messages.is_some_and(|messages| messages.contains_key(message))
            })
            .map(|(_, place)| *place)
    }

    /// Whether Envoy certainly has no extension of this category with this message.
    fn is_wrong(&mut self, category: &str, message: &str) -> bool {
        self.name(category, message).is_none()
            && (self.all.contains(message) || !may_be_of_an_extension(message))
    }
}

/// Envoy's contrib and later versions have more than is listed.
fn may_be_of_an_extension(message: &str) -> bool {
    message.starts_with("envoy.extensions.")
}

impl Checker<'_> {
    /// Checks that `any` is a message of the category.
    pub(super) fn registered(&mut self, category: &str, name: &str, any: &Any, span: Span) {
        if self.registered.is_wrong(category, any.type_name()) {
            let text = format!(
                "Didn't find a registered implementation for '{name}' with type URL: '{}'",
                any.type_name()
            );
            let place = self.registered.right_place(any.type_name());
            let note = self.error(span, text);
            if let Some(place) = place {
                note.suggest(place);
            }
        }
    }

    /// What to write where `typed_config` is missing.
    pub(super) fn missing_config(&mut self, category: &str, name: &str) -> String {
        match self.registered.message_of(category, name) {
            Some(message) => format!(
                "add a `typed_config` with its `@type`: `\"@type\": type.googleapis.com/{message}`"
            ),
            None => "add a `typed_config` with its `@type`".to_owned(),
        }
    }

    /// Checks a message with `name` and `typed_config`, where the latter must be given.
    pub(super) fn extension(&mut self, category: &str, message: &Message) {
        let name = message.text("name").map_or("", |(name, _)| name);
        match message.any("typed_config") {
            Some((any, span)) => self.registered(category, name, any, span),
            None if message.has("typed_config") || message.has("config_discovery") => {}
            None => {
                let text = format!(
                    "Didn't find a registered implementation for '{name}' with type URL: ''"
                );
                let suggestion = self.missing_config(category, name);
                self.error(message.place("name"), text).suggest(suggestion);
            }
        }
    }
}

pub(super) fn access_log(message: &Message, checker: &mut Checker<'_>) {
    checker.extension("envoy.access_loggers", message);
}

pub(super) fn bootstrap(bootstrap: &Message, checker: &mut Checker<'_>) {
    for sink in bootstrap.children("stats_sinks") {
        checker.extension("envoy.stats_sinks", sink);
    }
    for extension in bootstrap.children("bootstrap_extensions") {
        checker.extension("envoy.bootstrap", extension);
    }
    let tracing = bootstrap.child("tracing");
    if let Some(tracer) = tracing.and_then(|tracing| tracing.child("http")) {
        checker.extension("envoy.tracers", tracer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filters_own_message_is_told_from_that_of_its_routes() {
        let mut registered = Registered::default();
        for (name, last) in [
            ("router", "Router"),
            ("cors", "Cors"),
            ("jwt_authn", "JwtAuthentication"),
            ("ext_proc", "ExternalProcessor"),
            ("rate_limit_quota", "RateLimitQuotaFilterConfig"),
        ] {
            let name = format!("envoy.filters.http.{name}");
            let message = registered.message_of("envoy.filters.http", &name);
            let message = message.unwrap_or_else(|| panic!("{name} has a message"));
            assert_eq!(message.rsplit('.').next(), Some(last));
        }
    }
}
