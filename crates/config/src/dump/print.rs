//! The printer: one method a shape.

use std::fmt::Write as _;

use nuncio_api::{self as api, Cardinality, Kind};

use super::{Options, numbers};
use crate::base64;
use crate::json_text;
use crate::tree::{Any, Json, Message, Value};

const REDACTED: &str = "[redacted]";

pub(super) struct Printer {
    options: Options,
    out: String,
    depth: usize,
}

impl Printer {
    pub(super) fn new(options: Options) -> Printer {
        Printer {
            options,
            out: String::new(),
            depth: 0,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// A whole message; one of a well-known type in its own form.
    pub(super) fn top(&mut self, message: &Message) {
        match well_known_value(message) {
            Some((kind, value)) => self.value(kind, value, false),
            None => self.message(message, false),
        }
    }

    fn message(&mut self, message: &Message, sensitive: bool) {
        let mut first = true;
        self.open('{');
        self.fields(message, sensitive, &mut first);
        self.close('}', first);
    }

    fn fields(&mut self, message: &Message, sensitive: bool, first: &mut bool) {
        if !self.options.defaults {
            for entry in message.entries() {
                if let Some(field) = message.descriptor.field_by_number(entry.number) {
                    self.field(
                        field,
                        &entry.value,
                        entry.is_implicit_default(),
                        sensitive,
                        first,
                    );
                }
            }
            return;
        }
        for field in message.descriptor.fields() {
            match message.get(field.number()) {
                Some(entry) => self.field(field, &entry.value, false, sensitive, first),
                None => {
                    if let Some(default) = default_of(field) {
                        self.field(field, &default, false, sensitive, first);
                    }
                }
            }
        }
    }

    fn field(
        &mut self,
        field: api::Field,
        value: &Value,
        skip: bool,
        sensitive: bool,
        first: &mut bool,
    ) {
        let sensitive = self.options.redact && (sensitive || field.sensitive());
        let cleared = sensitive && !outlives_redaction(field.kind());
        if skip || (cleared && !self.options.defaults) {
            return;
        }
        self.key(field.name(), first);
        match default_of(field).filter(|_| cleared) {
            Some(default) => self.value(field.kind(), &default, sensitive),
            None => self.value(field.kind(), value, sensitive),
        }
    }

    fn value(&mut self, kind: Kind, value: &Value, sensitive: bool) {
        match value {
            Value::List(items) => {
                self.open('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index == 0);
                    self.value(kind, &item.value, sensitive);
                }
                self.close(']', items.is_empty());
            }
            Value::Map(items) => {
                let mut first = true;
                self.open('{');
                for item in items {
                    self.key(&item.key, &mut first);
                    self.value(kind, &item.value, sensitive);
                }
                self.close('}', first);
            }
            Value::Message(message) => match well_known_value(message) {
                Some((kind, value)) => self.value(kind, value, sensitive),
                None if message.name() == "google.protobuf.FieldMask" => self.field_mask(message),
                None => self.message(message, sensitive),
            },
            Value::Any(any) => self.any(any, sensitive),
            Value::Json(json) => self.json(json, sensitive),
            Value::String(text) => {
                json_text::string(&mut self.out, if sensitive { REDACTED } else { text })
            }
            Value::Bytes(bytes) => {
                let bytes = if sensitive {
                    REDACTED.as_bytes()
                } else {
                    bytes
                };
                json_text::string(&mut self.out, &base64::encode(bytes));
            }
            _ => self.scalar(kind, value, sensitive),
        }
    }

    fn scalar(&mut self, kind: Kind, value: &Value, sensitive: bool) {
        let (kind, clear) = (wrapped(kind), sensitive);
        let out = &mut self.out;
        let _ = match value {
            Value::Bool(value) => write!(out, "{}", *value && !clear),
            Value::I64(value) => integer(out, kind, if clear { 0 } else { *value }),
            Value::U64(value) => integer(out, kind, if clear { 0 } else { *value }),
            Value::F64(value) => write!(out, "{}", float(kind, if clear { 0.0 } else { *value })),
            Value::Enum(number) => enum_value(out, kind, *number),
            Value::Duration(..) if clear => write!(out, "\"0s\""),
            Value::Duration(seconds, nanos) => {
                write!(out, "\"{}\"", numbers::duration(*seconds, *nanos))
            }
            Value::Timestamp(seconds, nanos) => {
                write!(out, "\"{}\"", numbers::timestamp(*seconds, *nanos))
            }
            _ => write!(out, "null"),
        };
    }

    fn any(&mut self, any: &Any, sensitive: bool) {
        let mut first = true;
        self.open('{');
        if !any.type_url.is_empty() {
            self.key("@type", &mut first);
            match &any.typed_struct {
                Some(outer) => {
                    json_text::string(&mut self.out, outer);
                    self.key("type_url", &mut first);
                    json_text::string(&mut self.out, &any.type_url);
                    self.key("value", &mut first);
                    self.message(&any.message, sensitive);
                }
                None => {
                    json_text::string(&mut self.out, &any.type_url);
                    match well_known_value(&any.message) {
                        Some((kind, value)) => {
                            self.key("value", &mut first);
                            self.value(kind, value, sensitive);
                        }
                        None => self.fields(&any.message, sensitive, &mut first),
                    }
                }
            }
        }
        self.close('}', first);
    }

    pub(super) fn json(&mut self, json: &Json, sensitive: bool) {
        match json {
            Json::Null => self.out.push_str("null"),
            Json::Bool(value) => {
                let _ = write!(self.out, "{value}");
            }
            Json::Number(value) => self.out.push_str(&float(Kind::Double, *value)),
            Json::String(text) => {
                json_text::string(&mut self.out, if sensitive { REDACTED } else { text })
            }
            Json::List(items) => {
                let shown: Vec<&Json> = items
                    .iter()
                    .filter(|item| !sensitive || is_shown_redacted(item))
                    .collect();
                self.open('[');
                for (index, item) in shown.iter().enumerate() {
                    self.separate(index == 0);
                    self.json(item, sensitive);
                }
                self.close(']', shown.is_empty());
            }
            Json::Object(members) => {
                let mut first = true;
                self.open('{');
                for (key, value) in members
                    .iter()
                    .filter(|(_, value)| !sensitive || is_shown_redacted(value))
                {
                    self.key(key, &mut first);
                    self.json(value, sensitive);
                }
                self.close('}', first);
            }
        }
    }

    fn field_mask(&mut self, message: &Message) {
        let items = message
            .get(1)
            .and_then(|entry| entry.value.as_list())
            .unwrap_or_default();
        let paths: Vec<String> = items
            .iter()
            .filter_map(|item| item.value.as_str())
            .map(lower_camel)
            .collect();
        json_text::string(&mut self.out, &paths.join(","));
    }

    fn key(&mut self, key: &str, first: &mut bool) {
        self.separate(*first);
        *first = false;
        json_text::string(&mut self.out, key);
        self.out
            .push_str(if self.options.pretty { ": " } else { ":" });
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.depth += 1;
    }

    fn separate(&mut self, first: bool) {
        if !first {
            self.out.push(',');
        }
        self.line();
    }

    fn close(&mut self, bracket: char, empty: bool) {
        self.depth -= 1;
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if self.options.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.depth));
        }
    }
}

