//! Base64 for URLs, as Envoy reads it: spaces do not count, padding may be there if it is whole.

use crate::base64;

/// What the text stands for; none if it is wrong.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
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
    if digits.len() % 4 == 1 || padding > 0 && (padding > 2 || !all.is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut word = 0_u32;
        for at in 0..4 {
            word = word << 6 | group.get(at).map_or(Some(0), |digit| sextet(*digit))?;
        }
        let [_, bytes @ ..] = word.to_be_bytes();
        out.extend(bytes.iter().take(group.len() * 6 / 8));
    }
    Some(out)
}

/// The same where only the one text counts that [`encode`] would make, so that nothing that is signed or sealed has
/// other spellings.
pub(crate) fn decode_canonical(text: &[u8]) -> Option<Vec<u8>> {
    decode(text).filter(|bytes| encode(bytes).as_bytes() == text)
}

/// Without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

/// The alphabet for URLs has two digits of its own.
fn sextet(digit: u8) -> Option<u32> {
    match digit {
        b'+' | b'/' => None,
        b'-' => base64::sextet(b'+'),
        b'_' => base64::sextet(b'/'),
        digit => base64::sextet(digit),
    }
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
}
