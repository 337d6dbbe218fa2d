//! Base64 of the standard alphabet, as Envoy reads it in headers: padding may be missing, what is not whole is wrong.

/// What base64 stands for, with its padding or without; none if it is wrong or stands for nothing.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut word = 0_u32;
        for at in 0..4 {
            let sextet = group.get(at).map_or(Some(0), |digit| sextet(*digit))?;
            word = word << 6 | sextet;
        }
        let [_, bytes @ ..] = word.to_be_bytes();
        let complete = group.len() * 6 / 8;
        let (bytes, rest) = bytes.split_at_checked(complete)?;
        if bytes.is_empty() || rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(bytes);
    }
    (!out.is_empty()).then_some(out)
}

/// The same of text whose padding must be there.
pub(crate) fn decode_padded(text: &[u8]) -> Option<Vec<u8>> {
    if text.len().is_multiple_of(4) {
        decode(text)
    } else {
        None
    }
}

/// What a digit stands for; none if it is none.
pub(crate) fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// With padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| group.get(at).copied().map_or(0, u32::from);
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = usize::try_from(word >> (18 - 6 * at) & 63).unwrap_or_default();
            let digit = ALPHABET.get(sextet).filter(|_| at <= group.len());
            out.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{decode, decode_padded, encode};

    #[test]
    fn padding_can_be_asked_for() {
        for text in ["aGVsbG8", "aGVsbG8==", "YQ=", "Y===", "YQ", "="] {
            assert_eq!(decode_padded(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode_padded(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode_padded(b"YWJj").as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn base64_may_have_its_padding_and_must_be_whole() {
        for (text, expected) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVsbG8", Some("hello")),
            ("aGVsbG8==", Some("hello")),
            ("YQ==", Some("a")),
            ("YWJj", Some("abc")),
            ("aGVsbG9", None),
            ("aGVsbG8===", None),
            ("Y", None),
            ("a!b", None),
            ("-_-_", None),
            ("=", None),
            ("", None),
        ] {
            let decoded = decode(text.as_bytes());
            assert_eq!(decoded.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_padded() {
        for (text, expected) in [
            ("", ""),
            ("a", "YQ=="),
            ("ab", "YWI="),
            ("abc", "YWJj"),
            ("\u{fff}?", "4L+/Pw=="),
        ] {
            assert_eq!(encode(text.as_bytes()), expected, "{text}");
        }
    }
}
