//! The bytes of a YAML file to text: UTF-8, UTF-16 or UTF-32, told apart as yaml-cpp does.
//!
//! A byte order mark says which; without one, the zero bytes around the first character, which is ASCII.
//! What is no character becomes U+FFFD, and so does U+0004 in UTF-16 and UTF-32; a piece of a character at
//! the end is dropped. Differs from Envoy: overlong and surrogate forms in UTF-8 are replaced, not refused.

/// A file's text, without its byte order mark.
pub(crate) fn yaml_text(bytes: Vec<u8>) -> String {
    let (width, is_big, mark) = match *bytes.as_slice() {
        [0, 0, 0xfe, 0xff, ..] => (4, true, 4),
        [0xff, 0xfe, 0, 0, ..] => (4, false, 4),
        [0xfe, 0xff, ..] => (2, true, 2),
        [0xff, 0xfe, ..] => (2, false, 2),
        [0, 0, 0, 1..=0x7f, ..] => (4, true, 0),
        [1..=0x7f, 0, 0, 0, ..] => (4, false, 0),
        [0, 1..=0x7f, ..] => (2, true, 0),
        [1..=0x7f, 0, ..] => (2, false, 0),
        _ => return utf8(bytes),
    };
    let units = bytes.get(mark..).unwrap_or_default().chunks_exact(width);
    let units = units.map(|unit| {
        let join = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if is_big {
            unit.iter().fold(0, join)
        } else {
            unit.iter().rev().fold(0, join)
        }
    });
    let visible = |character| match character {
        '\u{4}' => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    if width == 4 {
        let characters = units.map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}'));
        return characters.map(visible).collect();
    }
    let units = units.map(|unit| u16::try_from(unit).unwrap_or(0xfffd));
    char::decode_utf16(units)
        .map(|character| visible(character.unwrap_or('\u{fffd}')))
        .collect()
}

fn utf8(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::yaml_text;

    const TEXT: &str = "node: {id: é😀}\n";

    #[test]
    fn each_form_is_read_with_and_without_its_byte_order_mark() {
        let little16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let codes = || TEXT.chars().map(u32::from);
        let little32: Vec<u8> = codes().flat_map(u32::to_le_bytes).collect();
        let big32: Vec<u8> = codes().flat_map(u32::to_be_bytes).collect();
        let forms: [(&[u8], Vec<u8>); 5] = [
            (&[0xff, 0xfe], little16),
            (&[0xfe, 0xff], big16),
            (&[0xff, 0xfe, 0, 0], little32),
            (&[0, 0, 0xfe, 0xff], big32),
            (&[0xef, 0xbb, 0xbf], TEXT.as_bytes().to_vec()),
        ];
        for (mark, bytes) in forms {
            assert_eq!(yaml_text([mark, &bytes].concat()), TEXT, "{mark:x?}");
            assert_eq!(yaml_text(bytes), TEXT, "without {mark:x?}");
        }
    }

    #[test]
    fn what_is_no_character_is_replaced_and_half_of_one_dropped() {
        assert_eq!(yaml_text(b"a\0\x00\xd8b\0c".to_vec()), "a\u{fffd}b");
        assert_eq!(yaml_text(b"a\0\0\0\0\0\x11\0".to_vec()), "a\u{fffd}");
        assert_eq!(yaml_text(b"a\xff".to_vec()), "a\u{fffd}");
        assert_eq!(yaml_text(Vec::new()), "");
    }

    #[test]
    fn a_byte_order_mark_of_the_command_line_belongs_to_no_key() {
        let input = crate::bootstrap::Input {
            yaml: Some("\u{feff}node: {id: a, cluster: b}".to_owned()),
            ..Default::default()
        };
        assert!(crate::bootstrap::load(&input).is_ok());
    }
}
