//! The functions of CEL that Envoy has, by their names, and what each makes of its arguments.

use std::borrow::Cow;

use super::arithmetic::{Arithmetic, compute};
use super::evaluate::{Evaluated, Failed};
use super::options::Options;
use super::pattern::Pattern;
use super::relations::{at, check_key, equal, is_in, order};
use super::time::{Part, json_duration, json_timestamp, parse_duration, parse_timestamp};
use super::value::{Map, Value};

/// A function or operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Not,
    Negate,
    Arithmetic(Arithmetic),
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Index,
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    /// `re.extract`.
    Extract,
    /// `re.capture`.
    Capture,
    /// `re.captureN`.
    CaptureAll,
    ToInt,
    ToUint,
    ToDouble,
    ToBytes,
    ToBool,
    ToString,
    ToTimestamp,
    ToDuration,
    TypeOf,
    Dyn,
    TimePart(Part),
    Replace,
    Split,
    LowerAscii,
    UpperAscii,
}

impl Function {
    /// The function of this name for so many arguments, its target among them.
    pub(super) fn named(
        name: &str,
        count: usize,
        has_target: bool,
        options: Options,
    ) -> Option<Self> {
        if !has_target && let Some(operator) = Self::operator(name, options) {
            return Some(operator);
        }
        Some(match (name, count, has_target) {
            ("size", 1, _) => Function::Size,
            ("contains", 2, _) => Function::Contains,
            ("startsWith", 2, _) => Function::StartsWith,
            ("endsWith", 2, _) => Function::EndsWith,
            ("matches", 2, _) => Function::Matches,
            ("int", 1, false) => Function::ToInt,
            ("uint", 1, false) => Function::ToUint,
            ("double", 1, false) => Function::ToDouble,
            ("bytes", 1, false) => Function::ToBytes,
            ("bool", 1, false) => Function::ToBool,
            ("string", 1, false) if options.string_conversion => Function::ToString,
            ("timestamp", 1, false) => Function::ToTimestamp,
            ("duration", 1, false) => Function::ToDuration,
            ("type", 1, false) => Function::TypeOf,
            ("dyn", 1, false) => Function::Dyn,
            ("re.extract", 3, false) => Function::Extract,
            ("re.capture", 2, false) => Function::Capture,
            ("re.captureN", 2, false) => Function::CaptureAll,
            (name, 1 | 2, true) if let Some(part) = Part::named(name) => Function::TimePart(part),
            (name, count, true) if options.string_functions => Self::of_texts(name, count)?,
            _ => return None,
        })
    }

    fn operator(name: &str, options: Options) -> Option<Self> {
        let joins = options.string_concat;
        Some(match name {
            "!_" => Function::Not,
            "-_" => Function::Negate,
            "_+_" => Function::Arithmetic(Arithmetic::Add { joins }),
            "_-_" => Function::Arithmetic(Arithmetic::Subtract),
            "_*_" => Function::Arithmetic(Arithmetic::Multiply),
            "_/_" => Function::Arithmetic(Arithmetic::Divide),
            "_%_" => Function::Arithmetic(Arithmetic::Modulo),
            "_==_" => Function::Equal,
            "_!=_" => Function::NotEqual,
            "_<_" => Function::Less,
            "_<=_" => Function::LessOrEqual,
            "_>_" => Function::Greater,
            "_>=_" => Function::GreaterOrEqual,
            "@in" | "_in_" | "in" => Function::In,
            "_[_]" => Function::Index,
            _ => return None,
        })
    }

    fn of_texts(name: &str, count: usize) -> Option<Self> {
        Some(match (name, count) {
            ("replace", 3 | 4) => Function::Replace,
            ("split", 2 | 3) => Function::Split,
            ("lowerAscii", 1) => Function::LowerAscii,
            ("upperAscii", 1) => Function::UpperAscii,
            _ => return None,
        })
    }

