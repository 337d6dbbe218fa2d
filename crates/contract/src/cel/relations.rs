//! What is equal, less, and a member of something. Numbers of all types compare by their values; values of different
//! types are not equal, and have no order.

use std::cmp::Ordering;

use super::evaluate::{Evaluated, Failed};
use super::value::{List, Map, Message, Value};

/// Whether two values are equal.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            let mut pairs = left.values().zip(right.values());
            left.len() == right.len() && pairs.all(|(left, right)| equal(&left, &right))
        }
        (Value::Map(left), Value::Map(right)) => equal_maps(left, right),
        (Value::Message(Message::Metadata(left)), Value::Message(Message::Metadata(right))) => {
            left.cloned().unwrap_or_default() == right.cloned().unwrap_or_default()
        }
        (Value::Message(Message::Locality(left)), Value::Message(Message::Locality(right))) => {
            left == right
        }
        _ => numbers(left, right) == Some(Ordering::Equal),
    }
}

fn equal_maps(left: &Map<'_>, right: &Map<'_>) -> bool {
    if let (Map::Root(left), Map::Root(right)) = (left, right) {
        return left == right;
    }
    let (Some(left), Some(right)) = (left.entries(), right.entries()) else {
        return false;
    };
    let has = |key: &Value<'_>, value: &Value<'_>| {
        let found = right.iter().find(|(other, _)| equal(other, key));
        found.is_some_and(|(_, other)| equal(other, value))
    };
    left.len() == right.len() && left.iter().all(|(key, value)| has(key, value))
}

/// The order of two values, if they have one.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Evaluated<Option<Ordering>> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => numbers(left, right),
        _ => return Err(Failed),
    })
}

/// The order of two numbers; none if one is no number.
fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    let double = |value: &Value<'_>| match value {
        Value::Double(number) => Some(*number),
        other => whole(other).map(|number| number as f64),
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => double(left)?.partial_cmp(&double(right)?),
    }
}

/// `value in container`.
pub(super) fn is_in(value: &Value<'_>, container: &Value<'_>) -> Evaluated<bool> {
    match container {
        Value::List(list) => Ok(list.values().any(|one| equal(&one, value))),
        Value::Map(Map::Made(entries)) => {
            check_key(value)?;
            Ok(entries.iter().any(|(key, _)| equal(key, value)))
        }
        _ => Err(Failed),
    }
}

/// Whether a value can be asked for as a key.
pub(super) fn check_key(key: &Value<'_>) -> Evaluated<()> {
    match key {
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_) => {
            Ok(())
        }
        _ => Err(Failed),
    }
}

/// The value at a place of a list.
pub(super) fn at<'a>(list: &List<'a>, place: &Value<'_>) -> Evaluated<Value<'a>> {
    let place = match place {
        Value::Int(number) => usize::try_from(*number).ok(),
        Value::Uint(number) => usize::try_from(*number).ok(),
        Value::Double(number) if number.fract() == 0.0 && (0.0..1e9).contains(number) => {
            Some(*number as usize)
        }
        _ => None,
    };
    place.and_then(|place| list.get(place)).ok_or(Failed)
}
