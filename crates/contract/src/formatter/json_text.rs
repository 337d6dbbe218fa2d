//! Text inside JSON quotes, escaped as Envoy does.
//!
//! UTF-8 gets JSON's short escapes. A text that is not UTF-8 has every byte that is not plain ASCII (and
//! every quote and backslash) written as `\u00XX`, so that any bytes a peer sends give valid JSON.

/// Appends `value` without the quotes.
pub(super) fn append_escaped(value: &[u8], out: &mut Vec<u8>) {
    if all_plain(value) {
        out.extend_from_slice(value);
        return;
    }
    if std::str::from_utf8(value).is_ok() {
        value.iter().for_each(|byte| append_utf8_byte(*byte, out));
        return;
    }
    for byte in value {
        if is_plain(*byte) {
            out.push(*byte)
        } else {
            append_unicode_escape(*byte, out)
        }
    }
}

/// Appends `value` in quotes.
pub fn append_quoted_json(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    append_escaped(value, out);
    out.push(b'"');
}

/// Escapes what stands in `out` from `start` on.
pub(super) fn escape_from(start: usize, out: &mut Vec<u8>) {
    let Some(written) = out.get(start..) else {
        return;
    };
    if all_plain(written) {
        return;
    }
    let raw = out.split_off(start);
    append_escaped(&raw, out);
}

/// Looks at every byte, without stopping early, so that the compiler can look at many at once.
fn all_plain(value: &[u8]) -> bool {
    value
        .iter()
        .fold(true, |plain, byte| plain & is_plain(*byte))
}

const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte < 0x7f && byte != b'"' && byte != b'\\'
}

fn append_utf8_byte(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => return append_unicode_escape(byte, out),
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn append_unicode_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| HEX[usize::from(nibble & 15)];
    out.extend_from_slice(b"\\u00");
    out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &[u8]) -> String {
        let mut out = b"kept\n".to_vec();
        out.extend_from_slice(value);
        escape_from(5, &mut out);
        String::from_utf8(out.split_off(5)).expect("escaped text is UTF-8")
    }

    #[test]
    fn utf8_gets_the_short_escapes_as_the_oracle_writes_them() {
        assert_eq!(
            escaped("q\"\\ /é\u{1}\n\t<".as_bytes()),
            "q\\\"\\\\ /é\\u0001\\n\\t<"
        );
        assert_eq!(escaped(b"\x08\x0c\r\x7f"), "\\b\\f\\r\x7f");
    }

    #[test]
    fn what_is_not_utf8_is_written_byte_by_byte_as_the_oracle_does() {
        assert_eq!(escaped(b"\xff\xfe\"z"), "\\u00ff\\u00fe\\u0022z");
    }
}
