//! Well-known types, which have shapes of their own in the tree.

use std::sync::Arc;

use nuncio_api as api;

use super::message::{self, value};
use super::reader::{Reader, Wire};
use super::{Broken, Unknown};
use crate::diagnostic::Diagnostics;
use crate::interpret::{TYPED_STRUCTS, default_value, interpret, wrapped};
use crate::span::Span;
use crate::text::{Entry as TextEntry, Kind as NodeKind, Node};
use crate::tree::{Any, Entry, Json, Message, Value};

/// A message in the shape that its type has in the tree.
pub(super) fn message(
    descriptor: api::Message,
    bytes: &[u8],
    depth: usize,
    unknown: &mut Unknown<'_>,
) -> Result<Value, Broken> {
    let name = descriptor.full_name();
    let Some(short) = name.strip_prefix("google.protobuf.") else {
        return message::decode(descriptor, bytes, depth, unknown)
            .map(|message| Value::Message(Arc::new(message)));
    };
    match short {
        "Any" => return any(bytes, depth, unknown),
        "Struct" | "Value" | "ListValue" => {
            return json(short, bytes, depth).map(|json| Value::Json(Arc::new(json)));
        }
        _ => {}
    }
    let mut plain = message::decode(descriptor, bytes, depth, unknown)?;
    let mut whole = |number: u32| match plain.remove(number).map(|entry| entry.value) {
        Some(Value::I64(value)) => value,
        _ => 0,
    };
    match short {
        "Duration" => Ok(Value::Duration(
            whole(1),
            i32::try_from(whole(2)).unwrap_or(0),
        )),
        "Timestamp" => Ok(Value::Timestamp(
            whole(1),
            i32::try_from(whole(2)).unwrap_or(0),
        )),
        _ => Ok(match wrapped(name) {
            Some(kind) => {
                let inner = plain.remove(1).map(|entry| entry.value);
                inner.unwrap_or_else(|| default_value(kind, Span::NONE))
            }
            None => Value::Message(Arc::new(plain)),
        }),
    }
}

fn any(bytes: &[u8], depth: usize, unknown: &mut Unknown<'_>) -> Result<Value, Broken> {
    let (mut type_url, mut packed) = (String::new(), &[][..]);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => type_url = String::from_utf8_lossy(bytes).into_owned(),
            (2, Wire::Bytes(bytes)) => packed = bytes,
            _ => return Err(Broken::Format("an `Any` has two parts")),
        }
    }
    let name = type_url.rsplit('/').next().unwrap_or("");
    if matches!(unknown, Unknown::Told(..)) && !type_url.is_empty() && api::message(name).is_none()
    {
        return unopened(type_url);
    }
    open(&type_url, packed, depth, &mut unknown.apart())
}

/// An `Any` of a type that nobody knows, which is wrong only where somebody wants what is in it.
fn unopened(type_url: String) -> Result<Value, Broken> {
    let Some(nothing) = api::message("google.protobuf.Any") else {
        return Err(Broken::UnknownType(type_url));
    };
    Ok(Value::Any(Arc::new(Any {
        type_url: type_url.into(),
        message: Arc::new(Message::new(nothing, Span::NONE)),
        typed_struct: None,
    })))
}

/// The message that an `Any` has inside.
pub(super) fn open(
    type_url: &str,
    packed: &[u8],
    depth: usize,
    unknown: &mut Unknown<'_>,
) -> Result<Value, Broken> {
    let name = type_url.rsplit('/').next().unwrap_or("");
    let known = if type_url.is_empty() {
        "google.protobuf.Any"
    } else {
        name
    };
    let descriptor = api::message(known).ok_or_else(|| Broken::UnknownType(type_url.to_owned()))?;
    if type_url.is_empty() {
        let message = Arc::new(Message::new(descriptor, Span::NONE));
        return Ok(Value::Any(Arc::new(Any {
            type_url: "".into(),
            message,
            typed_struct: None,
        })));
    }
    let depth = depth
        .checked_sub(1)
        .ok_or(Broken::Format("messages are nested too deep"))?;
    let message = match message(descriptor, packed, depth, unknown)? {
        Value::Message(message) => message,
        inner => {
            let entry = Entry::new(1, Span::NONE, Span::NONE, inner);
            Arc::new(Message::with_entries(descriptor, Span::NONE, vec![entry]))
        }
    };
    let any = Any {
        type_url: type_url.into(),
        message,
        typed_struct: None,
    };
    Ok(Value::Any(Arc::new(opened(any)?)))
}