    /// What it makes of its arguments. `In`, `Index` and `Size` of attributes are answered before.
    pub(super) fn call<'a>(self, arguments: &[Value<'a>]) -> Evaluated<Value<'a>> {
        match arguments {
            [one] => self.of_one(one),
            [one, two] => self.of_two(one, two),
            more => self.of_more(more),
        }
    }

    fn of_one<'a>(self, value: &Value<'a>) -> Evaluated<Value<'a>> {
        match (self, value) {
            (Function::Not, Value::Bool(bool)) => Ok(Value::Bool(!bool)),
            (Function::Negate, Value::Int(number)) => {
                number.checked_neg().map(Value::Int).ok_or(Failed)
            }
            (Function::Negate, Value::Double(number)) => Ok(Value::Double(-number)),
            (Function::Size, value) => size(value),
            (Function::ToInt, value) => to_int(value).map(Value::Int).ok_or(Failed),
            (Function::ToUint, value) => to_uint(value).map(Value::Uint).ok_or(Failed),
            (Function::ToDouble, value) => to_double(value).map(Value::Double).ok_or(Failed),
            (Function::ToBytes, Value::String(text) | Value::Bytes(text)) => {
                Ok(Value::Bytes(text.clone()))
            }
            (Function::ToBool, Value::Bool(bool)) => Ok(Value::Bool(*bool)),
            (Function::ToBool, Value::String(text)) => match &**text {
                b"true" | b"True" | b"TRUE" | b"t" | b"1" => Ok(Value::Bool(true)),
                b"false" | b"False" | b"FALSE" | b"f" | b"0" => Ok(Value::Bool(false)),
                _ => Err(Failed),
            },
            (Function::ToString, value) => to_string(value).ok_or(Failed),
            (Function::ToTimestamp, Value::Timestamp(_))
            | (Function::ToDuration, Value::Duration(_)) => Ok(value.clone()),
            (Function::ToTimestamp, Value::Int(seconds)) => {
                Ok(Value::Timestamp(i128::from(*seconds) * 1_000_000_000))
            }
            (Function::ToTimestamp, Value::String(text)) => {
                parse_timestamp(text).map(Value::Timestamp).ok_or(Failed)
            }
            (Function::ToDuration, Value::String(text)) => {
                parse_duration(text).map(Value::Duration).ok_or(Failed)
            }
            (Function::TypeOf, value) => Ok(Value::Type(value.type_of())),
            (Function::Dyn, value) => Ok(value.clone()),
            (Function::TimePart(part), Value::Timestamp(ns)) => {
                part.of_timestamp(*ns, None).map(Value::Int).ok_or(Failed)
            }
            (Function::TimePart(part), Value::Duration(ns)) => {
                part.of_duration(*ns).map(Value::Int).ok_or(Failed)
            }
            (Function::LowerAscii, Value::String(text)) => {
                Ok(Value::made(text.to_ascii_lowercase()))
            }
            (Function::UpperAscii, Value::String(text)) => {
                Ok(Value::made(text.to_ascii_uppercase()))
            }
            _ => Err(Failed),
        }
    }

    fn of_two<'a>(self, one: &Value<'a>, two: &Value<'a>) -> Evaluated<Value<'a>> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let ordered = |wanted: &[std::cmp::Ordering]| {
            let order = order(one, two)?;
            Ok(Value::Bool(
                order.is_some_and(|order| wanted.contains(&order)),
            ))
        };
        match (self, one, two) {
            (Function::Arithmetic(operator), one, two) => {
                compute(operator, one.clone(), two.clone())
            }
            (Function::Equal, one, two) => Ok(Value::Bool(equal(one, two))),
            (Function::NotEqual, one, two) => Ok(Value::Bool(!equal(one, two))),
            (Function::Less, ..) => ordered(&[Less]),
            (Function::LessOrEqual, ..) => ordered(&[Less, Equal]),
            (Function::Greater, ..) => ordered(&[Greater]),
            (Function::GreaterOrEqual, ..) => ordered(&[Greater, Equal]),
            (Function::In, one, two) => is_in(one, two).map(Value::Bool),
            (Function::Index, Value::List(list), place) => at(list, place),
            (Function::Index, Value::Map(Map::Made(entries)), key) => {
                check_key(key)?;
                let found = entries.iter().find(|(known, _)| equal(known, key));
                found.map(|(_, value)| value.clone()).ok_or(Failed)
            }
            (Function::TimePart(part), Value::Timestamp(ns), Value::String(zone)) => {
                let number = part.of_timestamp(*ns, Some(zone));
                number.map(Value::Int).ok_or(Failed)
            }
            (function, Value::String(text), Value::String(other)) => {
                function.of_two_texts(text, other)
            }
            _ => Err(Failed),
        }
    }

    fn of_two_texts<'a>(self, text: &[u8], other: &[u8]) -> Evaluated<Value<'a>> {
        let is = match self {
            Function::Contains => memchr::memmem::find(text, other).is_some(),
            Function::StartsWith => text.starts_with(other),
            Function::EndsWith => text.ends_with(other),
            Function::Matches => Pattern::compile(other).map_err(|_| Failed)?.is_in(text),
            Function::Capture => {
                return Pattern::compile(other)
                    .map_err(|_| Failed)?
                    .capture(text)
                    .ok_or(Failed);
            }
            Function::CaptureAll => {
                let pattern = Pattern::compile(other).map_err(|_| Failed)?;
                return pattern.capture_all(text).ok_or(Failed);
            }
            Function::Split => return Ok(split(text, other, -1)),
            _ => return Err(Failed),
        };
        Ok(Value::Bool(is))
    }

    fn of_more<'a>(self, arguments: &[Value<'a>]) -> Evaluated<Value<'a>> {
        match (self, arguments) {
            (
                Function::Extract,
                [
                    Value::String(text),
                    Value::String(pattern),
                    Value::String(rewrite),
                ],
            ) => {
                let pattern = Pattern::compile(pattern).map_err(|_| Failed)?;
                pattern.extract(text, rewrite).ok_or(Failed)
            }
            (Function::Replace, [Value::String(text), Value::String(old), Value::String(new)]) => {
                Ok(Value::made(replace(text, old, new, -1)))
            }
            (
                Function::Replace,
                [
                    Value::String(text),
                    Value::String(old),
                    Value::String(new),
                    Value::Int(limit),
                ],
            ) => Ok(Value::made(replace(text, old, new, *limit))),
            (Function::Split, [Value::String(text), Value::String(by), Value::Int(limit)]) => {
                Ok(split(text, by, *limit))
            }
            _ => Err(Failed),
        }
    }
}

