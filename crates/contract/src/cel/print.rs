//! Values as `%CEL(...)%` shows them.

use super::time::{show_duration, show_timestamp};
use super::value::{LOCALITY, Message, Value};
use crate::stream_info::metadata::{self, Struct};

/// A value as text.
pub(crate) fn print(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Null => b"NULL".to_vec(),
        Value::Bool(true) => b"true".to_vec(),
        Value::Bool(false) => b"false".to_vec(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Uint(number) => number.to_string().into_bytes(),
        Value::Double(number) => six_digits(*number).into_bytes(),
        Value::String(text) => text.to_vec(),
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Duration(ns) => show_duration(*ns).into_bytes(),
        Value::Timestamp(ns) => show_timestamp(*ns).unwrap_or_default().into_bytes(),
        Value::List(_) => b"CelList value".to_vec(),
        Value::Map(_) => b"CelMap value".to_vec(),
        Value::Type(_) => b"CelType value".to_vec(),
        Value::Message(Message::Metadata(metadata)) => {
            let mut out = String::new();
            let mut namespaces: Vec<_> = metadata
                .iter()
                .flat_map(|metadata| metadata.namespaces())
                .collect();
            namespaces.sort_unstable_by_key(|(name, _)| *name);
            for (name, fields) in namespaces {
                out.push_str(&format!(
                    "filter_metadata {{ key: {} value {{ ",
                    quoted(name)
                ));
                print_struct(fields, &mut out);
                out.push_str("} } ");
            }
            out.into_bytes()
        }
        Value::Message(Message::Locality(names)) => {
            let fields = LOCALITY.iter().zip(*names);
            let set = fields.filter(|(_, value)| !value.is_empty());
            let shown = set.map(|(name, value)| format!("{name}: {} ", quoted(value)));
            shown.collect::<String>().into_bytes()
        }
    }
}

/// Fields in protobuf's text format on one line; the last thing is a space.
fn print_struct(fields: &Struct, out: &mut String) {
    for (name, value) in fields.fields() {
        out.push_str(&format!("fields {{ key: {} value {{ ", quoted(name)));
        print_value(value, out);
        out.push_str("} } ");
    }
}

fn print_value(value: &metadata::Value, out: &mut String) {
    match value {
        metadata::Value::Null => out.push_str("null_value: NULL_VALUE "),
        metadata::Value::Number(number) => out.push_str(&format!("number_value: {number} ")),
        metadata::Value::String(text) => out.push_str(&format!("string_value: {} ", quoted(text))),
        metadata::Value::Bool(bool) => out.push_str(&format!("bool_value: {bool} ")),
        metadata::Value::Struct(fields) => {
            out.push_str("struct_value { ");
            print_struct(fields, out);
            out.push_str("} ");
        }
        metadata::Value::List(values) => {
            out.push_str("list_value { ");
            for value in values {
                out.push_str("values { ");
                print_value(value, out);
                out.push_str("} ");
            }
            out.push_str("} ");
        }
    }
}

/// In quotes, with the escapes of C.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' | b'\'' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("\\{other:03o}")),
        }
    }
    out.push('"');
    out
}

/// As C prints by `%g`: six digits.
pub(super) fn six_digits(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    digits(&format!("{number:.5e}"), number)
}

/// As many digits as tell the number from all others, in the form of [`six_digits`].
pub(super) fn all_digits(number: f64) -> String {
    if number.is_nan() || number.is_infinite() || number == 0.0 {
        return six_digits(number);
    }
    digits(&format!("{number:e}"), number)
}

/// With an exponent where it is below -4 or above 5.
fn digits(scientific: &str, number: f64) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let short = |digits: &str| match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", short(mantissa), exponent.unsigned_abs());
    }
    let behind_point = mantissa
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    let decimals = i32::try_from(behind_point).unwrap_or(0) - exponent;
    let decimals = usize::try_from(decimals).unwrap_or(0);
    short(&format!("{number:.decimals$}"))
}
