//! The message tree: a configuration as the API's messages, compact, with spans.
//!
//! Fields stand sorted by number. Well-known types have their own shapes ([`Value`]): a wrapper is its
//! bare value, a `Duration` two numbers, an `Any` the message inside. The tree does not hold defaults
//! that were not written; a default written into a field without presence is kept and marked
//! ([`Entry::is_implicit_default`]), for protobuf itself cannot tell the two apart.

mod json;
mod merge;
mod places;
mod same;
mod value;

use std::sync::Arc;

use nuncio_api as api;

use crate::span::Span;

pub use json::Json;
pub use merge::merge;
pub use places::without_places;
pub use same::{same, same_but_for};
pub use value::{Any, Item, LONGEST_DURATION_SECONDS, MapItem, NANOS_PER_SECOND, Value};

/// A message of the API with the fields that are set.
#[derive(Clone, Debug)]
pub struct Message {
    /// What the message is.
    pub descriptor: api::Message,
    /// Where it stands.
    pub span: Span,
    entries: Vec<Entry>,
}

impl Message {
    /// A message with nothing set.
    pub fn new(descriptor: api::Message, span: Span) -> Message {
        Message {
            descriptor,
            span,
            entries: Vec::new(),
        }
    }

    /// A message with the given fields, which may come in any order but not twice.
    pub fn with_entries(descriptor: api::Message, span: Span, mut entries: Vec<Entry>) -> Message {
        if !entries.is_sorted_by_key(|entry| entry.number) {
            entries.sort_by_key(|entry| entry.number);
        }
        entries.shrink_to_fit();
        Message {
            descriptor,
            span,
            entries,
        }
    }

    /// The message's full name: `envoy.config.cluster.v3.Cluster`.
    pub fn name(&self) -> &'static str {
        self.descriptor.full_name()
    }

    /// The set fields by ascending number.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A set field by its number.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        let found = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number);
        found.ok().and_then(|at| self.entries.get(at))
    }

    /// A set field by its name.
    pub fn get_by_name(&self, name: &str) -> Option<&Entry> {
        self.get(self.descriptor.field(name)?.number())
    }

    /// Sets a field, over what it was.
    pub fn set(&mut self, entry: Entry) {
        match self
            .entries
            .binary_search_by_key(&entry.number, |entry| entry.number)
        {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Removes a field and returns it.
    pub fn remove(&mut self, number: u32) -> Option<Entry> {
        let at = self
            .entries
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        Some(self.entries.remove(at))
    }

    /// Like [`Message::get_by_name`], through messages: `["load_assignment", "cluster_name"]`.
    pub fn find(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = &self.get_by_name(first)?.value;
        match value {
            _ if rest.is_empty() => Some(value),
            Value::Message(message) => message.find(rest),
            _ => None,
        }
    }
}

/// A field that is set.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The field's number.
    pub number: u32,
    key_start: u32,
    key_len: u16,
    implicit_default: bool,
    /// Where the value stands.
    pub span: Span,
    /// The value.
    pub value: Value,
}

impl Entry {
    /// A field whose value stands at `span` and whose key stands at `key_span`.
    pub fn new(number: u32, key_span: Span, span: Span, value: Value) -> Entry {
        let key_len = u16::try_from(key_span.len()).unwrap_or(u16::MAX);
        let key_start = if key_span.is_known() {
            key_span.start
        } else {
            span.start
        };
        Entry {
            number,
            key_start,
            key_len,
            implicit_default: false,
            span,
            value,
        }
    }

    /// Marks the value as a default written into a field without presence.
    pub fn mark_implicit_default(mut self) -> Entry {
        self.implicit_default = true;
        self
    }

    /// Whether this is `0`, `false`, `""` and the like in a field where protobuf cannot tell it from
    /// nothing. Envoy sees such a field as not set.
    pub fn is_implicit_default(&self) -> bool {
        self.implicit_default
    }

    /// Where the key stands.
    pub fn key_span(&self) -> Span {
        let start = self.key_start as usize;
        Span::new(self.span.source, start, start + usize::from(self.key_len))
    }
}

/// A message that many may hold.
pub type Shared = Arc<Message>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_small() {
        assert!(size_of::<Value>() <= 24, "{}", size_of::<Value>());
        assert!(size_of::<Entry>() <= 56, "{}", size_of::<Entry>());
        assert!(size_of::<Message>() <= 56, "{}", size_of::<Message>());
    }
}
