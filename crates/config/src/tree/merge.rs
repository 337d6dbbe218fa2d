//! Merging one message over another, as protobuf's `MergeFrom`: scalars are replaced, repeated fields
//! are appended, maps are joined by key, messages are merged in turn, and a member of a oneof replaces
//! the one that was set.

use std::sync::Arc;

use crate::tree::{Entry, Message, Value};

/// Merges `over` into `base`, both of one type.
pub fn merge(base: &mut Message, over: &Message) {
    for entry in over.entries() {
        if entry.is_implicit_default() {
            continue;
        }
        clear_oneof(base, entry.number);
        match base.remove(entry.number) {
            Some(old) => {
                let merged = merge_value(old.value, &entry.value);
                base.set(Entry {
                    value: merged,
                    ..entry.clone()
                });
            }
            None => base.set(entry.clone()),
        }
    }
}

fn clear_oneof(base: &mut Message, number: u32) {
    let descriptor = base.descriptor;
    let Some(oneof) = descriptor
        .field_by_number(number)
        .and_then(|field| field.oneof())
    else {
        return;
    };
    let others: Vec<u32> = oneof
        .fields()
        .map(|field| field.number())
        .filter(|other| *other != number)
        .collect();
    for other in others {
        base.remove(other);
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
            let mut items = old.into_vec();
            items.retain(|item| over.iter().all(|new| new.key != item.key));
            items.extend_from_slice(over);
            Value::Map(items.into())
        }
        (_, over) => over.clone(),
    }
}
