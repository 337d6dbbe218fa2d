//! Single characters: how RE2 writes them with a backslash, and how the crate is told of them.

/// A character and what follows it, or RE2's complaint.
pub(super) type Character<'p> = Result<(char, &'p str), String>;

/// The character as the crate reads it, whatever it is.
pub(super) fn literal(character: char) -> String {
    format!("\\x{:02X}", u32::from(character))
}

/// The character that an escape stands for.
pub(super) fn escaped(text: &str) -> Character<'_> {
    let mut characters = text.char_indices().skip(1);
    let Some((_, first)) = characters.next() else {
        return Err("trailing \\".to_owned());
    };
    let rest = &text[1 + first.len_utf8()..];
    let bad = || Err(format!("invalid escape sequence: \\{first}"));
    let character = match first {
        '0'..='7' => {
            let bad = |digits: usize| format!("invalid escape sequence: {}", &text[..=digits]);
            return octal(text).map_err(bad);
        }
        'x' => {
            return hexadecimal(rest)
                .map_err(|read| format!("invalid escape sequence: {}", &text[..2 + read]));
        }
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
        _ => return bad(),
    };
    Ok((character, rest))
}

/// `\0`, `\12`, `\123`; a single other digit would refer to a group, which RE2 cannot. Or how many digits are wrong.
fn octal(text: &str) -> Result<(char, &str), usize> {
    let digits: usize = text[1..]
        .bytes()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    if digits == 1 && !text.starts_with("\\0") {
        return Err(digits);
    }
    let number = u8::from_str_radix(&text[1..=digits], 8).map_err(|_| digits)?;
    Ok((char::from(number), &text[1 + digits..]))
}

/// `41` or `{041}`; or how many bytes of it were read by the time that it was wrong.
fn hexadecimal(text: &str) -> Result<(char, &str), usize> {
    let Some(braced) = text.strip_prefix('{') else {
        let read = text.chars().take(2).map(char::len_utf8).sum();
        let (digits, rest) = text.split_at(read);
        // `from_str_radix` takes a sign as well.
        let is_number = read == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u8::from_str_radix(digits, 16).ok();
        let number = number.filter(|_| is_number).ok_or(read)?;
        return Ok((char::from(number), rest));
    };
    let mut number: u8 = 0;
    for (at, digit) in braced.char_indices() {
        let read = 1 + at + digit.len_utf8();
        if digit == '}' && at > 0 {
            return Ok((char::from(number), &text[read..]));
        }
        let next = digit
            .to_digit(16)
            .map(|digit| u32::from(number) * 16 + digit);
        let next = next.and_then(|next| u8::try_from(next).ok());
        number = next.ok_or(read)?;
    }
    Err(text.len())
}
