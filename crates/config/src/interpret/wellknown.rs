//! Messages of `google.protobuf` that JSON writes in forms of their own.

use std::sync::Arc;

use nuncio_api::{self as api, Kind as FieldKind};

use super::{Interpreter, quantities, time};
use crate::span::Span;
use crate::text::{Entry as TextEntry, Kind, Node};
use crate::tree::{Entry, Item, Json, Message, Value};

/// The scalar inside of a wrapper message.
pub(crate) fn wrapped(name: &str) -> Option<FieldKind> {
    Some(match name {
        "google.protobuf.BoolValue" => FieldKind::Bool,
        "google.protobuf.UInt32Value" => FieldKind::Uint32,
        "google.protobuf.UInt64Value" => FieldKind::Uint64,
        "google.protobuf.Int32Value" => FieldKind::Int32,
        "google.protobuf.Int64Value" => FieldKind::Int64,
        "google.protobuf.FloatValue" => FieldKind::Float,
        "google.protobuf.DoubleValue" => FieldKind::Double,
        "google.protobuf.StringValue" => FieldKind::String,
        "google.protobuf.BytesValue" => FieldKind::Bytes,
        _ => return None,
    })
}

/// Whether JSON writes messages of this type in a form of their own.
pub(super) fn is_well_known(name: &str) -> bool {
    let Some(name) = name.strip_prefix("google.protobuf.") else {
        return false;
    };
    matches!(
        name,
        "Any" | "Struct" | "Value" | "ListValue" | "Duration" | "Timestamp" | "FieldMask"
    ) || wrapped(&format!("google.protobuf.{name}")).is_some()
}

impl<'n> Interpreter<'n> {
    /// A message in whatever form its type has.
    pub(super) fn message_value(
        &mut self,
        descriptor: api::Message,
        node: &'n Node,
    ) -> Option<Value> {
        let name = descriptor.full_name();
        if !name.starts_with("google.protobuf.") {
            return self
                .message(descriptor, node)
                .map(|message| Value::Message(Arc::new(message)));
        }
        match name {
            "google.protobuf.Any" => return self.any(node),
            "google.protobuf.Value" => return Some(Value::Json(Arc::new(self.json(node)))),
            "google.protobuf.Struct" => return self.structure(node),
            _ => {}
        }
        if let Kind::Map(entries) = &node.kind {
            let message = self.fields(descriptor, node.span, entries.iter());
            let is_refused = |entry: &Entry| matches!(entry.value, Value::Refused);
            let is_read = !message.entries().iter().any(is_refused);
            return is_read.then(|| from_plain_form(name, message));
        }
        match name {
            "google.protobuf.Duration" => self.time(
                node,
                "a duration such as \"1.5s\"",
                time::duration,
                Value::Duration,
            ),
            "google.protobuf.Timestamp" => self.time(
                node,
                "a time such as \"2026-01-31T12:00:00Z\"",
                time::timestamp,
                Value::Timestamp,
            ),
            "google.protobuf.ListValue" => match &node.kind {
                Kind::List(_) => Some(Value::Json(Arc::new(self.json(node)))),
                _ => {
                    self.expected(node, "a list", None, "expected '['");
                    None
                }
            },
            "google.protobuf.FieldMask" => self.field_mask(descriptor, node),
            _ => match wrapped(name) {
                Some(kind) => self.scalar(kind, node),
                None => self
                    .message(descriptor, node)
                    .map(|message| Value::Message(Arc::new(message))),
            },
        }
    }

    fn scalar(&mut self, kind: FieldKind, node: &'n Node) -> Option<Value> {
        match kind {
            FieldKind::Bool => self.boolean(node),
            FieldKind::Uint32 => self.unsigned(node, true),
            FieldKind::Uint64 => self.unsigned(node, false),
            FieldKind::Int32 => self.signed(node, true),
            FieldKind::Int64 => self.signed(node, false),
            FieldKind::Float => self.float(node, true),
            FieldKind::Double => self.float(node, false),
            FieldKind::Bytes => self.bytes(node),
            _ => match &node.kind {
                Kind::Str(text) => Some(Value::String(text.clone())),
                _ => {
                    self.expected(node, "a string", None, "expected '\"'");
                    None
                }
            },
        }
    }

