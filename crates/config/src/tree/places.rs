//! A message without places: for what outlives the text that it stood in.

use std::sync::Arc;

use crate::span::Span;
use crate::tree::{Any, Entry, Item, MapItem, Message, Value};

/// The same message, which stands nowhere any more.
#[must_use]
pub fn without_places(message: &Message) -> Message {
    let entries = message.entries().iter().map(|entry| {
        let value = displaced(&entry.value);
        let entry_of_none = Entry::new(entry.number, Span::NONE, Span::NONE, value);
        match entry.is_implicit_default() {
            true => entry_of_none.mark_implicit_default(),
            false => entry_of_none,
        }
    });
    Message::with_entries(message.descriptor, Span::NONE, entries.collect())
}

fn displaced(value: &Value) -> Value {
    match value {
        Value::Message(message) => Value::Message(Arc::new(without_places(message))),
        Value::List(items) => Value::List(items.iter().map(item).collect()),
        Value::Map(items) => Value::Map(items.iter().map(map_item).collect()),
        Value::Any(any) => Value::Any(Arc::new(Any {
            message: Arc::new(without_places(&any.message)),
            ..(**any).clone()
        })),
        other => other.clone(),
    }
}

fn item(item: &Item) -> Item {
    Item {
        span: Span::NONE,
        value: displaced(&item.value),
    }
}

fn map_item(item: &MapItem) -> MapItem {
    MapItem {
        key: item.key.clone(),
        key_span: Span::NONE,
        span: Span::NONE,
        value: displaced(&item.value),
    }
}
