//! Keys that tokens are checked with: what is given in the text must be JSON with keys.
//!
//! The keys themselves are the filter's affair.

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format, Source};
use nuncio_config::text::{self, Limits};
use nuncio_config::tree::{Message, Value};

use super::Checker;
use super::look::Look;

/// The providers of the filter.
pub(super) fn providers(config: &Message, checker: &mut Checker<'_>) {
    for item in config.map_items("providers") {
        let Value::Message(provider) = &item.value else {
            continue;
        };
        let keys = provider.child("local_jwks");
        let Some((keys, span)) = keys.and_then(|keys| keys.text("inline_string")) else {
            continue;
        };
        let Some((reason, note)) = fault(keys) else {
            continue;
        };
        let words = format!(
            "Provider '{}' in jwt_authn config has invalid local jwks: {reason}",
            item.key
        );
        let found = checker.error(span, words);
        if let Some(note) = note {
            found.note(note);
        }
    }
}

/// Why a text holds no keys, and where in it.
fn fault(keys: &str) -> Option<(&'static str, Option<String>)> {
    const NO_JSON: &str = "Jwks is an invalid JSON";
    if keys.is_empty() {
        return None;
    }
    let source = Source::new("local_jwks", Format::Json, keys);
    let mut faults = Diagnostics::default();
    let Some(read) = text::parse(&source, 0, &Limits::default(), &mut faults) else {
        let note = faults.iter().next().map(|fault| {
            let place = source.position(fault.span.start);
            let (line, column) = (place.line, place.column);
            format!("in its line {line}, column {column}: {}", fault.message)
        });
        return Some((NO_JSON, note));
    };
    if read.entries().is_none() {
        return Some((NO_JSON, Some("a map with `keys` is expected".to_owned())));
    }
    match read.get("keys") {
        Some(list) if list.items().is_some_and(<[_]>::is_empty) => {
            Some(("Jwks doesn't have any valid public key", None))
        }
        // Certificates have none; the filter itself looks at them, and at the keys.
        _ => None,
    }
}
