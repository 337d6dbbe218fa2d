//! MessagePack as values of JSON; a time of Fluentd's forward protocol (extension 0) is hidden.

use serde_json::{Map, Number, Value};

/// Takes a value off the front; none if it is cut short or of a kind that nobody sends.
pub(super) fn take(rest: &mut &[u8]) -> Option<Value> {
    let first = take_number(rest, 1)?;
    Some(match first {
        0..=0x7f => Value::from(first),
        0x80..=0x8f => map(rest, first & 0xf)?,
        0x90..=0x9f => array(rest, first & 0xf)?,
        0xa0..=0xbf => text(rest, first & 0x1f)?,
        0xc0 => Value::Null,
        0xc2 | 0xc3 => Value::Bool(first == 0xc3),
        0xc4..=0xc6 => sized(rest, first - 0xc4, text)?,
        0xc7 => {
            let (length, _kind) = (take_number(rest, 1)?, take_number(rest, 1)?);
            text(rest, length)?;
            Value::from("<time>")
        }
        0xca => Value::from(f32::from_bits(u32::try_from(take_number(rest, 4)?).ok()?)),
        0xcb => Value::from(f64::from_bits(take_number(rest, 8)?)),
        0xcc..=0xcf => Value::from(take_number(rest, 1 << (first - 0xcc))?),
        0xd0..=0xd3 => {
            let bytes = 1_u32 << (first - 0xd0);
            let shift = 64 - 8 * bytes;
            let number = take_number(rest, usize::try_from(bytes).ok()?)? << shift;
            Value::Number(Number::from(number.cast_signed() >> shift))
        }
        0xd4..=0xd8 => {
            let _kind = take_number(rest, 1)?;
            text(rest, 1 << (first - 0xd4))?;
            Value::from("<time>")
        }
        0xd9..=0xdb => sized(rest, first - 0xd9, text)?,
        0xdc | 0xdd => sized(rest, first - 0xdc + 1, array)?,
        0xde | 0xdf => sized(rest, first - 0xde + 1, map)?,
        0xe0..=0xff => Value::from(first.cast_signed() - 256),
        _ => return None,
    })
}

fn take_number(rest: &mut &[u8], bytes: usize) -> Option<u64> {
    let (number, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    let number = number.iter();
    Some(number.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// What has a length of `1 << power` bytes before it.
fn sized(
    rest: &mut &[u8],
    power: u64,
    take: fn(&mut &[u8], u64) -> Option<Value>,
) -> Option<Value> {
    let length = take_number(rest, 1 << power)?;
    take(rest, length)
}

fn text(rest: &mut &[u8], length: u64) -> Option<Value> {
    let (text, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(Value::from(String::from_utf8_lossy(text)))
}

fn array(rest: &mut &[u8], length: u64) -> Option<Value> {
    let members = (0..length).map(|_| take(rest));
    members.collect::<Option<Vec<_>>>().map(Value::Array)
}

fn map(rest: &mut &[u8], length: u64) -> Option<Value> {
    let mut members = Map::new();
    for _ in 0..length {
        let name = match take(rest)? {
            Value::String(name) => name,
            other => other.to_string(),
        };
        members.insert(name, take(rest)?);
    }
    Some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_texts_and_what_holds_them() {
        let bytes = b"\x93\x01\xd0\xfe\x82\xa1a\xcb\x3f\xf8\0\0\0\0\0\0\xd9\x01b\xc3";
        let mut rest = &bytes[..];
        let value = take(&mut rest).expect("it is whole");
        assert_eq!(value.to_string(), r#"[1,-2,{"a":1.5,"b":true}]"#);
        assert!(rest.is_empty());
        for end in 0..bytes.len() {
            assert_eq!(take(&mut &bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn times_are_hidden() {
        let mut rest = &b"\xd7\x00\0\0\0\x01\0\0\0\x02"[..];
        assert_eq!(take(&mut rest), Some(Value::from("<time>")));
        assert!(rest.is_empty());
    }
}
