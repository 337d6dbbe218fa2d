//! Protobuf as cases write it: a map whose keys begin with the number of a field (`3 connect_timeout`), so that no
//! table of messages is needed. A text is a string, `int:` and a number a number, `fill:` and a number so many times the
//! letter `a`; a list is a repeated field; a map with
//! `any` (the name of a message) is an `Any` of the rest.

use serde_json::Value;

/// The bytes of a message.
///
/// # Errors
/// If a key has no number, or a value has no form.
pub(super) fn message(value: &Value) -> Result<Vec<u8>, String> {
    let Value::Object(members) = value else {
        return Err(format!("{value} is no message"));
    };
    let mut body = Vec::new();
    for (key, value) in members {
        let word = key.split(' ').next().unwrap_or_default();
        match (key.as_str(), word.parse::<u64>()) {
            ("any" | "as" | "aka" | "at" | "ttl", _) => {}
            (_, Ok(number)) => field(number, value, &mut body)?,
            _ => return Err(format!("{key} has no number")),
        }
    }
    match members.get("any").and_then(Value::as_str) {
        Some(name) => Ok(any(name, &body)),
        None => Ok(body),
    }
}

/// An `Any` of a message.
pub(super) fn any(name: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(
        1,
        format!("type.googleapis.com/{name}").as_bytes(),
        &mut out,
    );
    bytes(2, body, &mut out);
    out
}

fn field(number: u64, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match value {
        Value::String(text) => match text.split_once(':') {
            Some(("int", digits)) => {
                number_field(number, digits.parse().map_err(|_| text.clone())?, out);
            }
            Some(("fill", digits)) => {
                let length = digits.parse().map_err(|_| text.clone())?;
                bytes(number, &vec![b'a'; length], out);
            }
            _ => bytes(number, text.as_bytes(), out),
        },
        Value::Number(value) => {
            number_field(number, value.as_u64().ok_or("a number is not whole")?, out);
        }
        Value::Bool(value) => number_field(number, u64::from(*value), out),
        Value::Array(items) => {
            for item in items {
                field(number, item, out)?;
            }
        }
        Value::Object(_) => bytes(number, &message(value)?, out),
        Value::Null => {}
    }
    Ok(())
}

fn number_field(number: u64, value: u64, out: &mut Vec<u8>) {
    varint(number << 3, out);
    varint(value, out);
}

/// A field of bytes.
pub(super) fn bytes(number: u64, value: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | 2, out);
    varint(value.len() as u64, out);
    out.extend(value);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value > 127 {
        out.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    out.push((value & 127) as u8);
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'b> {
    /// A number.
    Number(u64),
    /// A string, bytes or a message.
    Bytes(&'b [u8]),
}

impl Field<'_> {
    /// The text that it is.
    #[must_use]
    pub(super) fn text(&self) -> String {
        match self {
            Field::Number(value) => value.to_string(),
            Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

/// A message of any kind as text, without the fields at these paths.
#[must_use]
pub(super) fn describe(bytes: &[u8], hidden: &[Vec<u64>]) -> String {
    describe_sorted(bytes, hidden, &[])
}

/// The same with the fields at some paths sorted.
#[must_use]
pub(super) fn describe_sorted(bytes: &[u8], hidden: &[Vec<u64>], sorted: &[Vec<u64>]) -> String {
    let mut parts = Vec::new();
    for (number, value) in fields(bytes) {
        if hidden.iter().any(|path| *path == [number]) {
            continue;
        }
        let deeper = |paths: &[Vec<u64>]| -> Vec<_> {
            let below = paths.iter().filter(|path| path.first() == Some(&number));
            below.map(|path| path[1..].to_vec()).collect()
        };
        let text = match value {
            Field::Number(value) => value.to_string(),
            Field::Bytes([]) => "{}".to_owned(),
            Field::Bytes(inner) if inner.iter().all(|byte| (b' '..=b'~').contains(byte)) => {
                value.text()
            }
            Field::Bytes(inner) => {
                let inner = describe_sorted(inner, &deeper(hidden), &deeper(sorted));
                format!("{{{inner}}}")
            }
        };
        parts.push(format!("{number}:{text}"));
    }
    if sorted.iter().any(|path| path.len() == 1) {
        parts.sort();
    }
    parts.join(" ")
}

/// The fields of a message, in order; what is behind the first mistake is left out.
#[must_use]
pub(super) fn fields(mut rest: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while let Some(tag) = take_varint(&mut rest) {
        let value = match tag & 7 {
            0 => take_varint(&mut rest).map(Field::Number),
            2 => take_varint(&mut rest).and_then(|length| {
                let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                rest = after;
                Some(Field::Bytes(bytes))
            }),
            1 => rest.split_first_chunk::<8>().map(|(bytes, after)| {
                rest = after;
                Field::Number(u64::from_le_bytes(*bytes))
            }),
            _ => None,
        };
        let Some(value) = value else { break };
        found.push((tag >> 3, value));
    }
    found
}

/// The next varint of a message; none if it is cut short.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some(value);
        }
    }
    None
}
