//! What paths and queries say, woven into the message that a body says: values at paths of fields.
//!
//! What the body says itself wins over them, but for fields of which there may be many. They come behind the members
//! of the message that they are in.

use std::collections::HashMap;

use crate::json::{Events, Scalar, Shape};

/// A value for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The field, by names as files have them, from the message outwards.
    pub path: Vec<Step>,
    /// Its text.
    pub value: Vec<u8>,
}

/// A step on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name in the file, which is the only one that a body's member is known by.
    pub name: Box<str>,
    /// Whether there may be many.
    pub is_repeated: bool,
}

impl Step {
    fn is_called(&self, name: &str) -> bool {
        *self.name == *name
    }
}

/// Bindings as a tree of messages.
#[derive(Debug, Default)]
struct Tree {
    /// In the order in which they came; none where the body had the last word.
    leaves: Vec<Option<(Step, Vec<u8>)>>,
    /// The places of those that a body may meet, which are not of fields of which there may be many. Each member of
    /// a body asks for its name, and a query may have very many leaves.
    singular: HashMap<Box<str>, Vec<usize>>,
    messages: Vec<(Step, Tree)>,
}

impl Tree {
    fn insert(&mut self, path: &[Step], value: Vec<u8>) {
        match path {
            [] => {}
            [leaf] => {
                if !leaf.is_repeated {
                    let places = self.singular.entry(leaf.name.clone()).or_default();
                    places.push(self.leaves.len());
                }
                self.leaves.push(Some((leaf.clone(), value)));
            }
            [step, rest @ ..] => {
                let place = self
                    .messages
                    .iter()
                    .position(|(known, _)| known.name == step.name);
                let place = place.unwrap_or_else(|| {
                    self.messages.push((step.clone(), Tree::default()));
                    self.messages.len() - 1
                });
                if let Some((_, tree)) = self.messages.get_mut(place) {
                    tree.insert(rest, value);
                }
            }
        }
    }

    /// Takes away what is for a field of which there is one.
    fn take(&mut self, name: &str) -> Vec<(Step, Vec<u8>)> {
        let places = self.singular.remove(name).unwrap_or_default();
        let leaves = places.into_iter();
        let leaves = leaves.filter_map(|place| self.leaves.get_mut(place)?.take());
        leaves.collect()
    }

    fn play(self, events: &mut impl Events) {
        for (step, value) in self.leaves.into_iter().flatten() {
            events.scalar(&step.name, Scalar::Text(&value));
        }
        for (step, tree) in self.messages {
            events.open(&step.name, Shape::Object);
            tree.play(events);
            events.close(Shape::Object);
        }
    }
}

/// Adds bindings to what goes to `events`.
#[derive(Debug)]
pub(super) struct Weaver<E> {
    pub(super) events: E,
    /// The messages that are open and that bindings are for, outermost first; the last one is what bindings may meet.
    open: Vec<(Step, Tree)>,
    /// How much more is open that no binding is for.
    other_depth: usize,
    /// What is woven into the root.
    root: Tree,
    is_root_open: bool,
    refuses_collisions: bool,
    collision: Option<String>,
}

impl<E: Events> Weaver<E> {
    pub(super) fn new(events: E, bindings: Vec<Binding>, refuses_collisions: bool) -> Self {
        let mut root = Tree::default();
        for binding in bindings {
            root.insert(&binding.path, binding.value);
        }
        Weaver {
            events,
            open: Vec::new(),
            other_depth: 0,
            root,
            is_root_open: false,
            refuses_collisions,
            collision: None,
        }
    }

    /// What is said of a field that body and bindings have different values for, where that is refused.
    pub(super) fn collision(&self) -> Option<&str> {
        self.collision.as_deref()
    }

    fn tree(&mut self) -> &mut Tree {
        match self.open.last_mut() {
            Some((_, tree)) => tree,
            None => &mut self.root,
        }
    }
}

impl<E: Events> Events for Weaver<E> {
    fn open(&mut self, name: &str, shape: Shape) {
        self.events.open(name, shape);
        if !self.is_root_open {
            self.is_root_open = true;
            return;
        }
        if self.other_depth == 0 && shape == Shape::Object {
            let tree = self.tree();
            let place = tree
                .messages
                .iter()
                .position(|(step, _)| step.is_called(name));
            if let Some(place) = place {
                let found = tree.messages.remove(place);
                self.open.push(found);
                return;
            }
        }
        self.other_depth += 1;
    }

    fn close(&mut self, shape: Shape) {
        if self.other_depth > 0 {
            self.other_depth -= 1;
        } else if let Some((_, tree)) = self.open.pop() {
            tree.play(&mut self.events);
        } else {
            std::mem::take(&mut self.root).play(&mut self.events);
        }
        self.events.close(shape);
    }

    fn scalar(&mut self, name: &str, value: Scalar<'_>) {
        if self.other_depth == 0 && self.is_root_open {
            let met = self.tree().take(name);
            let differs = |(_, bound): &&(Step, Vec<u8>)| !is_same(value, bound);
            if self.refuses_collisions
                && let Some((step, bound)) = met.iter().rfind(differs)
            {
                self.collision = Some(format!(
                    "The binding value \"{}\" of the field {} is conflicting with the value {} in the body.",
                    String::from_utf8_lossy(bound),
                    step.name,
                    super::scalar::shown(value),
                ));
            }
        }
        self.events.scalar(name, value);
    }
}

/// Whether a body says the same as a binding.
fn is_same(value: Scalar<'_>, bound: &[u8]) -> bool {
    match value {
        Scalar::Text(text) => text == bound,
        other => super::scalar::shown(other).as_bytes() == bound,
    }
}
