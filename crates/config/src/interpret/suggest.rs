//! What was probably meant: near names, other words for the same thing, and a field that belongs one
//! level up or down.
//!
//! Limits: names longer than 100 bytes are compared with nothing.

use nuncio_api::{self as api, Kind as FieldKind};

/// Words that people write for a field, and the field: the first that the message has is suggested.
const OTHER_WORDS: &[(&str, &[&str])] = &[
    ("port", &["port_value"]),
    ("cluster_name", &["cluster"]),
    ("service_name", &["cluster_name"]),
    ("path_prefix", &["prefix"]),
    ("path_regex", &["safe_regex"]),
    ("path_exact", &["path"]),
    ("uri", &["path", "prefix"]),
    ("filter", &["filters", "http_filters"]),
    ("retries", &["num_retries"]),
    ("max_retries", &["num_retries"]),
    ("request_timeout", &["timeout"]),
    ("status_code", &["status", "response_code"]),
    ("code", &["status", "response_code"]),
    ("hosts_rewrite", &["host_rewrite_literal"]),
    ("rewrite", &["prefix_rewrite"]),
    ("path_rewrite", &["prefix_rewrite"]),
    ("lb_type", &["lb_policy"]),
    ("load_balancing", &["lb_policy"]),
    ("tls", &["transport_socket"]),
    ("ssl_context", &["transport_socket"]),
    ("ca_file", &["trusted_ca"]),
    ("ca_cert", &["trusted_ca"]),
    ("ca", &["trusted_ca"]),
    ("cert", &["certificate_chain"]),
    ("cert_chain", &["certificate_chain"]),
    ("cert_chain_file", &["certificate_chain"]),
    ("certificate", &["certificate_chain"]),
    ("key", &["private_key"]),
    ("private_key_file", &["private_key"]),
    ("server_name", &["sni", "server_names"]),
    ("log_format", &["text_format_source", "format"]),
    ("log_path", &["access_log"]),
    ("listener", &["listeners"]),
    ("cluster", &["clusters", "cluster_name", "name"]),
    ("text", &["body", "inline_string"]),
    ("host", &["address", "hostname", "load_assignment"]),
    ("hostname", &["address"]),
    ("ip", &["address"]),
    ("hosts", &["load_assignment"]),
    ("endpoints", &["lb_endpoints", "load_assignment"]),
    ("tls_context", &["transport_socket"]),
    ("config", &["typed_config"]),
    ("host_rewrite", &["host_rewrite_literal"]),
    (
        "verify_subject_alt_name",
        &["match_typed_subject_alt_names"],
    ),
    ("allow_origin", &["allow_origin_string_match"]),
    ("allow_origins", &["allow_origin_string_match"]),
    ("auto_host_rewrite_header", &["host_rewrite_header"]),
    ("regex", &["safe_regex", "safe_regex_match"]),
    ("regex_match", &["safe_regex_match"]),
    ("exact", &["string_match"]),
    ("exact_match", &["string_match"]),
    ("prefix_match", &["string_match"]),
    ("access_log_path", &["access_log"]),
    ("domain", &["domains"]),
    ("weight", &["load_balancing_weight"]),
    ("discovery_type", &["type"]),
    ("runtime", &["layered_runtime"]),
    (
        "idle_timeout",
        &["common_http_protocol_options", "stream_idle_timeout"],
    ),
    ("per_filter_config", &["typed_per_filter_config"]),
    (
        "extension_protocol_options",
        &["typed_extension_protocol_options"],
    ),
    ("stat_name", &["stat_prefix"]),
    ("body", &["body_format"]),
];

/// The candidate nearest to `text`, if one is near enough to be what was meant.
pub fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    near(text, candidates).map(|(_, candidate)| candidate)
}

