//! Protobuf's text format.

use std::fmt::Write as _;

use super::fields::{Field, Value, time_parts};

/// The text of a message.
pub(super) fn write(message: &[Field]) -> String {
    let mut out = String::new();
    fields(&mut out, message, 0);
    out
}

fn fields(out: &mut String, message: &[Field], depth: usize) {
    for field in message.iter().filter(|field| field.is_written()) {
        match &field.value {
            Value::Small(number) => line(out, field, depth, number),
            Value::Large(number) => line(out, field, depth, number),
            Value::Flag(flag) => line(out, field, depth, flag),
            Value::Name(name, _) => line(out, field, depth, name),
            Value::Text(text) => line(out, field, depth, Quoted(text.as_bytes())),
            Value::Bytes(bytes) => line(out, field, depth, Quoted(bytes)),
            Value::Time(time) => {
                let (seconds, nanos) = time_parts(*time);
                let parts = [
                    Field::new("seconds", 1, Value::Large(seconds)),
                    Field::new("nanos", 2, Value::Small(nanos)),
                ];
                block(out, field.name, &parts, depth);
            }
            Value::Message(inner) => block(out, field.name, inner, depth),
            Value::List(list) => {
                for inner in list {
                    block(out, field.name, inner, depth);
                }
            }
        }
    }
}

fn line(out: &mut String, field: &Field, depth: usize, value: impl std::fmt::Display) {
    let _to_memory = writeln!(out, "{:1$}{2}: {value}", "", depth * 2, field.name);
}

fn block(out: &mut String, name: &str, message: &[Field], depth: usize) {
    let _to_memory = writeln!(out, "{:1$}{name} {{", "", depth * 2);
    fields(out, message, depth + 1);
    let _to_memory = writeln!(out, "{:1$}}}", "", depth * 2);
}

/// Bytes in quotes, as C has them.
struct Quoted<'a>(&'a [u8]);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for byte in self.0 {
            match byte {
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                b'"' | b'\'' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b' '..=b'~' => f.write_char(char::from(*byte))?,
                other => write!(f, "\\{other:03o}")?,
            }
        }
        f.write_char('"')
    }
}
