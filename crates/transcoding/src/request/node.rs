//! A piece of JSON as a tree, where what it becomes is known only at its end.

use crate::json::{Events, Scalar, Shape};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Vec<u8>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn of(value: Scalar<'_>) -> Self {
        match value {
            Scalar::Null => Node::Null,
            Scalar::Bool(value) => Node::Bool(value),
            Scalar::Int(value) => Node::Int(value),
            Scalar::Uint(value) => Node::Uint(value),
            Scalar::Double(value) => Node::Double(value),
            Scalar::Text(text) => Node::Text(text.to_vec()),
        }
    }

    /// The value, if it has no members.
    pub(super) fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            Node::Null => Scalar::Null,
            Node::Bool(value) => Scalar::Bool(*value),
            Node::Int(value) => Scalar::Int(*value),
            Node::Uint(value) => Scalar::Uint(*value),
            Node::Double(value) => Scalar::Double(*value),
            Node::Text(text) => Scalar::Text(text),
            Node::List(_) | Node::Object(_) => return None,
        })
    }

    /// Tells the tree as a parser would.
    pub(super) fn play(&self, name: &str, events: &mut impl Events) {
        match self {
            Node::List(members) => {
                events.open(name, Shape::List);
                for member in members {
                    member.play("", events);
                }
                events.close(Shape::List);
            }
            Node::Object(members) => {
                events.open(name, Shape::Object);
                for (name, member) in members {
                    member.play(name, events);
                }
                events.close(Shape::Object);
            }
            _ => events.scalar(name, self.scalar().unwrap_or(Scalar::Null)),
        }
    }
}

/// Makes a tree of events.
#[derive(Debug, Default)]
pub(super) struct Collector {
    open: Vec<(String, Node)>,
    held_bytes: usize,
}

impl Collector {
    pub(super) fn open(&mut self, name: &str, shape: Shape) {
        let empty = match shape {
            Shape::Object => Node::Object(Vec::new()),
            Shape::List => Node::List(Vec::new()),
        };
        self.note(name, 0);
        self.open.push((name.to_owned(), empty));
    }

    /// A value without members.
    pub(super) fn scalar(&mut self, name: &str, value: Scalar<'_>) {
        let text = match value {
            Scalar::Text(text) => text.len(),
            _ => 0,
        };
        self.note(name, text);
        self.put(name.to_owned(), Node::of(value));
    }

    /// How much the tree holds: each node is counted, since many of them are larger than their text.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn note(&mut self, name: &str, text_bytes: usize) {
        let bytes = name.len() + text_bytes + size_of::<Node>();
        self.held_bytes = self.held_bytes.saturating_add(bytes);
    }

    fn put(&mut self, name: String, node: Node) {
        match self.open.last_mut() {
            Some((_, Node::Object(members))) => members.push((name, node)),
            Some((_, Node::List(members))) => members.push(node),
            _ => {}
        }
    }

    /// Ends what was opened last; the tree, if that was the whole.
    pub(super) fn close(&mut self) -> Option<Node> {
        let (name, node) = self.open.pop()?;
        if self.open.is_empty() {
            return Some(node);
        }
        self.put(name, node);
        None
    }
}
