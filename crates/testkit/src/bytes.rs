//! Wire bytes written as text in a case file, and wire bytes shown to a reader.
//!
//! A YAML string holds characters, the wire holds bytes: each character up to U+00FF stands for
//! the byte of the same number, so that `"\x80"` in a double-quoted YAML string is the byte 0x80.

use std::fmt::Write as _;

/// Text to bytes, one byte a character (characters above U+00FF become their UTF-8 bytes).
#[must_use]
pub fn from_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// A message written line by line: every LF becomes CRLF, and a blank line ends the head if the
/// text has none. Text that already contains a CR, or no line break at all, is taken verbatim.
#[must_use]
pub fn from_lines(text: &str) -> Vec<u8> {
    if text.contains('\r') || !text.contains('\n') {
        return from_text(text);
    }
    let mut wire = text.replace('\n', "\r\n");
    if !wire.contains("\r\n\r\n") {
        if !wire.ends_with("\r\n") {
            wire.push_str("\r\n");
        }
        wire.push_str("\r\n");
    }
    from_text(&wire)
}

/// Bytes as one line of printable ASCII; everything else is escaped as in a C string.
#[must_use]
pub fn show(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_head_that_ends_with_a_blank_line() {
        assert_eq!(
            from_lines("GET / HTTP/1.1\nhost: a\n"),
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
        );
    }

    #[test]
    fn a_body_after_the_blank_line_is_kept_as_written() {
        assert_eq!(from_lines("A: b\n\nbody"), b"A: b\r\n\r\nbody");
    }

    #[test]
    fn text_with_a_carriage_return_is_verbatim() {
        assert_eq!(from_lines("A\nB\r\n"), b"A\nB\r\n");
    }

    #[test]
    fn high_characters_are_single_bytes() {
        assert_eq!(from_text("\u{80}\u{ff}"), [0x80, 0xff]);
        assert_eq!(show(&[0x80, 0, b'a', b'\n']), "\\x80\\x00a\\n");
    }
}
