//! Looking around in messages of the configuration.

use std::sync::Arc;

use nuncio_config::tree::{Message, Value};

pub(super) const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The outermost messages of a type in a message, in their order.
pub(super) fn find_all(message: &Message, name: &str) -> Vec<Arc<Message>> {
    let mut found = Vec::new();
    for entry in message.entries() {
        collect(&entry.value, name, &mut found);
    }
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<Arc<Message>>) {
    let mut one = |message: &Arc<Message>| {
        if message.name() == name {
            found.push(Arc::clone(message));
        } else {
            let entries = message.entries().iter();
            entries.for_each(|entry| collect(&entry.value, name, found));
        }
    };
    match value {
        Value::Message(message) => one(message),
        Value::Any(any) => one(&any.message),
        Value::List(items) => items
            .iter()
            .for_each(|item| collect(&item.value, name, found)),
        _ => {}
    }
}

/// The text at a path; empty if there is none.
pub(super) fn text<'a>(message: &'a Message, path: &[&str]) -> &'a str {
    message
        .find(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The messages of a list.
pub(super) fn messages<'a>(
    message: &'a Message,
    path: &[&str],
) -> impl Iterator<Item = &'a Arc<Message>> {
    let items = message.find(path).and_then(Value::as_list);
    let items = items.unwrap_or_default().iter();
    items.filter_map(|item| item.value.as_message())
}

/// The texts of a list.
pub(super) fn texts<'a>(message: &'a Message, path: &[&str]) -> impl Iterator<Item = &'a str> {
    let items = message.find(path).and_then(Value::as_list);
    let items = items.unwrap_or_default().iter();
    items.filter_map(|item| item.value.as_str())
}
