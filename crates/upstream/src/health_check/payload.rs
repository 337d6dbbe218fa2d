//! Payloads: bytes written as hex digits, and the search for several of them in what a host has sent.

/// Bytes of which each must be found behind the one before, with anything between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments(pub Box<[Box<[u8]>]>);

impl Segments {
    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are looked for.
    pub fn total_bytes(&self) -> usize {
        self.0.iter().map(|segment| segment.len()).sum()
    }

    /// Whether `bytes` has them all, in order. What is empty is found anywhere.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.0.iter().all(|segment| match find(rest, segment) {
            Some(end) => {
                rest = rest.get(end..).unwrap_or_default();
                true
            }
            None => false,
        })
    }
}

/// Where the first `wanted` ends.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return Some(0);
    }
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(at + wanted.len())
}

/// The bytes that hex digits stand for; none if they are no pairs of digits, or there are none.
pub fn from_hex(text: &str) -> Option<Box<[u8]>> {
    let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| Some(pair.first()? << 4 | pair.last()?))
        .collect()
}

fn digit(digit: char) -> Option<u8> {
    u8::try_from(digit.to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(texts: &[&str]) -> Segments {
        Segments(texts.iter().map(|text| text.as_bytes().into()).collect())
    }

    #[test]
    fn hex_digits_come_in_pairs_of_either_case() {
        assert_eq!(from_hex("00fFa1").as_deref(), Some(&[0, 255, 0xa1][..]));
        for bad in ["", "0", "zz", "0x00", "00 "] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn segments_are_found_in_order_and_apart() {
        assert!(segments(&["ab", "d"]).are_in(b"xabcd"));
        assert!(!segments(&["d", "ab"]).are_in(b"xabcd"));
        assert!(
            !segments(&["aa", "aa"]).are_in(b"aaa"),
            "they do not overlap"
        );
        assert!(segments(&["aa", "aa"]).are_in(b"aaaa"));
        assert!(segments(&[]).are_in(b""));
        assert!(segments(&[""]).are_in(b""));
        assert!(!segments(&["a"]).are_in(b""));
    }
}