    fn time(
        &mut self,
        node: &'n Node,
        wanted: &str,
        read: fn(&str) -> Result<(i64, i32), &'static str>,
        make: fn(i64, i32) -> Value,
    ) -> Option<Value> {
        let Kind::Str(text) = &node.kind else {
            let near = match node.kind {
                Kind::Int(seconds) => Some(format!("{seconds}s")),
                Kind::Float(seconds) => Some(format!("{seconds}s")),
                _ => None,
            };
            self.expected(node, wanted, None, "expected '\"'");
            self.suggest_time(near, read);
            return None;
        };
        match read(text) {
            Ok((seconds, nanos)) => Some(make(seconds, nanos)),
            Err(wording) => {
                self.refused_scalar(node, wanted, "not one", wording);
                self.suggest_time(quantities::in_seconds(text), read);
                None
            }
        }
    }

    /// Suggests a text for the duration that was just refused, if that text is one.
    fn suggest_time(
        &mut self,
        near: Option<String>,
        read: fn(&str) -> Result<(i64, i32), &'static str>,
    ) {
        if let Some(near) = near.filter(|near| read(near).is_ok()) {
            self.diagnostics.suggest_for_last(format!("write `{near}`"));
        }
    }

    fn structure(&mut self, node: &'n Node) -> Option<Value> {
        match &node.kind {
            Kind::Map(_) => Some(Value::Json(Arc::new(self.json(node)))),
            _ => {
                self.expected(node, "a map", None, "expected '{'");
                None
            }
        }
    }

    pub(super) fn json(&mut self, node: &'n Node) -> Json {
        match &node.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(*value),
            Kind::Int(value) => Json::Number(*value as f64),
            Kind::Uint(value) => Json::Number(*value as f64),
            Kind::Float(value) => Json::Number(*value),
            Kind::Str(text) => Json::String(text.clone()),
            Kind::List(items) => Json::List(items.iter().map(|item| self.json(item)).collect()),
            Kind::Map(entries) => {
                let mut seen = std::collections::HashSet::with_capacity(entries.len());
                let mut members = Vec::with_capacity(entries.len());
                for TextEntry {
                    key,
                    key_span,
                    value,
                } in entries
                {
                    if seen.insert(&**key) {
                        members.push((key.clone(), self.json(value)));
                    } else {
                        let wording =
                            format!("got unexpectedly-repeated repeated map key: '{key}'");
                        self.invalid(*key_span, format!("`{key}` is given twice"), &wording);
                    }
                }
                Json::Object(members)
            }
        }
    }

    fn field_mask(&mut self, descriptor: api::Message, node: &'n Node) -> Option<Value> {
        let Kind::Str(text) = &node.kind else {
            self.expected(
                node,
                "field names with commas between them",
                None,
                "expected '\"'",
            );
            return None;
        };
        let paths = text.split(',').filter(|path| !path.is_empty());
        let items = paths.map(|path| Item {
            span: node.span,
            value: Value::String(snake_case(path).into()),
        });
        let entry = Entry::new(1, Span::NONE, node.span, Value::List(items.collect()));
        Some(Value::Message(Arc::new(Message::with_entries(
            descriptor,
            node.span,
            vec![entry],
        ))))
    }
}

/// A well-known type written as a plain message: `{seconds: 5}`, `{value: 1}`.
fn from_plain_form(name: &str, mut message: Message) -> Value {
    let mut whole = |number: u32| match message.remove(number).map(|entry| entry.value) {
        Some(Value::I64(value)) => value,
        _ => 0,
    };
    match name {
        "google.protobuf.Duration" => {
            let (seconds, nanos) = (whole(1), whole(2));
            Value::Duration(seconds, i32::try_from(nanos).unwrap_or(0))
        }
        "google.protobuf.Timestamp" => {
            let (seconds, nanos) = (whole(1), whole(2));
            Value::Timestamp(seconds, i32::try_from(nanos).unwrap_or(0))
        }
        "google.protobuf.ListValue" => {
            let items = match message.remove(1).map(|entry| entry.value) {
                Some(Value::List(items)) => items.into_vec(),
                _ => Vec::new(),
            };
            let members = items.into_iter().map(|item| match item.value {
                Value::Json(json) => (*json).clone(),
                _ => Json::Null,
            });
            Value::Json(Arc::new(Json::List(members.collect())))
        }
        _ => match wrapped(name) {
            Some(kind) => {
                let inner = message.remove(1).map(|entry| entry.value);
                inner.unwrap_or_else(|| super::message::default_value(kind, message.span))
            }
            None => Value::Message(Arc::new(message)),
        },
    }
}

fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for character in path.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