fn size<'a>(value: &Value<'a>) -> Evaluated<Value<'a>> {
    let size = match value {
        // Characters; a byte that belongs to none counts as one.
        Value::String(text) => text
            .utf8_chunks()
            .map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()))
            .sum(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => return Err(Failed),
    };
    Ok(Value::Int(i64::try_from(size).map_err(|_| Failed)?))
}

fn trimmed(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text.trim_ascii()).ok()
}

fn to_int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        Value::Bool(bool) => Some((*bool).into()),
        Value::Double(number) => {
            let limit = 9_223_372_036_854_775_808.0;
            (*number > -limit && *number < limit).then_some(*number as i64)
        }
        Value::Timestamp(ns) => i64::try_from(ns.div_euclid(1_000_000_000)).ok(),
        Value::String(text) => trimmed(text)?.parse().ok(),
        _ => None,
    }
}

fn to_uint(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Uint(number) => Some(*number),
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Double(number) => {
            let limit = 18_446_744_073_709_551_616.0;
            (*number >= 0.0 && *number < limit).then_some(*number as u64)
        }
        Value::String(text) => trimmed(text)?.parse().ok(),
        _ => None,
    }
}

fn to_double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Double(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::String(text) => trimmed(text)?.parse().ok(),
        _ => None,
    }
}

fn to_string<'a>(value: &Value<'a>) -> Option<Value<'a>> {
    Some(match value {
        Value::String(text) => Value::String(text.clone()),
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).ok()?;
            Value::String(bytes.clone())
        }
        Value::Bool(bool) => Value::text(if *bool { "true" } else { "false" }),
        Value::Double(number) => Value::made(super::print::all_digits(*number)),
        Value::Int(number) => Value::made(number.to_string()),
        Value::Uint(number) => Value::made(number.to_string()),
        Value::Duration(ns) => Value::made(json_duration(*ns)),
        Value::Timestamp(ns) => Value::made(json_timestamp(*ns)?),
        _ => return None,
    })
}

/// `text` with at most so many of the occurrences of `old` replaced, all if `limit` is negative.
fn replace(text: &[u8], old: &[u8], new: &[u8], limit: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    if old.is_empty() {
        return between_all(text, new, left);
    }
    while left > 0
        && let Some(found) = memchr::memmem::find(rest, old)
    {
        let (before, behind) = rest.split_at_checked(found).unwrap_or((rest, b""));
        out.extend_from_slice(before);
        out.extend_from_slice(new);
        rest = behind.get(old.len()..).unwrap_or_default();
        left -= 1;
    }
    out.extend_from_slice(rest);
    out
}

/// `text` with `new` before each character and at the end.
fn between_all(text: &[u8], new: &[u8], mut left: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let characters = chunk
            .valid()
            .char_indices()
            .map(|(at, c)| (at, c.len_utf8()));
        let valid = characters.filter_map(|(at, length)| chunk.valid().get(at..at + length));
        let parts = valid.map(str::as_bytes).chain(chunk.invalid().chunks(1));
        for part in parts {
            if left > 0 {
                out.extend_from_slice(new);
                left -= 1;
            }
            out.extend_from_slice(part);
        }
    }
    if left > 0 {
        out.extend_from_slice(new);
    }
    out
}

/// The parts of `text` between `by`, at most so many, all if `limit` is negative; characters where `by` is empty.
fn split<'a>(text: &[u8], by: &[u8], limit: i64) -> Value<'a> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts: Vec<Value<'a>> = Vec::new();
    let mut rest = text;
    while parts.len() < limit {
        let width = |text: &[u8]| {
            let chunk = text.utf8_chunks().next()?;
            let first = chunk.valid().chars().next().map(char::len_utf8);
            Some(first.unwrap_or(1))
        };
        let found = match by.is_empty() {
            true => width(rest)
                .filter(|width| *width < rest.len())
                .map(|at| (at, 0)),
            false => memchr::memmem::find(rest, by).map(|at| (at, by.len())),
        };
        match found.filter(|_| parts.len() + 1 < limit) {
            Some((at, length)) => {
                parts.push(Value::made(rest.get(..at).unwrap_or_default()));
                rest = rest.get(at + length..).unwrap_or_default();
            }
            None => {
                parts.push(Value::made(rest));
                break;
            }
        }
    }
    Value::List(super::value::List::Made(parts.into()))
}

/// A text that is owned, of a part of another.
pub(super) fn owned<'a>(text: impl Into<Vec<u8>>) -> Value<'a> {
    Value::String(Cow::Owned(text.into()))
}