/// The value of a message that only carries a well-known value: a wrapper, `Struct`, `Duration` in an `Any`.
fn well_known_value(message: &Message) -> Option<(Kind, &Value)> {
    if !message.name().starts_with("google.protobuf.") {
        return None;
    }
    let entry = message.get(1)?;
    let bare = !matches!(
        entry.value,
        Value::List(_) | Value::Map(_) | Value::Message(_)
    );
    bare.then_some((Kind::Message(message.descriptor), &entry.value))
}

/// What a field without presence is when it is not set; nothing for other fields.
fn default_of(field: api::Field) -> Option<Value> {
    if field.has_presence() || field.oneof().is_some() {
        return None;
    }
    Some(match (field.cardinality(), field.kind()) {
        (Cardinality::Repeated, _) => Value::List([].into()),
        (Cardinality::Map { .. }, _) => Value::Map([].into()),
        (_, Kind::Bool) => Value::Bool(false),
        (_, Kind::String) => Value::String("".into()),
        (_, Kind::Bytes) => Value::Bytes([].into()),
        (_, Kind::Enum(_)) => Value::Enum(0),
        (_, Kind::Float | Kind::Double) => Value::F64(0.0),
        (_, Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64) => Value::U64(0),
        (_, Kind::Message(_)) => return None,
        _ => Value::I64(0),
    })
}

/// Texts are overwritten and messages are looked into; all else that is sensitive is taken out.
fn outlives_redaction(kind: Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

fn is_shown_redacted(json: &Json) -> bool {
    matches!(json, Json::String(_) | Json::List(_) | Json::Object(_))
}

/// The kind of the value inside of a wrapper.
fn wrapped(kind: Kind) -> Kind {
    match kind {
        Kind::Message(message) => message.field("value").map_or(kind, |field| field.kind()),
        other => other,
    }
}

fn integer<T: std::fmt::Display>(out: &mut String, kind: Kind, value: T) -> std::fmt::Result {
    match kind {
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
            write!(out, "\"{value}\"")
        }
        _ => write!(out, "{value}"),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the field is a float, so nothing is lost"
)]
fn float(kind: Kind, value: f64) -> String {
    match kind {
        Kind::Float => {
            let narrow = value as f32;
            let shown: f64 = format!("{narrow}").parse().unwrap_or(value);
            numbers::float(shown, format!("{narrow:e}"), 6)
        }
        _ => numbers::float(value, format!("{value:e}"), 15),
    }
}

fn enum_value(out: &mut String, kind: Kind, number: i32) -> std::fmt::Result {
    let name = match kind {
        Kind::Enum(enumeration) if enumeration.full_name() == "google.protobuf.NullValue" => {
            return write!(out, "null");
        }
        Kind::Enum(enumeration) => enumeration.by_number(number).map(|value| value.name()),
        _ => None,
    };
    match name {
        Some(name) => write!(out, "\"{name}\""),
        None => write!(out, "{number}"),
    }
}

fn lower_camel(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut upper = false;
    for character in path.chars() {
        match character {
            '_' => upper = true,
            _ => {
                out.push(if upper {
                    character.to_ascii_uppercase()
                } else {
                    character
                });
                upper = false;
            }
        }
    }
    out
}
