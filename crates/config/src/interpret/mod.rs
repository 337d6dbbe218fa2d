//! From [`Node`]s to the message tree, by protobuf's JSON rules in the lenient mode that Envoy uses.
//!
//! Names in snake_case or camelCase, numbers as strings, enums by name (in any case) or number, one value
//! in place of a list, nested lists flattened, `null` as absent, well-known types in their own forms or
//! as plain messages, `Any` by `@type`, and a `TypedStruct` read as the type that it names. All errors
//! are collected, each where it stands, with a suggestion where one is near.
//!
//! Depth is bounded by the text layer ([`crate::text::Limits::depth`]).

mod any;
mod bytes;
mod enums;
mod error;
mod message;
mod numbers;
mod quantities;
mod shapes;
mod suggest;
mod time;
mod types;
mod wellknown;

use std::collections::HashSet;

use nuncio_api as api;

pub(crate) use any::TYPED_STRUCTS;
pub(crate) use enums::meant as enum_value_meant;
pub(crate) use message::default_value;
pub use suggest::nearest;
pub(crate) use wellknown::wrapped;

use crate::diagnostic::{Diagnostics, Severity};
use crate::text::Node;
use crate::tree::{Json, Message};

/// Reads `node` as a message of type `descriptor`.
///
/// `None` only when nothing can be read at all; whether there were errors is in `diagnostics`.
pub fn interpret(
    descriptor: api::Message,
    node: &Node,
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let how = Reading {
        unknown_fields: Severity::Error,
        unusable: &HashSet::new(),
    };
    interpret_with(descriptor, node, how, diagnostics)
}

/// Reads `node` as a free-form value.
pub fn json(node: &Node, diagnostics: &mut Diagnostics) -> Json {
    let mut interpreter = Interpreter {
        how: Reading {
            unknown_fields: Severity::Error,
            unusable: &HashSet::new(),
        },
        root: "google.protobuf.Value",
        steps: Vec::new(),
        name_beside: "",
        diagnostics,
    };
    interpreter.json(node)
}

/// How a text is read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What a field is that the message does not have: an error, or passed over with a warning.
    pub unknown_fields: Severity,
    /// Scalars with an error of their own, by where they begin: nothing more is said of them.
    pub unusable: &'a HashSet<u32>,
}

/// The same, read in another way.
pub fn interpret_with(
    descriptor: api::Message,
    node: &Node,
    how: Reading<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Message> {
    let mut interpreter = Interpreter {
        how,
        root: descriptor.full_name(),
        steps: Vec::new(),
        name_beside: "",
        diagnostics,
    };
    interpreter.message(descriptor, node)
}

struct Interpreter<'n> {
    how: Reading<'n>,
    /// The type that Envoy's errors begin with.
    root: &'static str,
    /// From the root to the value being read, for Envoy's wording and for suggestions.
    steps: Vec<Step<'n>>,
    /// The `name` that stands beside the `Any` being read: an extension's.
    name_beside: &'n str,
    diagnostics: &'n mut Diagnostics,
}

/// One step of the way from the root.
#[derive(Clone, Copy)]
struct Step<'n> {
    /// The field's name as written, or `<any>`.
    name: &'n str,
    /// The item's number within a repeated field.
    index: Option<usize>,
    /// The type that Envoy's errors name here.
    kind: StepKind,
}

#[derive(Clone, Copy)]
enum StepKind {
    /// The value of a field, or a message in an `Any`.
    Value(api::Kind),
    /// An entry of this map field.
    MapEntry(api::Field),
}

impl StepKind {
    fn of(field: api::Field) -> StepKind {
        match field.cardinality() {
            api::Cardinality::Map { .. } => StepKind::MapEntry(field),
            _ => StepKind::Value(field.kind()),
        }
    }
}
