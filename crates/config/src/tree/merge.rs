//! Merging one message over another, as protobuf's `MergeFrom`: scalars are replaced, repeated fields
//! are appended, maps and structures are joined by key, messages are merged in turn, and a member of a
//! oneof replaces the one that was set.
//!
//! protobuf cannot see a default inside of a message, so a wrapper's or duration's zero part changes
//! nothing: `5s` over `0.25s` is `5.25s`, in Envoy as here.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_api::Kind;

use crate::tree::{Entry, Json, Message, Value};

/// Merges `over` into `base`, both of one type.
pub fn merge(base: &mut Message, over: &Message) {
    for entry in over.entries() {
        if entry.is_implicit_default() {
            continue;
        }
        clear_oneof(base, entry.number);
        let wrapper = base
            .descriptor
            .field_by_number(entry.number)
            .is_some_and(|field| matches!(field.kind(), Kind::Message(_)));
        match base.remove(entry.number) {
            Some(old) if wrapper && entry.value.is_default() => base.set(old),
            Some(old) => {
                let value = merge_value(old.value, &entry.value);
                base.set(Entry {
                    value,
                    ..entry.clone()
                });
            }
            None => base.set(entry.clone()),
        }
    }
}

fn clear_oneof(base: &mut Message, number: u32) {
    let field = base.descriptor.field_by_number(number);
    let Some(oneof) = field.and_then(|field| field.oneof()) else {
        return;
    };
    for other in oneof.fields().filter(|other| other.number() != number) {
        base.remove(other.number());
    }
}

fn merge_value(old: Value, over: &Value) -> Value {
    match (old, over) {
        (Value::Message(mut old), Value::Message(over)) => {
            merge(Arc::make_mut(&mut old), over);
            Value::Message(old)
        }
        (Value::List(old), Value::List(over)) => {
            let mut items = old.into_vec();
            items.extend_from_slice(over);
            Value::List(items.into())
        }
        (Value::Map(old), Value::Map(over)) => {
            let new: HashSet<&str> = over.iter().map(|item| &*item.key).collect();
            let mut items = old.into_vec();
            items.retain(|item| !new.contains(&*item.key));
            items.extend_from_slice(over);
            Value::Map(items.into())
        }
        (Value::Duration(seconds, nanos), Value::Duration(new_seconds, new_nanos)) => {
            let (seconds, nanos) = merge_time((seconds, nanos), (*new_seconds, *new_nanos));
            Value::Duration(seconds, nanos)
        }
        (Value::Timestamp(seconds, nanos), Value::Timestamp(new_seconds, new_nanos)) => {
            let (seconds, nanos) = merge_time((seconds, nanos), (*new_seconds, *new_nanos));
            Value::Timestamp(seconds, nanos)
        }
        (Value::Json(mut old), Value::Json(over)) => {
            merge_json(Arc::make_mut(&mut old), over);
            Value::Json(old)
        }
        (_, over) => over.clone(),
    }
}

fn merge_time(old: (i64, i32), over: (i64, i32)) -> (i64, i32) {
    let seconds = if over.0 == 0 { old.0 } else { over.0 };
    let nanos = if over.1 == 0 { old.1 } else { over.1 };
    (seconds, nanos)
}

fn merge_json(old: &mut Json, over: &Json) {
    match (old, over) {
        (Json::Object(old), Json::Object(over)) => {
            let new: HashSet<&str> = over.iter().map(|(key, _)| &**key).collect();
            old.retain(|(key, _)| !new.contains(&**key));
            old.extend_from_slice(over);
        }
        (Json::List(old), Json::List(over)) => old.extend_from_slice(over),
        (old, over) => *old = over.clone(),
    }
}