/// A `TypedStruct` as the type that it names, if that is known.
fn opened(any: Any) -> Result<Any, Broken> {
    if !TYPED_STRUCTS.contains(&any.message.name()) {
        return Ok(any);
    }
    let inner_url = any
        .message
        .get_by_name("type_url")
        .and_then(|entry| entry.value.as_str());
    let inner = inner_url
        .and_then(|url| url.rsplit('/').next())
        .and_then(api::message);
    let value = any.message.get_by_name("value").map(|entry| &entry.value);
    let (Some(url), Some(inner), Some(Value::Json(json))) = (inner_url, inner, value) else {
        return Ok(any);
    };
    let mut diagnostics = Diagnostics::default();
    let message = interpret(inner, &node(json), &mut diagnostics);
    match message {
        Some(message) if !diagnostics.has_errors() => Ok(Any {
            type_url: url.into(),
            message: Arc::new(message),
            typed_struct: Some(any.type_url),
        }),
        _ => Err(Broken::TypedStruct(diagnostics.iter().cloned().collect())),
    }
}

fn json(name: &str, bytes: &[u8], depth: usize) -> Result<Json, Broken> {
    let depth = depth
        .checked_sub(1)
        .ok_or(Broken::Format("messages are nested too deep"))?;
    let mut reader = Reader::new(bytes);
    let mut members = Vec::new();
    let mut items = Vec::new();
    let mut single = Json::Null;
    while let Some((number, wire)) = reader.next()? {
        match (name, number, wire) {
            ("Struct", 1, Wire::Bytes(bytes)) => members.push(member(bytes, depth)?),
            ("ListValue", 1, Wire::Bytes(bytes)) => items.push(json("Value", bytes, depth)?),
            ("Value", 1, Wire::Number(_)) => single = Json::Null,
            ("Value", 2, Wire::Number(bits)) => single = Json::Number(f64::from_bits(bits)),
            ("Value", 3, Wire::Bytes(_)) => single = Json::String(text(wire)?),
            ("Value", 4, Wire::Number(bits)) => single = Json::Bool(bits != 0),
            ("Value", 5, Wire::Bytes(bytes)) => single = json("Struct", bytes, depth)?,
            ("Value", 6, Wire::Bytes(bytes)) => single = json("ListValue", bytes, depth)?,
            _ => return Err(Broken::Format("a structure has an unknown part")),
        }
    }
    Ok(match name {
        "Struct" => Json::Object(members),
        "ListValue" => Json::List(items),
        _ => single,
    })
}

fn text(wire: Wire<'_>) -> Result<Box<str>, Broken> {
    match value(api::Kind::String, wire, 0, &mut Unknown::Refused)? {
        Value::String(text) => Ok(text),
        _ => Ok(Box::default()),
    }
}

fn member(bytes: &[u8], depth: usize) -> Result<(Box<str>, Json), Broken> {
    let (mut key, mut found) = (Box::<str>::default(), Json::Null);
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into(),
            (2, Wire::Bytes(bytes)) => found = json("Value", bytes, depth)?,
            _ => return Err(Broken::Format("a map's entry has a third part")),
        }
    }
    Ok((key, found))
}

/// A structure as the text layer would have read it.
fn node(json: &Json) -> Node {
    let kind = match json {
        Json::Null => NodeKind::Null,
        Json::Bool(value) => NodeKind::Bool(*value),
        Json::Number(value) => NodeKind::Float(*value),
        Json::String(text) => NodeKind::Str(text.clone()),
        Json::List(items) => NodeKind::List(items.iter().map(node).collect()),
        Json::Object(members) => {
            let entry = |(key, value): &(Box<str>, Json)| TextEntry {
                key: key.clone(),
                key_span: Span::NONE,
                value: node(value),
            };
            NodeKind::Map(members.iter().map(entry).collect())
        }
    };
    Node::new(Span::NONE, kind)
}
