//! The named sets of RE2: `[:alpha:]`, `\d` and its like, and `\p{...}`.

use super::escapes::literal;

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// `[:alpha:]` within a class.
pub(super) fn posix_class(text: &str) -> Result<Option<(&str, &str)>, String> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some((name, rest)) = inner.split_once(":]") else {
        return Ok(None);
    };
    let set = &text[..name.len() + 4];
    if POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        Ok(Some((set, rest)))
    } else {
        Err(format!("invalid character class range: {set}"))
    }
}

/// `\d` and its like, and `\p{...}`: what stands for them within a class.
pub(super) fn named_set(text: &str) -> Result<Option<(String, &str)>, String> {
    let mut characters = text.chars();
    if characters.next() != Some('\\') {
        return Ok(None);
    }
    let set = match characters.next() {
        Some('d') => "0-9",
        Some('D') => "[^0-9]",
        Some('s') => "\\t\\n\\f\\r\\x20",
        Some('S') => "[^\\t\\n\\f\\r\\x20]",
        Some('w') => "0-9A-Za-z_",
        Some('W') => "[^0-9A-Za-z_]",
        Some('p' | 'P') => return property(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((set.to_owned(), &text[2..])))
}

fn property(text: &str) -> Result<(String, &str), String> {
    let after = &text[2..];
    let length = match after.chars().next() {
        Some('{') => after.find('}').map(|end| end + 1),
        Some(letter) => Some(letter.len_utf8()),
        None => None,
    };
    let wrong = |whole: &str| format!("invalid character class range: {whole}");
    let (written, rest) = after.split_at(length.ok_or_else(|| wrong(text))?);
    let name = written.trim_start_matches('{').trim_end_matches('}');
    let (name, is_turned) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let is_negated = text.starts_with("\\P") != is_turned;
    match latin_property(name, is_negated) {
        Some(set) => Ok((set, rest)),
        None => Err(wrong(&text[..2 + written.len()])),
    }
}

/// The Latin-1 characters that have a property or, negated, lack it, as a class. RE2 knows general categories by one
/// letter or two, scripts by their names, and `Any`.
fn latin_property(name: &str, is_negated: bool) -> Option<String> {
    let query = match name {
        "Any" => "(?s:.)".to_owned(),
        // No text holds surrogates, and the crate does not know them.
        "Cs" => "[^\\s\\S]".to_owned(),
        _ if !is_capitalised(name) => return None,
        _ if name.len() <= 2 => format!("\\p{{gc={name}}}"),
        _ => format!("\\p{{sc={name}}}"),
    };
    let has_it = regex::Regex::new(&format!("^{query}$")).ok()?;
    let found: String = (0..=u8::MAX)
        .map(char::from)
        .filter(|character| has_it.is_match(character.encode_utf8(&mut [0; 4])) != is_negated)
        .map(literal)
        .collect();
    Some(match found.is_empty() {
        true => "[^\\x00-\\xFF]".to_owned(),
        false => format!("[{found}]"),
    })
}

fn is_capitalised(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_uppercase())
        && letters
            .next()
            .is_none_or(|second| second.is_ascii_lowercase())
        && letters.all(|letter| letter.is_ascii_alphabetic() || letter == '_')
}
