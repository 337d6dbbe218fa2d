//! Base64, as protobuf's JSON reader decodes it: both alphabets, mixed, padding optional.

use super::Interpreter;
use crate::text::{Kind, Node};
use crate::tree::Value;

impl<'n> Interpreter<'n> {
    pub(super) fn bytes(&mut self, node: &'n Node) -> Option<Value> {
        let Kind::Str(text) = &node.kind else {
            self.expected(node, "bytes as a base64 string", None, "expected '\"'");
            return None;
        };
        let bytes = decode(text.as_bytes());
        if bytes.is_none() {
            self.refused_scalar(node, "bytes in base64", "not base64", "corrupt base64");
        }
        bytes.map(|bytes| Value::Bytes(bytes.into()))
    }
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padded = text.len().is_multiple_of(4);
    let text = match text {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] if padded => rest,
        _ => text,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut word = 0u32;
        for byte in group {
            word = word << 6 | sextet(*byte)?;
        }
        match group.len() {
            4 => out.extend_from_slice(&word.to_be_bytes()[1..]),
            3 => out.extend_from_slice(&(word << 6).to_be_bytes()[1..3]),
            2 => out.extend_from_slice(&(word << 12).to_be_bytes()[1..2]),
            _ => return None,
        }
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn base64_in_both_alphabets_with_or_without_padding() {
        assert_eq!(decode(b"aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode(b"aGVsbG8"), Some(b"hello".to_vec()));
        assert_eq!(decode(b"aGk="), Some(b"hi".to_vec()));
        assert_eq!(decode(b"aA=="), Some(b"h".to_vec()));
        assert_eq!(decode(b"-_+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(decode(b""), Some(Vec::new()));
        assert_eq!(decode(b"a"), None);
        assert_eq!(decode(b"a b="), None);
    }
}
