//! Base64 (RFC 4648 section 4), read as strictly or as leniently as Envoy's several readers do, by the `base64` crate.
//!
//! | function | alphabet | padding | last bits that stand for nothing |
//! | --- | --- | --- | --- |
//! | [`decode`] | standard | may be missing | must be 0 |
//! | [`decode_padded`] | standard | must be there | must be 0 |
//! | [`decode_loose`] | standard | does not count | anything |
//! | [`decode_either`] | both, mixed | may be missing | anything |

use ::base64::Engine;
use ::base64::alphabet;
use ::base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, NO_PAD, STANDARD, STANDARD_NO_PAD,
};

/// Unpadded, and what the last digit says too much is not looked at.
const ANY_LAST_BITS: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);
const LOOSE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_LAST_BITS);
pub(crate) const LOOSE_URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, ANY_LAST_BITS);

/// With padding.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What a header's base64 stands for; none if it is wrong or stands for nothing.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// The same of text whose padding must be there.
pub fn decode_padded(text: &[u8]) -> Option<Vec<u8>> {
    if text.len().is_multiple_of(4) {
        decode(text)
    } else {
        None
    }
}

/// What text stands for whose padding, right or wrong, does not count.
pub fn decode_loose(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    LOOSE.decode(text.get(..digits)?).ok()
}

/// What text of the standard alphabet, of the one for URLs, or of both stands for, as protobuf's JSON reader takes it.
pub fn decode_either(text: &[u8]) -> Option<Vec<u8>> {
    let padded = text.len().is_multiple_of(4);
    let text = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] if padded => rest,
        _ => text,
    };
    let digit = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    LOOSE
        .decode(text.iter().map(digit).collect::<Vec<u8>>())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_can_be_asked_for() {
        for text in ["aGVsbG8", "aGVsbG8==", "YQ=", "Y===", "YQ", "="] {
            assert_eq!(decode_padded(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode_padded(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode_padded(b"YWJj").as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn a_header_may_have_its_padding_and_must_be_whole() {
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

    #[test]
    fn loose_text_may_end_in_any_bits_and_any_padding() {
        for text in ["aGVsbG8", "aGVsbG8=", "aGVsbG8===", "aGVsbG9"] {
            assert_eq!(
                decode_loose(text.as_bytes()).as_deref(),
                Some(&b"hello"[..]),
                "{text}"
            );
        }
        assert_eq!(decode_loose(b"==").as_deref(), Some(&b""[..]));
        assert_eq!(decode_loose(b"a"), None);
        assert_eq!(decode_loose(b"a-b_"), None);
    }

    #[test]
    fn both_alphabets_with_or_without_padding() {
        assert_eq!(decode_either(b"aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_either(b"aGVsbG8"), Some(b"hello".to_vec()));
        assert_eq!(decode_either(b"aGk="), Some(b"hi".to_vec()));
        assert_eq!(decode_either(b"aA=="), Some(b"h".to_vec()));
        assert_eq!(decode_either(b"-_+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decode_either(b""), Some(Vec::new()));
        assert_eq!(decode_either(b"a"), None);
        assert_eq!(decode_either(b"a b="), None);
    }
}
