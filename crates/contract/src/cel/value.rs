//! Values of CEL. Texts and structures are borrowed from the stream wherever they are there as they are.

use std::borrow::Cow;
use std::rc::Rc;

use super::attributes::Root;
use crate::headers::HeaderMap;
use crate::stream_info::metadata::{self, Metadata, Struct};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Bytes, as headers may be no UTF-8.
    String(Cow<'a, [u8]>),
    Bytes(Cow<'a, [u8]>),
    /// In nanoseconds.
    Duration(i128),
    /// In nanoseconds since 1970.
    Timestamp(i128),
    List(List<'a>),
    Map(Map<'a>),
    Type(Type),
    Message(Message<'a>),
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    Made(Rc<[Value<'a>]>),
    Metadata(&'a [metadata::Value]),
}

/// A map.
#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    Made(Rc<[(Value<'a>, Value<'a>)]>),
    /// Attributes of one kind, which cannot be listed.
    Root(Root),
    /// None are there yet, or never.
    Headers(Option<&'a HeaderMap>),
    Struct(&'a Struct),
    /// Structs by namespace.
    Namespaces(Option<&'a Metadata>),
    /// A message's map without anything in it.
    Empty,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// `envoy.config.core.v3.Metadata`.
    Metadata(Option<&'a Metadata>),
    /// `envoy.config.core.v3.Locality`: region, zone and part of the zone.
    Locality(&'a [Box<str>; 3]),
}

/// The fields of a locality.
pub(crate) const LOCALITY: [&str; 3] = ["region", "zone", "sub_zone"];

/// A type as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List,
    Map,
    OfTypes,
    Metadata,
    Locality,
}

impl<'a> Value<'a> {
    /// A text.
    pub(super) fn text(text: &'a str) -> Self {
        Value::String(Cow::Borrowed(text.as_bytes()))
    }

    /// A text that was made.
    pub(super) fn made(text: impl Into<Vec<u8>>) -> Self {
        Value::String(Cow::Owned(text.into()))
    }

    /// A value of metadata.
    pub(super) fn of_metadata(value: &'a metadata::Value) -> Self {
        match value {
            metadata::Value::Null => Value::Null,
            metadata::Value::Number(number) => Value::Double(*number),
            metadata::Value::String(text) => Value::text(text),
            metadata::Value::Bool(bool) => Value::Bool(*bool),
            metadata::Value::Struct(fields) => Value::Map(Map::Struct(fields)),
            metadata::Value::List(values) => Value::List(List::Metadata(values)),
        }
    }

    /// Its type.
    pub(super) fn type_of(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Uint(_) => Type::Uint,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Duration(_) => Type::Duration,
            Value::Timestamp(_) => Type::Timestamp,
            Value::List(_) => Type::List,
            Value::Map(_) => Type::Map,
            Value::Type(_) => Type::OfTypes,
            Value::Message(Message::Metadata(_)) => Type::Metadata,
            Value::Message(Message::Locality(_)) => Type::Locality,
        }
    }
}

impl Type {
    /// The type of this name, as identifiers spell it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null_type" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "list" => Type::List,
            "map" => Type::Map,
            "type" => Type::OfTypes,
            _ => return None,
        })
    }
}

impl<'a> List<'a> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Made(values) => values.len(),
            List::Metadata(values) => values.len(),
        }
    }

    /// The value at a place.
    pub(crate) fn get(&self, at: usize) -> Option<Value<'a>> {
        match self {
            List::Made(values) => values.get(at).cloned(),
            List::Metadata(values) => values.get(at).map(Value::of_metadata),
        }
    }

    /// All of them.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'a>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'a> Map<'a> {
    /// How many keys there are; attributes say 0.
    pub(super) fn len(&self) -> usize {
        match self {
            Map::Made(entries) => entries.len(),
            Map::Headers(Some(headers)) => header_names(headers).len(),
            Map::Struct(fields) => fields.fields().len(),
            Map::Namespaces(Some(metadata)) => metadata.namespaces().count(),
            Map::Root(_) | Map::Headers(None) | Map::Namespaces(None) | Map::Empty => 0,
        }
    }

    /// The keys and values, none for attributes, which cannot be listed.
    pub(crate) fn entries(&self) -> Option<Vec<(Value<'a>, Value<'a>)>> {
        Some(match self {
            Map::Root(_) => return None,
            Map::Made(entries) => entries.to_vec(),
            Map::Headers(None) | Map::Namespaces(None) | Map::Empty => Vec::new(),
            Map::Headers(Some(headers)) => {
                let of = |name: &'a [u8]| {
                    let value = super::attributes::header(headers, name)?;
                    Some((Value::String(Cow::Borrowed(name)), value))
                };
                header_names(headers).into_iter().filter_map(of).collect()
            }
            Map::Struct(fields) => fields
                .fields()
                .map(|(name, value)| (Value::text(name), Value::of_metadata(value)))
                .collect(),
            Map::Namespaces(Some(metadata)) => metadata
                .namespaces()
                .map(|(name, fields)| (Value::text(name), Value::Map(Map::Struct(fields))))
                .collect(),
        })
    }
}

/// Each name once, sorted.
fn header_names(headers: &HeaderMap) -> Vec<&[u8]> {
    let mut names: Vec<_> = headers.iter().map(|header| header.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
