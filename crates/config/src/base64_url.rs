//! Base64 for URLs (RFC 4648 section 5), as Envoy reads it: spaces do not count, padding may be there if it is whole.

use ::base64::Engine;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base64::LOOSE_URL;

/// What the text stands for; none if it is wrong.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let all = digits.len();
    while digits.last() == Some(&b'=') {
        digits.pop();
    }
    let padding = all - digits.len();
    if padding > 0 && (padding > 2 || !all.is_multiple_of(4)) {
        return None;
    }
    LOOSE_URL.decode(digits).ok()
}

/// The same where only the one text counts that [`encode`] would make, so that nothing that is signed or sealed has
/// other spellings.
pub fn decode_canonical(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_canonical_has_one_spelling() {
        assert_eq!(decode_canonical(b"_-8").as_deref(), Some(&[0xff, 0xef][..]));
        for other in ["_-8=", "_- 8", "_-9", "/+8", "_", "_-8\t"] {
            assert_eq!(decode_canonical(other.as_bytes()), None, "{other}");
        }
        assert!(decode(b"_-8=").is_some() && decode(b"_-9").is_some());
    }

    #[test]
    fn padding_is_whole_or_missing() {
        for right in ["aA", "aA==", " a A = = "] {
            assert_eq!(
                decode(right.as_bytes()).as_deref(),
                Some(&b"h"[..]),
                "{right}"
            );
        }
        for wrong in ["aA=", "aA===", "a", "a+", "=", "=="] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
