//! The tree that a text is parsed to: JSON's shapes, with a span on every key and value.

use crate::span::Span;

/// A value with its place in the text.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value stands; for a map or list, from its first to its last byte.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The shapes of a [`Node`].
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// A boolean; in YAML also `yes`, `no`, `on`, `off`, `y`, `n`.
    Bool(bool),
    /// A whole number. YAML's numbers beyond 32 bits are strings, as in Envoy.
    Int(i64),
    /// A whole number above `i64::MAX` (JSON only).
    Uint(u64),
    /// A number with a fraction or exponent (JSON only; in YAML it is a string, as in Envoy).
    Float(f64),
    /// A string.
    Str(Box<str>),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the text.
    Map(Vec<Entry>),
}

/// One `key: value` of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as a string.
    pub key: Box<str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A node of the given kind.
    pub fn new(span: Span, kind: Kind) -> Node {
        Node { span, kind }
    }

    /// A string node.
    pub fn string(span: Span, text: impl Into<Box<str>>) -> Node {
        Node {
            span,
            kind: Kind::Str(text.into()),
        }
    }

    /// The entries when this is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entries when this is a map, to change them.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items when this is a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value under `key` when this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?
            .iter()
            .find(|entry| &*entry.key == key)
            .map(|entry| &entry.value)
    }

    /// What the node is, in words for a message: "a string", "a list".
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Uint(_) => "a number",
            Kind::Float(_) => "a number",
            Kind::Str(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}
