//! What is wrong, and where: the place in the message as its fields name it.

use std::sync::Arc;

use super::{Frame, Writer};
use crate::descriptor::{Field, Kind, Pool};
use crate::request::dynamic::TYPE_URL;

/// What is wrong.
pub(in crate::request) enum Fault {
    /// A value that is none of a type.
    Value(String, String),
    /// Anything else, at a place.
    Words(String),
    /// The whole of what is told.
    Whole(String),
}

impl Writer {
    /// The place that is being written, with these steps behind it.
    pub(super) fn place(&self, pool: &Pool, steps: &[&str]) -> String {
        let mut place = String::new();
        for frame in &self.frames {
            let (slot, index) = match frame {
                Frame::Message {
                    slot: Some(slot),
                    is_entry: false,
                    index,
                    ..
                } => (slot, *index),
                Frame::Map(slot, names) => (slot, names.len().saturating_sub(1)),
                Frame::Message { .. } | Frame::List(..) => continue,
            };
            if let Some(field) = pool.message(slot.owner).field(slot.number) {
                step(
                    &mut place,
                    &step_of(field, field.is_repeated.then_some(index)),
                );
            }
        }
        for name in steps {
            step(&mut place, name);
        }
        place
    }

    pub(super) fn wrong(&mut self, place: &str, fault: Fault) {
        self.fault = Some(match fault {
            Fault::Value(value, of) => format!("{place}: invalid value {value} for type {of}"),
            Fault::Words(words) => format!("{place}: {words}"),
            Fault::Whole(whole) => whole,
        });
    }

    pub(super) fn wrong_here(&mut self, fault: Fault) {
        let pool = Arc::clone(&self.pool);
        let place = self.place(&pool, &[]);
        self.wrong(&place, fault);
    }

    /// A step to a field, and to the member of its list that is being written.
    pub(super) fn step_to(&self, field: &Field) -> String {
        let index = match self.frames.last() {
            Some(Frame::List(_, begun)) => Some(begun.saturating_sub(1)),
            _ => None,
        };
        step_of(field, index)
    }
}

fn step(place: &mut String, name: &str) {
    if !place.is_empty() && !name.is_empty() {
        place.push('.');
    }
    place.push_str(name);
}

fn step_of(field: &Field, index: Option<usize>) -> String {
    match index {
        Some(index) => format!("{}[{index}]", field.name),
        None => field.name.to_string(),
    }
}

/// A type as words of errors have it.
pub(super) fn type_name(pool: &Pool, kind: Kind) -> String {
    match kind {
        Kind::Message(id) => format!("{TYPE_URL}{}", pool.message(id).name),
        Kind::Enum(id) => format!("{TYPE_URL}{}", pool.enumeration(id).name),
        _ => kind.name().to_owned(),
    }
}
