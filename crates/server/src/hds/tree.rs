//! Messages made of fields by name.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::tree::{Entry, Item, Message, Value};

/// A message with these fields; those that the API does not have are left out.
pub(super) fn message(name: &str, fields: Vec<(&str, Value)>) -> Option<Message> {
    let descriptor = nuncio_api::message(name)?;
    let entry = |(name, value)| {
        let number = descriptor.field(name)?.number();
        Some(Entry::new(number, Span::NONE, Span::NONE, value))
    };
    let entries = fields.into_iter().filter_map(entry).collect();
    Some(Message::with_entries(descriptor, Span::NONE, entries))
}

/// The same as a value.
pub(super) fn value(name: &str, fields: Vec<(&str, Value)>) -> Option<Value> {
    Some(Value::Message(Arc::new(message(name, fields)?)))
}

/// A list.
pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Value {
    let item = |value| Item {
        span: Span::NONE,
        value,
    };
    Value::List(values.into_iter().map(item).collect())
}

/// A text.
pub(super) fn text(text: &str) -> Value {
    Value::String(text.into())
}
