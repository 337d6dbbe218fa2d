//! `+ - * / %`: of numbers of one type, times and, where that is allowed, texts. What does not fit its type fails.

use std::borrow::Cow;

use super::evaluate::{Evaluated, Failed};
use super::value::Value;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// Of texts too, if so.
    Add {
        joins: bool,
    },
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// What an operator makes of two values.
pub(super) fn compute<'a>(
    operator: Arithmetic,
    left: Value<'a>,
    right: Value<'a>,
) -> Evaluated<Value<'a>> {
    let made = match (left, right) {
        (Value::Int(left), Value::Int(right)) => ints(operator, left, right).map(Value::Int),
        (Value::Uint(left), Value::Uint(right)) => uints(operator, left, right).map(Value::Uint),
        (Value::Double(left), Value::Double(right)) => {
            doubles(operator, left, right).map(Value::Double)
        }
        (Value::String(left), Value::String(right)) => {
            join(operator, left, right).map(Value::String)
        }
        (Value::Bytes(left), Value::Bytes(right)) => join(operator, left, right).map(Value::Bytes),
        (left, right) => times(operator, &left, &right),
    };
    made.ok_or(Failed)
}

fn ints(operator: Arithmetic, left: i64, right: i64) -> Option<i64> {
    match operator {
        Arithmetic::Add { .. } => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Modulo => left.checked_rem(right),
    }
}

fn uints(operator: Arithmetic, left: u64, right: u64) -> Option<u64> {
    match operator {
        Arithmetic::Add { .. } => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Modulo => left.checked_rem(right),
    }
}

fn doubles(operator: Arithmetic, left: f64, right: f64) -> Option<f64> {
    match operator {
        Arithmetic::Add { .. } => Some(left + right),
        Arithmetic::Subtract => Some(left - right),
        Arithmetic::Multiply => Some(left * right),
        Arithmetic::Divide => Some(left / right),
        Arithmetic::Modulo => None,
    }
}

fn join<'a>(
    operator: Arithmetic,
    left: Cow<'a, [u8]>,
    right: Cow<'a, [u8]>,
) -> Option<Cow<'a, [u8]>> {
    if operator != (Arithmetic::Add { joins: true }) {
        return None;
    }
    let mut joined = left.into_owned();
    joined.extend_from_slice(&right);
    Some(Cow::Owned(joined))
}

fn times<'a>(operator: Arithmetic, left: &Value<'_>, right: &Value<'_>) -> Option<Value<'a>> {
    match (operator, left, right) {
        (Arithmetic::Add { .. }, Value::Duration(left), Value::Duration(right)) => {
            left.checked_add(*right).map(Value::Duration)
        }
        (Arithmetic::Add { .. }, Value::Timestamp(time), Value::Duration(by))
        | (Arithmetic::Add { .. }, Value::Duration(by), Value::Timestamp(time)) => {
            time.checked_add(*by).map(Value::Timestamp)
        }
        (Arithmetic::Subtract, Value::Duration(left), Value::Duration(right))
        | (Arithmetic::Subtract, Value::Timestamp(left), Value::Timestamp(right)) => {
            left.checked_sub(*right).map(Value::Duration)
        }
        (Arithmetic::Subtract, Value::Timestamp(time), Value::Duration(by)) => {
            time.checked_sub(*by).map(Value::Timestamp)
        }
        _ => None,
    }
}
