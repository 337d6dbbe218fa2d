//! Scalars of JSON as those of protobuf: which ones fit, and how they are written.

use crate::descriptor::{Enum, Kind, Pool};
use crate::json::Scalar;
use crate::wire::{put_tag, put_varint, zigzag};

/// The value as words of errors show it.
pub(super) fn shown(value: Scalar<'_>) -> String {
    match value {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Uint(value) => value.to_string(),
        Scalar::Double(value) => crate::number::double(value),
        Scalar::Text(text) => format!("\"{}\"", String::from_utf8_lossy(text)),
    }
}

fn text(value: Scalar<'_>) -> Option<&str> {
    match value {
        Scalar::Text(text) => str::from_utf8(text).ok(),
        _ => None,
    }
}

/// A number without a fraction.
fn integer(value: Scalar<'_>) -> Option<i128> {
    match value {
        Scalar::Int(value) => Some(value.into()),
        Scalar::Uint(value) => Some(value.into()),
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Scalar::Double(value) if value.fract() == 0.0 && value.abs() < 1e19 => Some(value as i128),
        Scalar::Text(text) => str::from_utf8(text).ok()?.parse().ok(),
        Scalar::Null | Scalar::Bool(_) | Scalar::Double(_) => None,
    }
}

fn double(value: Scalar<'_>) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "doubles are what is asked for")]
        Scalar::Int(value) => Some(value as f64),
        #[expect(clippy::cast_precision_loss, reason = "doubles are what is asked for")]
        Scalar::Uint(value) => Some(value as f64),
        Scalar::Double(value) => Some(value),
        Scalar::Text(b"NaN") => Some(f64::NAN),
        Scalar::Text(b"Infinity") => Some(f64::INFINITY),
        Scalar::Text(b"-Infinity") => Some(f64::NEG_INFINITY),
        Scalar::Text(text) => {
            let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            let text = str::from_utf8(text).ok()?;
            let number: f64 = text
                .bytes()
                .all(|byte| is_number(&byte))
                .then(|| text.parse().ok())??;
            number.is_finite().then_some(number)
        }
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

fn float(value: Scalar<'_>) -> Option<f32> {
    let double = double(value)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what does not fit is infinite then"
    )]
    let float = double as f32;
    (float.is_finite() || !double.is_finite()).then_some(float)
}

fn boolean(value: Scalar<'_>) -> Option<bool> {
    if let Scalar::Bool(value) = value {
        return Some(value);
    }
    match &*text(value)?.to_ascii_lowercase() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The bytes of a text in base64, of either alphabet, with its padding or without; blanks are passed over.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .copied()
        .collect();
    decode(&digits, *b"-_").or_else(|| decode(&digits, *b"+/"))
}

fn decode(digits: &[u8], [third, fourth]: [u8; 2]) -> Option<Vec<u8>> {
    let padding = digits
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    let digits_of = digits.get(..digits.len() - padding)?;
    if padding > 2 || (padding > 0 && !digits.len().is_multiple_of(4)) || digits_of.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits_of.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for digit in digits_of {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            _ if *digit == third => 62,
            _ if *digit == fourth => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xfff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff).to_le_bytes()[0]);
        }
    }
    Some(out)
}

/// The number of an enum's value.
fn enumeration(known: &Enum, value: Scalar<'_>, any_case: bool) -> Option<i32> {
    let Some(name) = text(value) else {
        return i32::try_from(integer(value)?).ok();
    };
    if let Some(number) = known.number_of(name) {
        return Some(number);
    }
    if let Ok(number) = name.parse()
        && known.name_of(number).is_some()
    {
        return Some(number);
    }
    any_case.then(|| known.number_of_any_case(name))?
}

/// Writes a field; where the value does not fit, nothing is written.
pub(super) fn put(
    out: &mut Vec<u8>,
    pool: &Pool,
    (number, kind): (u32, Kind),
    value: Scalar<'_>,
    any_case: bool,
) -> Option<()> {
    /// Writes a number in four or eight bytes.
    macro_rules! fixed {
        ($value:expr) => {{
            let bytes = $value.to_le_bytes();
            put_tag(out, number, kind.wire_type());
            out.extend_from_slice(&bytes);
            return Some(());
        }};
    }
    let varint = match kind {
        Kind::Double => fixed!(double(value)?),
        Kind::Float => fixed!(float(value)?),
        Kind::Fixed64 => fixed!(u64::try_from(integer(value)?).ok()?),
        Kind::Fixed32 => fixed!(u32::try_from(integer(value)?).ok()?),
        Kind::Sfixed64 => fixed!(i64::try_from(integer(value)?).ok()?),
        Kind::Sfixed32 => fixed!(i32::try_from(integer(value)?).ok()?),
        Kind::Int64 => i64::try_from(integer(value)?).ok()?.cast_unsigned(),
        Kind::Int32 => i64::from(i32::try_from(integer(value)?).ok()?).cast_unsigned(),
        Kind::Uint64 => u64::try_from(integer(value)?).ok()?,
        Kind::Uint32 => u32::try_from(integer(value)?).ok()?.into(),
        Kind::Sint64 => zigzag(i64::try_from(integer(value)?).ok()?),
        Kind::Sint32 => zigzag(i32::try_from(integer(value)?).ok()?.into()),
        Kind::Bool => boolean(value)?.into(),
        Kind::Enum(id) => {
            let known = pool.enumeration(id);
            i64::from(enumeration(known, value, any_case)?).cast_unsigned()
        }
        Kind::String | Kind::Bytes => {
            let Scalar::Text(text) = value else {
                return None;
            };
            match kind {
                Kind::Bytes => crate::wire::put_bytes(out, number, &base64(text)?),
                _ => crate::wire::put_bytes(out, number, text),
            }
            return Some(());
        }
        Kind::Group | Kind::Message(_) => return None,
    };
    put_tag(out, number, 0);
    put_varint(out, varint);
    Some(())
}
