//! `\u` in strings.

/// What an escape comes to.
pub(super) enum Escape {
    /// A character, and how many bytes say it.
    Character(char, usize),
    /// There is too little to say.
    CutShort(&'static str),
    /// It is wrong.
    Wrong(&'static str),
}

/// How long `\uXXXX` is.
const LENGTH: usize = 6;

fn code(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(2..LENGTH)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// The escape at the beginning.
pub(super) fn unicode(bytes: &[u8]) -> Escape {
    const NOT_HEX: &str = "Invalid escape sequence.";
    const NO_LOW: &str = "Missing low surrogate.";
    if bytes.len() < LENGTH {
        return Escape::CutShort("Illegal hex string.");
    }
    let Some(high) = code(bytes) else {
        return Escape::Wrong(NOT_HEX);
    };
    if !(0xd800..0xdc00).contains(&high) {
        return match char::from_u32(high) {
            Some(character) => Escape::Character(character, LENGTH),
            None => Escape::Wrong("Invalid unicode code point."),
        };
    }
    let Some(behind) = bytes.get(LENGTH..).filter(|rest| rest.len() >= LENGTH) else {
        return Escape::CutShort(NO_LOW);
    };
    if !behind.starts_with(b"\\u") {
        return Escape::Wrong(NO_LOW);
    }
    match code(behind) {
        None => Escape::Wrong(NOT_HEX),
        Some(low) if (0xdc00..0xe000).contains(&low) => {
            let whole = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            let character = char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER);
            Escape::Character(character, 2 * LENGTH)
        }
        Some(_) => Escape::Wrong("Invalid low surrogate."),
    }
}
