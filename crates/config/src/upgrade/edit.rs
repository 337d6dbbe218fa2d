//! Small changes to maps of nodes. Names are found in snake_case and lowerCamelCase.

use crate::span::Span;
use crate::text::{Entry, Kind, Node};

/// Whether a written key means the field `name`, which is in snake_case.
pub(super) fn is_named(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let mut written = key.chars();
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
            continue;
        }
        let wanted = if upper {
            character.to_ascii_uppercase()
        } else {
            character
        };
        upper = false;
        if written.next() != Some(wanted) {
            return false;
        }
    }
    written.next().is_none()
}

/// The entry of a field.
pub(super) fn find<'n>(entries: &'n [Entry], name: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| is_named(&entry.key, name))
}

/// The value of a field, to change it.
pub(super) fn find_mut<'n>(entries: &'n mut [Entry], name: &str) -> Option<&'n mut Node> {
    entries
        .iter_mut()
        .find(|entry| is_named(&entry.key, name))
        .map(|entry| &mut entry.value)
}

/// The text of a field; empty when it is not set or no string.
pub(super) fn text<'n>(entries: &'n [Entry], name: &str) -> &'n str {
    find(entries, name)
        .and_then(|entry| entry.value.as_str())
        .unwrap_or("")
}

/// Whether a field is set.
pub(super) fn has(entries: &[Entry], name: &str) -> bool {
    find(entries, name).is_some()
}

/// Where a map's first written key stands, to say that something was added to it.
pub(super) fn place(entries: &[Entry]) -> Span {
    let written = entries
        .iter()
        .map(|entry| entry.key_span)
        .find(|span| span.is_known());
    written.unwrap_or(Span::NONE)
}

/// An entry that was taken out, with its place.
pub(super) struct Taken {
    /// Where it stood; a replacement is inserted there.
    pub(super) at: usize,
    /// The key's place in the text.
    pub(super) key_span: Span,
    /// The value.
    pub(super) value: Node,
}

impl Taken {
    /// The items of a list, or the value alone, as protobuf reads a value in place of a list.
    pub(super) fn into_items(self) -> Vec<Node> {
        match self.value.kind {
            Kind::List(items) => items,
            _ => vec![self.value],
        }
    }

    /// Whether the value is `true`.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.value.kind, Kind::Bool(true))
    }
}

/// Takes a field out.
pub(super) fn take(entries: &mut Vec<Entry>, name: &str) -> Option<Taken> {
    let at = entries
        .iter()
        .position(|entry| is_named(&entry.key, name))?;
    let entry = entries.remove(at);
    Some(Taken {
        at,
        key_span: entry.key_span,
        value: entry.value,
    })
}

/// Takes a field out whose value is a map or null; anything else stays, to be refused.
pub(super) fn take_message(entries: &mut Vec<Entry>, name: &str) -> Option<Taken> {
    find(entries, name).filter(|entry| matches!(entry.value.kind, Kind::Map(_) | Kind::Null))?;
    take(entries, name)
}

/// Puts a field in, before the one that stands at `at` now.
pub(super) fn insert(entries: &mut Vec<Entry>, at: usize, key: &str, key_span: Span, value: Node) {
    let entry = Entry {
        key: key.into(),
        key_span,
        value,
    };
    entries.insert(at.min(entries.len()), entry);
}

/// A map that the upgrade makes; `span` is what it was made of.
pub(super) fn map(span: Span, fields: Vec<(&str, Node)>) -> Node {
    let entry = |(key, value): (&str, Node)| Entry {
        key: key.into(),
        key_span: Span::NONE,
        value,
    };
    Node::new(span, Kind::Map(fields.into_iter().map(entry).collect()))
}

/// A list that the upgrade makes.
pub(super) fn list(span: Span, items: Vec<Node>) -> Node {
    Node::new(span, Kind::List(items))
}

/// A text that the upgrade makes.
pub(super) fn string(text: &str) -> Node {
    Node::string(Span::NONE, text)
}

/// A whole number that the upgrade makes.
pub(super) fn number(value: i64) -> Node {
    Node::new(Span::NONE, Kind::Int(value))
}

/// Takes the map below a field, or a new one, adds to it, and puts it back at its place or at `at`.
pub(super) fn extend(entries: &mut Vec<Entry>, at: usize, name: &str, fields: Vec<(&str, Node)>) {
    let (at, key_span, mut node) = match take(entries, name) {
        Some(taken) => (taken.at, taken.key_span, taken.value),
        None => (at, Span::NONE, map(Span::NONE, Vec::new())),
    };
    if let Some(inner) = node.entries_mut() {
        for (key, value) in fields {
            if !has(inner, key) {
                insert(inner, inner.len(), key, Span::NONE, value);
            }
        }
    }
    insert(entries, at, name, key_span, node);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_a_field() {
        assert!(is_named("tls_context", "tls_context"));
        assert!(is_named("tlsContext", "tls_context"));
        assert!(!is_named("tlscontext", "tls_context"));
        assert!(!is_named("tlsContexts", "tls_context"));
        assert!(!is_named("tls", "tls_context"));
    }
}
