//! The types of fields, and the messages that JSON has another form for.

use super::{EnumId, MessageId};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are protobuf's own")]
pub enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    /// A group; nobody reads or writes them.
    Group,
    Message(MessageId),
    Enum(EnumId),
}

impl Kind {
    /// The kind of a scalar by its number in `FieldDescriptorProto.Type`.
    pub(super) fn of_scalar(number: u64) -> Option<Self> {
        Some(match number {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            10 => Kind::Group,
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            _ => return None,
        })
    }

    /// How a value lies on the wire.
    pub fn wire_type(self) -> u8 {
        match self {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::String | Kind::Bytes | Kind::Message(_) => 2,
            Kind::Group => 3,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            Kind::Int64
            | Kind::Uint64
            | Kind::Int32
            | Kind::Bool
            | Kind::Uint32
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Enum(_) => 0,
        }
    }

    /// The name in words of errors.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Double => "TYPE_DOUBLE",
            Kind::Float => "TYPE_FLOAT",
            Kind::Int64 => "TYPE_INT64",
            Kind::Uint64 => "TYPE_UINT64",
            Kind::Int32 => "TYPE_INT32",
            Kind::Fixed64 => "TYPE_FIXED64",
            Kind::Fixed32 => "TYPE_FIXED32",
            Kind::Bool => "TYPE_BOOL",
            Kind::String => "TYPE_STRING",
            Kind::Group => "TYPE_GROUP",
            Kind::Message(_) => "TYPE_MESSAGE",
            Kind::Bytes => "TYPE_BYTES",
            Kind::Uint32 => "TYPE_UINT32",
            Kind::Enum(_) => "TYPE_ENUM",
            Kind::Sfixed32 => "TYPE_SFIXED32",
            Kind::Sfixed64 => "TYPE_SFIXED64",
            Kind::Sint32 => "TYPE_SINT32",
            Kind::Sint64 => "TYPE_SINT64",
        }
    }
}

/// What a message is to the mapping of JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Special {
    /// An object with its fields.
    #[default]
    None,
    /// A message with `@type` in it.
    Any,
    /// A text such as `1.5s`.
    Duration,
    /// A text such as `1970-01-01T00:00:00Z`.
    Timestamp,
    /// A text of paths.
    FieldMask,
    /// An object of anything.
    Struct,
    /// Anything.
    Value,
    /// A list of anything.
    ListValue,
    /// A scalar that may be missing.
    Wrapper,
}

impl Special {
    /// By the full name of the message.
    pub(super) fn of(name: &str) -> Self {
        match name.strip_prefix("google.protobuf.") {
            Some("Any") => Special::Any,
            Some("Duration") => Special::Duration,
            Some("Timestamp") => Special::Timestamp,
            Some("FieldMask") => Special::FieldMask,
            Some("Struct") => Special::Struct,
            Some("Value") => Special::Value,
            Some("ListValue") => Special::ListValue,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
                | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue",
            ) => Special::Wrapper,
            _ => Special::None,
        }
    }
}
