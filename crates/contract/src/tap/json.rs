//! The JSON of a message, over several lines and with what has its default.

use crate::formatter;
use nuncio_config::{base64, json_text};

use super::fields::{Field, Value, time_parts};

/// The JSON of a message, with a newline behind it.
pub(super) fn write(message: &[Field]) -> String {
    let mut out = String::new();
    object(&mut out, message, 0);
    out.push('\n');
    out
}

fn object(out: &mut String, message: &[Field], depth: usize) {
    if message.is_empty() {
        return out.push_str("{}");
    }
    out.push('{');
    for (index, field) in message.iter().enumerate() {
        next(out, index, depth + 1);
        json_text::string(out, field.name);
        out.push_str(": ");
        value(out, &field.value, depth + 1);
    }
    new_line(out, depth);
    out.push('}');
}

fn value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Small(number) => out.push_str(&number.to_string()),
        // JSON's numbers have no 64 bits everywhere.
        Value::Large(number) => json_text::string(out, &number.to_string()),
        Value::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Name(name, _) => json_text::string(out, name),
        Value::Text(text) => json_text::string(out, text),
        Value::Bytes(bytes) => json_text::string(out, &base64::encode(bytes)),
        Value::Time(time) => json_text::string(out, &timestamp(*time)),
        Value::Message(inner) => object(out, inner, depth),
        Value::List(list) if list.is_empty() => out.push_str("[]"),
        Value::List(list) => {
            out.push('[');
            for (index, inner) in list.iter().enumerate() {
                next(out, index, depth + 1);
                object(out, inner, depth + 1);
            }
            new_line(out, depth);
            out.push(']');
        }
    }
}

/// With as many digits, in threes, as are needed.
fn timestamp(time: std::time::SystemTime) -> String {
    let (seconds, nanos) = time_parts(time);
    let whole = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let date = formatter::timestamp(whole);
    let date = date.split(['.', 'Z']).next().unwrap_or_default();
    match nanos {
        0 => format!("{date}Z"),
        _ if nanos % 1_000_000 == 0 => format!("{date}.{:03}Z", nanos / 1_000_000),
        _ => format!("{date}.{:06}Z", nanos / 1000),
    }
}

fn next(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    new_line(out, depth);
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', depth));
}
