//! The values that a field may hold.

use std::sync::Arc;

use crate::span::Span;
use crate::tree::{Json, Message};

/// The longest duration that Envoy reckons with, 292 years; bytes could say more.
pub const LONGEST_DURATION_SECONDS: u64 = 9_223_372_035;
/// What the nanoseconds of a duration are less than.
pub const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// The value of a field; at most 24 bytes.
#[derive(Clone, Debug)]
pub enum Value {
    /// `bool` or `BoolValue`.
    Bool(bool),
    /// Every signed whole number and its wrapper.
    I64(i64),
    /// Every unsigned whole number and its wrapper.
    U64(u64),
    /// `float`, `double` and their wrappers.
    F64(f64),
    /// `string` or `StringValue`.
    String(Box<str>),
    /// `bytes` or `BytesValue`.
    Bytes(Box<[u8]>),
    /// The number of an enum value.
    Enum(i32),
    /// `google.protobuf.Duration`: seconds and nanoseconds of the same sign.
    Duration(i64, i32),
    /// `google.protobuf.Timestamp`: seconds since 1970 and nanoseconds.
    Timestamp(i64, i32),
    /// Any other message.
    Message(Arc<Message>),
    /// A repeated field.
    List(Box<[Item]>),
    /// A map in the order of the text.
    Map(Box<[MapItem]>),
    /// `google.protobuf.Any`.
    Any(Arc<Any>),
    /// `google.protobuf.Struct`, `Value` or `ListValue`.
    Json(Arc<Json>),
    /// Something is written here that was refused and reported. Only in the tree of a refused load, so
    /// that what follows does not take the field for missing.
    Refused,
}

/// One value of a repeated field.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// One entry of a map field.
#[derive(Clone, Debug)]
pub struct MapItem {
    /// The key; numbers and booleans are written out.
    pub key: Box<str>,
    /// Where the key stands.
    pub key_span: Span,
    /// Where the value stands.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// An `Any` opened.
#[derive(Clone, Debug)]
pub struct Any {
    /// The type URL as written; for a `TypedStruct` that of the type inside. Empty when nothing is set. Of a
    /// misspelt type that of the type meant.
    pub type_url: Box<str>,
    /// The message inside. A well-known type that is no message here (`Struct`, a wrapper, `Duration`)
    /// is a message with that one value as field 1.
    pub message: Arc<Message>,
    /// The type URL of the `TypedStruct` that the message was written as, if it was.
    pub typed_struct: Option<Box<str>>,
}

impl Any {
    /// The name of the message: the type URL after its last slash.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or("")
    }
}

impl Value {
    /// What the value is, in words for a message.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Bool(_) => "a boolean",
            Value::I64(_) | Value::U64(_) | Value::F64(_) => "a number",
            Value::String(_) => "a string",
            Value::Bytes(_) => "bytes",
            Value::Enum(_) => "an enum value",
            Value::Duration(..) => "a duration",
            Value::Timestamp(..) => "a timestamp",
            Value::Message(_) | Value::Any(_) => "a message",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Json(_) => "a structure",
            Value::Refused => "a value that was refused",
        }
    }

    /// Whether this is what protobuf takes a field without presence to be when nothing is written.
    pub fn is_default(&self) -> bool {
        match self {
            Value::Bool(value) => !value,
            Value::I64(value) => *value == 0,
            Value::U64(value) => *value == 0,
            Value::F64(value) => value.to_bits() == 0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Enum(number) => *number == 0,
            Value::List(items) => items.is_empty(),
            Value::Map(items) => items.is_empty(),
            _ => false,
        }
    }

    /// The text when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The message when this is one.
    pub fn as_message(&self) -> Option<&Arc<Message>> {
        match self {
            Value::Message(message) => Some(message),
            _ => None,
        }
    }

    /// The items when this is a repeated field.
    pub fn as_list(&self) -> Option<&[Item]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}
