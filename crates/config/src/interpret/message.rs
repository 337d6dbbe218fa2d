//! Messages, their fields, lists and maps.

use std::sync::Arc;

use nuncio_api::{self as api, Cardinality, Kind as FieldKind};

use super::suggest::Guess;
use super::{Interpreter, Step, StepKind, numbers, shapes};
use crate::span::Span;
use crate::text::{self, Kind, Node};
use crate::tree::{Any, Entry, Item, Json, MapItem, Message, Value};

impl<'n> Interpreter<'n> {
    /// Reads a map as a message; anything else is an error.
    pub(super) fn message(&mut self, descriptor: api::Message, node: &'n Node) -> Option<Message> {
        match &node.kind {
            Kind::Map(entries) => Some(self.fields(descriptor, node.span, entries.iter())),
            _ => {
                self.expected(
                    node,
                    "a map with the fields of a message",
                    Some(descriptor),
                    "expected '{'",
                );
                if let Some(meant) = shapes::for_message(descriptor, node) {
                    self.diagnostics.suggest_for_last(meant);
                }
                None
            }
        }
    }

    /// Reads the entries of a map as the fields of a message.
    pub(super) fn fields(
        &mut self,
        descriptor: api::Message,
        span: Span,
        written: impl Iterator<Item = &'n text::Entry> + Clone,
    ) -> Message {
        let mut entries: Vec<Entry> = Vec::new();
        let mut guesses = Vec::new();
        for entry in written.clone() {
            let text::Entry {
                key,
                key_span,
                value: node,
            } = entry;
            let Some(field) = descriptor.field(key) else {
                let guess = self.unknown_field(descriptor, key, *key_span);
                guesses.extend(guess.map(|guess| (guess, entry)));
                continue;
            };
            if matches!(node.kind, Kind::Null) && !takes_null(field) {
                continue;
            }
            self.steps.push(Step {
                name: key,
                index: None,
                kind: StepKind::of(field),
            });
            if matches!(field.kind(), FieldKind::Message(of) if of.full_name() == ANY) {
                self.name_beside = name_of(written.clone());
            }
            if self.oneof_is_free(descriptor, field, &entries, key, *key_span) {
                let value = self.field_value(field, node).unwrap_or(Value::Refused);
                add(&mut entries, field, *key_span, node.span, value);
            }
            self.steps.pop();
        }
        for (guess, entry) in guesses {
            self.guessed(descriptor, guess, entry, &mut entries);
        }
        Message::with_entries(descriptor, span, entries)
    }

    /// Puts the value of an unknown field where it was probably meant to be, and reads on inside of it,
    /// so that errors there are found in the same run and the field does not count as missing.
    fn guessed(
        &mut self,
        descriptor: api::Message,
        guess: Guess,
        written: &'n text::Entry,
        entries: &mut Vec<Entry>,
    ) {
        let field = guess.field;
        self.steps.push(Step {
            name: field.name(),
            index: None,
            kind: StepKind::of(field),
        });
        let fits = match written.value.kind {
            Kind::List(_) => field.cardinality() == Cardinality::Repeated,
            Kind::Map(_) => matches!(field.kind(), FieldKind::Message(_)),
            _ => false,
        };
        let value = if guess.same_kind && fits {
            self.field_value(field, &written.value)
        } else {
            None
        };
        self.steps.pop();
        let clashes = |entry: &Entry| {
            let other = descriptor.field_by_number(entry.number);
            entry.number == field.number()
                || field.oneof().is_some() && other.and_then(|other| other.oneof()) == field.oneof()
        };
        if !entries.iter().any(clashes) {
            let value = value.unwrap_or(Value::Refused);
            let (key_span, span) = (written.key_span, written.value.span);
            entries.push(Entry::new(field.number(), key_span, span, value));
        }
    }

