//! JSON as Envoy reads it: nested 1,000 levels deep at most, whole numbers in 64 bits with a sign, nothing before but a
//! byte order mark and nothing behind.

use serde::Deserialize as _;
pub(crate) use serde_json::Value;

const MOST_LEVELS: usize = 1000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text is not JSON, or not such as Envoy takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Reads a text.
pub(crate) fn read(text: &[u8]) -> Result<Value, NotJson> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if levels(text) > MOST_LEVELS {
        return Err(NotJson);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader).map_err(|_| NotJson)?;
    reader.end().map_err(|_| NotJson)?;
    match has_too_large_number(&value) {
        true => Err(NotJson),
        false => Ok(value),
    }
}

/// How deep brackets are nested; of what is no JSON it may be too many, never too few.
fn levels(text: &[u8]) -> usize {
    let (mut levels, mut most) = (0_usize, 0_usize);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in text {
        if is_in_string {
            is_in_string = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => is_in_string = true,
            b'[' | b'{' => {
                levels += 1;
                most = most.max(levels);
            }
            b']' | b'}' => levels = levels.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Whether there is a whole number that only fits without a sign.
fn has_too_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_u64() && !number.is_i64(),
        Value::Array(items) => items.iter().any(has_too_large_number),
        Value::Object(members) => members.values().any(has_too_large_number),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_has_an_end_whatever_the_text() {
        let nested = |levels: usize| {
            let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            read(text.as_bytes()).is_ok()
        };
        assert!(nested(1000));
        assert!(!nested(1001));
        assert!(!nested(1_000_000));
        assert_eq!(read("[".repeat(10 << 20).as_bytes()), Err(NotJson));
        let in_text = format!("\"\\\"{}\"", "[".repeat(5000));
        assert!(
            read(in_text.as_bytes()).is_ok(),
            "brackets in a text are none"
        );
        let side_by_side = format!("[{}[]]", "[],".repeat(5000));
        assert!(read(side_by_side.as_bytes()).is_ok());
    }

    #[test]
    fn odd_texts_are_as_in_envoy() {
        for good in [
            &b"\xef\xbb\xbf{}"[..],
            b" 1 ",
            b"-9223372036854775808",
            b"1e300",
        ] {
            assert!(read(good).is_ok(), "{good:?}");
        }
        for bad in [
            &b""[..],
            b"{} {}",
            b"9223372036854775808",
            b"1e999",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"[1,]",
            b"{'a':1}",
            b"NaN",
            b"01",
            b"\"\n\"",
        ] {
            assert_eq!(read(bad), Err(NotJson), "{bad:?}");
        }
    }
}
