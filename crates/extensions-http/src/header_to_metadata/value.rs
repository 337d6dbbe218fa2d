//! From bytes to values: base64, numbers and texts, as Envoy reads them.

use nuncio_contract::stream_info::metadata::Value;

use super::config::ValueType;
use super::protobuf;

/// The value that the bytes are; none if they are none of the type.
pub(super) fn of(bytes: &[u8], value_type: ValueType) -> Option<Value> {
    match value_type {
        ValueType::String => Some(Value::String(String::from_utf8_lossy(bytes).into())),
        ValueType::Number => number(bytes).map(Value::Number),
        ValueType::ProtobufValue => protobuf::value(bytes),
    }
}

/// A decimal or, behind `0x`, hexadecimal number with white space around it; too large ones are infinite.
fn number(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let is_signed = unsigned.starts_with(['+', '-']);
    let digits = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"));
    let number = match digits {
        Some(digits) => hexadecimal(digits)?,
        None => unsigned.parse().ok().filter(|_| !is_signed)?,
    };
    Some(if is_negative { -number } else { number })
}

/// Digits with a point and a power of two behind a `p`, both of which may be missing.
fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, power) = match text.split_once(['p', 'P']) {
        None => (text, 0),
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?;
    Some(number * 2_f64.powi(power.saturating_sub(places.saturating_mul(4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_envoy_reads_them() {
        for (text, expected) in [
            ("7", Some(7.0)),
            (" -1.5e3\t", Some(-1500.0)),
            ("+.5", Some(0.5)),
            ("1.", Some(1.0)),
            ("0x10", Some(16.0)),
            ("-0X1f", Some(-31.0)),
            ("0x1.8p1", Some(3.0)),
            ("0x.8", Some(0.5)),
            ("1e400", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("", None),
            (".", None),
            ("0x", None),
            ("0x1p", None),
            ("+-1", None),
            ("1_0", None),
            ("1d", None),
            ("1,2", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }
}