fn near<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<(usize, &'c str)> {
    if text.len() < 2 || text.len() > 100 {
        return None;
    }
    let most = (text.len() / 3).clamp(1, 4);
    candidates
        .filter(|candidate| candidate.len().abs_diff(text.len()) <= most)
        .map(|candidate| (strsim::damerau_levenshtein(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
}

/// The full name of the message nearest to `name`: the same last word first, then a near name.
pub(super) fn nearest_message(name: &str) -> Option<&'static str> {
    if name.len() > 200 {
        return None;
    }
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let current = || {
        api::messages()
            .map(|message| message.full_name())
            .filter(|name| !is_previous_version(name))
    };
    let wanted = last(name);
    let same_word = current().filter(|candidate| last(candidate) == wanted);
    let closest = same_word.min_by_key(|candidate| strsim::levenshtein(name, candidate));
    closest.or_else(|| {
        let within = current().filter(|candidate| candidate.len().abs_diff(name.len()) <= 4);
        let distances = within.map(|candidate| (strsim::levenshtein(name, candidate), candidate));
        distances
            .filter(|(distance, _)| *distance <= 4)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, name)| name)
    })
}

/// Whether a type is of Envoy's API before v3, which Envoy 1.40 no longer has.
pub(super) fn is_previous_version(name: &str) -> bool {
    let old = |part: &str| {
        let rest = part.strip_prefix("v1").or(part.strip_prefix("v2"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("alpha"))
    };
    name.starts_with("envoy.") && name.split('.').any(old)
}

/// The field that was meant by an unknown name.
pub(super) struct Guess {
    pub(super) field: api::Field,
    /// Whether the value, too, is probably meant for that field.
    pub(super) same_kind: bool,
}

/// What an unknown field was probably meant to be.
pub(super) enum Suggestion {
    /// This field of the same message, by a near name.
    Field(&'static str),
    /// This field of the same message, by another word for it.
    OtherWord(&'static str),
    /// This field of the same message, by a part of its name.
    Longer(&'static str),
    /// A field of a message further out.
    Parent(api::Message),
    /// A field of the message that this field holds.
    Child(&'static str),
}

impl Suggestion {
    /// The field of the same message that was meant, or would hold what was.
    pub(super) fn guess(&self, descriptor: api::Message) -> Option<Guess> {
        let (name, same_kind) = match self {
            Suggestion::Field(name) => (name, true),
            Suggestion::OtherWord(name) | Suggestion::Longer(name) => (name, false),
            Suggestion::Child(name) => (name, false),
            Suggestion::Parent(_) => return None,
        };
        let field = descriptor.field(name)?;
        Some(Guess { field, same_kind })
    }

    pub(super) fn in_words(&self, key: &str) -> String {
        match self {
            Suggestion::Field(name) | Suggestion::OtherWord(name) | Suggestion::Longer(name) => {
                format!("did you mean `{name}`?")
            }
            Suggestion::Parent(parent) => {
                format!(
                    "`{key}` is a field of `{}`: check the indentation",
                    parent.full_name()
                )
            }
            Suggestion::Child(child) => format!("`{key}` belongs inside of `{child}`"),
        }
    }
}

/// What to say about `key`, which `descriptor` does not have; `parents` begin with the nearest.
pub(super) fn for_unknown_field(
    descriptor: api::Message,
    key: &str,
    parents: &[api::Message],
) -> Option<Suggestion> {
    if key.len() > 100 {
        return None;
    }
    let snake = snake_case(key);
    if let Some(word) = other_word(descriptor, &snake) {
        return Some(Suggestion::OtherWord(word));
    }
    let near = near(&snake, descriptor.fields().map(|field| field.name()));
    if let Some((distance, name)) = near
        && distance <= 2
    {
        return Some(Suggestion::Field(name));
    }
    if only_chooses(descriptor)
        && let Some(holder) = holder_of(descriptor, &snake)
    {
        return Some(Suggestion::Child(holder));
    }
    let has_it = |parent: &&api::Message| {
        !parent.full_name().starts_with("google.protobuf.") && parent.field(&snake).is_some()
    };
    // Nearly everything has a name: one further out says little.
    let outer = parents.iter().find(has_it).filter(|_| snake != "name");
    if let Some(parent) = outer {
        return Some(Suggestion::Parent(*parent));
    }
    if let Some((_, name)) = near {
        return Some(Suggestion::Field(name));
    }
    if let Some(name) = begun_by(descriptor, &snake) {
        return Some(Suggestion::Longer(name));
    }
    let holder = holder_of(descriptor, &snake).map(Suggestion::Child);
    holder.or_else(|| ended_by(descriptor, &snake).map(Suggestion::Longer))
}

fn other_word(descriptor: api::Message, key: &str) -> Option<&'static str> {
    let (_, fields) = OTHER_WORDS.iter().find(|(word, _)| *word == key)?;
    fields
        .iter()
        .copied()
        .find(|field| descriptor.field(field).is_some())
}

/// The only field whose name goes on where `key` ends, whole words first: `max_request` ->
/// `max_request_bytes`, `percent` -> `percentage`.
fn begun_by(descriptor: api::Message, key: &str) -> Option<&'static str> {
    let names = || descriptor.fields().map(|field| field.name());
    let words = names().filter(|name| {
        let rest = name.strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with('_'))
    });
    let begun = || only(names().filter(|name| name.starts_with(key)));
    only(words).or_else(begun).filter(|_| key.len() >= 3)
}

/// The only field whose last words are `key`: `name` -> `header_name`.
fn ended_by(descriptor: api::Message, key: &str) -> Option<&'static str> {
    let names = descriptor.fields().map(|field| field.name());
    let ended = names.filter(|name| {
        let before = name.strip_suffix(key);
        before.is_some_and(|before| before.ends_with('_'))
    });
    only(ended).filter(|_| key.len() >= 3)
}

/// Whether all fields of a message exclude each other: it says only which of them it is.
fn only_chooses(descriptor: api::Message) -> bool {
    let mut choices = descriptor.fields().map(|field| field.oneof());
    match choices.next() {
        Some(Some(first)) => choices.all(|choice| choice == Some(first)),
        _ => false,
    }
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    found.next().filter(|_| found.next().is_none())
}

/// A message field of `descriptor` whose message has the field `key`; of several with the same message the
/// first.
fn holder_of(descriptor: api::Message, key: &str) -> Option<&'static str> {
    let inner = |field: &api::Field| match field.kind() {
        FieldKind::Message(inner)
            if !inner.full_name().starts_with("google.protobuf.") && inner.field(key).is_some() =>
        {
            Some(inner.full_name())
        }
        _ => None,
    };
    let mut holders = descriptor.fields().filter(|field| inner(field).is_some());
    let first = holders.next()?;
    let same = holders.all(|other| inner(&other) == inner(&first));
    same.then(|| first.name())
}

fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for character in key.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(if character == '-' {
            '_'
        } else {
            character.to_ascii_lowercase()
        });
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(message: &str, key: &str) -> Option<String> {
        let message = api::message(message).expect("a message of the API");
        for_unknown_field(message, key, &[]).map(|meant| meant.in_words(key))
    }

    #[test]
    fn near_names_are_near_and_far_ones_are_not() {
        let names = ["endpoints", "policy"];
        assert_eq!(nearest("endpointz", names.into_iter()), Some("endpoints"));
        assert_eq!(nearest("banana", names.into_iter()), None);
    }

    #[test]
    fn a_message_that_only_chooses_is_asked_for_what_it_holds() {
        let address = meant("envoy.config.core.v3.Address", "address");
        assert_eq!(
            address.as_deref(),
            Some("`address` belongs inside of `socket_address`")
        );
    }

    #[test]
    fn other_words_are_known() {
        let route = "envoy.config.route.v3.RouteAction";
        assert_eq!(
            meant(route, "cluster_name").as_deref(),
            Some("did you mean `cluster`?")
        );
        let matching = "envoy.config.route.v3.RouteMatch";
        assert_eq!(
            meant(matching, "path_prefix").as_deref(),
            Some("did you mean `prefix`?")
        );
    }
}