    fn oneof_is_free(
        &mut self,
        descriptor: api::Message,
        field: api::Field,
        entries: &[Entry],
        key: &str,
        key_span: Span,
    ) -> bool {
        let Some(oneof) = field.oneof() else {
            return true;
        };
        let set = entries.iter().find_map(|entry| {
            descriptor
                .field_by_number(entry.number)
                .filter(|other| other.oneof() == Some(oneof))
        });
        let Some(set) = set.filter(|set| !refused(entries, set.number())) else {
            return true;
        };
        let text = format!(
            "`{key}` and `{}` exclude each other; only one may be set",
            set.name()
        );
        let wording =
            format!("'{key}' has already been set (either directly or as part of a oneof)");
        self.invalid(key_span, text, &wording);
        false
    }

    fn field_value(&mut self, field: api::Field, node: &'n Node) -> Option<Value> {
        match field.cardinality() {
            Cardinality::Singular => self.singular(field.kind(), node),
            Cardinality::Repeated => {
                let mut items = Vec::new();
                let mut index = 0;
                self.items(field.kind(), node, &mut items, &mut index);
                Some(Value::List(items.into()))
            }
            Cardinality::Map { key, value } => self.map(key, value, node),
        }
    }

    /// Adds a list's items; a value that is no list is one item, a list in a list is flattened.
    fn items(&mut self, kind: FieldKind, node: &'n Node, items: &mut Vec<Item>, index: &mut usize) {
        let nested =
            matches!(kind, FieldKind::Message(message) if is_json_list(message.full_name()));
        let Kind::List(nodes) = &node.kind else {
            let value = self.singular(kind, node).unwrap_or(Value::Refused);
            items.push(Item {
                span: node.span,
                value,
            });
            return;
        };
        items.reserve(nodes.len());
        for node in nodes {
            if let Some(step) = self.steps.last_mut() {
                step.index = Some(*index);
            }
            *index += 1;
            let value = match &node.kind {
                Kind::Null if !kind_takes_null(kind) => default_value(kind, node.span),
                Kind::List(_) if !nested => {
                    self.items(kind, node, items, index);
                    continue;
                }
                _ => self.singular(kind, node).unwrap_or(Value::Refused),
            };
            items.push(Item {
                span: node.span,
                value,
            });
        }
    }

    fn map(&mut self, key_kind: FieldKind, kind: FieldKind, node: &'n Node) -> Option<Value> {
        let Kind::Map(entries) = &node.kind else {
            self.expected(node, "a map", None, "expected '{'");
            return None;
        };
        let mut seen = std::collections::HashSet::with_capacity(entries.len());
        let mut items = Vec::with_capacity(entries.len());
        for (
            index,
            text::Entry {
                key,
                key_span,
                value: node,
            },
        ) in entries.iter().enumerate()
        {
            if let Some(step) = self.steps.last_mut() {
                step.index = Some(index);
            }
            if !seen.insert(&**key) {
                let wording = format!("got unexpectedly-repeated repeated map key: '{key}'");
                self.invalid(*key_span, format!("`{key}` is given twice"), &wording);
                continue;
            }
            let Some(key) = numbers::map_key(key_kind, key) else {
                let text = format!(
                    "`{key}` is no key of this map: {} is expected",
                    numbers::describe(key_kind)
                );
                self.invalid(*key_span, text, "non-number characters in quoted number");
                continue;
            };
            let value = match &node.kind {
                Kind::Null if !kind_takes_null(kind) => default_value(kind, node.span),
                _ => self.singular(kind, node).unwrap_or(Value::Refused),
            };
            items.push(MapItem {
                key,
                key_span: *key_span,
                span: node.span,
                value,
            });
        }
        Some(Value::Map(items.into()))
    }

    fn singular(&mut self, kind: FieldKind, node: &'n Node) -> Option<Value> {
        let is_scalar = !matches!(node.kind, Kind::Map(_) | Kind::List(_));
        if is_scalar && self.how.unusable.contains(&node.span.start) {
            return None;
        }
        match kind {
            FieldKind::Message(message) => self.message_value(message, node),
            FieldKind::Enum(enumeration) => self.enum_value(enumeration, node),
            FieldKind::String => match &node.kind {
                Kind::Str(text) => Some(Value::String(text.clone())),
                _ => {
                    self.expected(node, "a string", None, "expected '\"'");
                    None
                }
            },
            FieldKind::Bytes => self.bytes(node),
            FieldKind::Bool => self.boolean(node),
            FieldKind::Double => self.float(node, false),
            FieldKind::Float => self.float(node, true),
            FieldKind::Int32 | FieldKind::Sint32 | FieldKind::Sfixed32 => self.signed(node, true),
            FieldKind::Int64 | FieldKind::Sint64 | FieldKind::Sfixed64 => self.signed(node, false),
            FieldKind::Uint32 | FieldKind::Fixed32 => self.unsigned(node, true),
            FieldKind::Uint64 | FieldKind::Fixed64 => self.unsigned(node, false),
        }
    }
}

const ANY: &str = "google.protobuf.Any";

/// The `name` among the entries of a message.
fn name_of<'n>(mut written: impl Iterator<Item = &'n text::Entry>) -> &'n str {
    let name = written.find(|entry| &*entry.key == "name");
    name.and_then(|entry| entry.value.as_str()).unwrap_or("")
}

fn refused(entries: &[Entry], number: u32) -> bool {
    entries
        .iter()
        .any(|entry| entry.number == number && matches!(entry.value, Value::Refused))
}

/// Adds a field that may be set already: scalars are replaced, lists joined, messages merged.
fn add(entries: &mut Vec<Entry>, field: api::Field, key_span: Span, span: Span, value: Value) {
    let number = field.number();
    let implicit = !field.has_presence() && value.is_default();
    let mut entry = Entry::new(number, key_span, span, value);
    if implicit {
        entry = entry.mark_implicit_default();
    }
    let Some(old) = entries.iter_mut().find(|old| old.number == number) else {
        entries.push(entry);
        return;
    };
    match (&mut old.value, &entry.value) {
        (Value::Message(old), Value::Message(new)) => crate::tree::merge(Arc::make_mut(old), new),
        (Value::List(old), Value::List(new)) => {
            let joined: Vec<Item> = old.iter().chain(new.iter()).cloned().collect();
            *old = joined.into();
        }
        _ => *old = entry,
    }
}

fn takes_null(field: api::Field) -> bool {
    matches!(field.cardinality(), Cardinality::Singular) && kind_takes_null(field.kind())
}

/// `null` is a value only to `google.protobuf.Value` and `NullValue`.
fn kind_takes_null(kind: FieldKind) -> bool {
    match kind {
        FieldKind::Message(message) => message.full_name() == "google.protobuf.Value",
        FieldKind::Enum(enumeration) => enumeration.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

fn is_json_list(name: &str) -> bool {
    matches!(name, "google.protobuf.Value" | "google.protobuf.ListValue")
}

/// What a `null` in a list or map stands for.
pub(crate) fn default_value(kind: FieldKind, span: Span) -> Value {
    match kind {
        FieldKind::Message(message) => default_message(message, span),
        FieldKind::Enum(_) => Value::Enum(0),
        FieldKind::String => Value::String("".into()),
        FieldKind::Bytes => Value::Bytes([].into()),
        FieldKind::Bool => Value::Bool(false),
        FieldKind::Double | FieldKind::Float => Value::F64(0.0),
        FieldKind::Uint32 | FieldKind::Fixed32 | FieldKind::Uint64 | FieldKind::Fixed64 => {
            Value::U64(0)
        }
        _ => Value::I64(0),
    }
}

fn default_message(message: api::Message, span: Span) -> Value {
    match message.full_name() {
        "google.protobuf.Any" => {
            let message = Arc::new(Message::new(message, span));
            Value::Any(Arc::new(Any {
                type_url: "".into(),
                message,
                typed_struct: None,
            }))
        }
        "google.protobuf.Duration" => Value::Duration(0, 0),
        "google.protobuf.Timestamp" => Value::Timestamp(0, 0),
        "google.protobuf.Struct" => Value::Json(Arc::new(Json::Object(Vec::new()))),
        "google.protobuf.ListValue" => Value::Json(Arc::new(Json::List(Vec::new()))),
        "google.protobuf.Value" => Value::Json(Arc::new(Json::Null)),
        name => match super::wellknown::wrapped(name) {
            Some(kind) => default_value(kind, span),
            None => Value::Message(Arc::new(Message::new(message, span))),
        },
    }
}
