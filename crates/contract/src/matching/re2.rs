//! RE2's syntax in the words of the `regex` crate, and RE2's complaints.
//!
//! The two differ in corners: a `{` that begins no repetition, a `[` within a class, `\Q...\E`, `\C`, octal
//! escapes and names of groups are RE2's own; `&&` in a class, `\<`, `\u` and repeated repetitions the
//! crate's; `\d`, `\w`, `\s` and `\b` are about ASCII in RE2.
//!
//! As in Envoy, RE2 takes both patterns and texts for Latin-1: each byte is a character of its own, and there are none
//! beyond U+00FF. [`latin_1`] makes such a text of bytes.
//!
//! Limit: 1,000 repetitions, as in RE2.

use std::borrow::Cow;

const MOST_REPETITIONS: u32 = 1000;
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Bytes as the text that the crate is to see: each byte is the character of its number.
pub(super) fn latin_1(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(characters(bytes).into_bytes())
}

/// The way back from what the crate made of [`latin_1`]'s text.
pub(super) fn bytes_of(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let byte = |character| u8::try_from(u32::from(character)).unwrap_or(b'?');
    text.chars().map(byte).collect()
}

fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The pattern for the crate, or RE2's text of what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let text = characters(pattern.as_bytes());
    let mut translator = Translator {
        rest: &text,
        pattern,
        out: String::with_capacity(pattern.len() + 16),
        depth: 0,
        operand: Operand::None,
    };
    while !translator.rest.is_empty() {
        translator.step()?;
    }
    if translator.depth > 0 {
        return Err(format!("missing ): {pattern}"));
    }
    Ok(translator.out)
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq)]
enum Operand<'p> {
    None,
    Thing,
    /// Something repeated already; what follows begins with that operator.
    Repeated(&'p str),
}

struct Translator<'p> {
    rest: &'p str,
    /// As it is written.
    pattern: &'p str,
    out: String,
    depth: usize,
    operand: Operand<'p>,
}

impl<'p> Translator<'p> {
    fn step(&mut self) -> Result<(), String> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(());
        };
        match first {
            '(' => self.open(),
            ')' => self.close(),
            '|' => {
                self.plain(first);
                self.operand = Operand::None;
                Ok(())
            }
            '*' | '+' | '?' => self.repeat(1),
            '{' => match repetition(self.rest) {
                Some(length) => self.repeat(length),
                None => {
                    self.rest = &self.rest[1..];
                    self.out.push_str("\\{");
                    self.operand = Operand::Thing;
                    Ok(())
                }
            },
            '[' => self.class(),
            '\\' => self.escape(),
            other => {
                self.plain(other);
                Ok(())
            }
        }
    }

    fn plain(&mut self, character: char) {
        self.rest = &self.rest[character.len_utf8()..];
        match character.is_ascii() {
            true => self.out.push(character),
            false => self.out.push_str(&caseless(character)),
        }
        self.operand = Operand::Thing;
    }

    fn open(&mut self) -> Result<(), String> {
        self.depth += 1;
        self.operand = Operand::None;
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.rest = &self.rest[1..];
            self.out.push('(');
            return Ok(());
        };
        if let Some(named) = special.strip_prefix("P<").or(special.strip_prefix('<')) {
            return self.named(named);
        }
        let flags =
            special.find(|character: char| !matches!(character, 'i' | 'm' | 's' | 'U' | '-'));
        let end = flags.unwrap_or(special.len());
        match special[end..].chars().next() {
            Some(':') if special[..end].matches('-').count() <= 1 => {}
            Some(')') if end > 0 && special[..end].matches('-').count() <= 1 => self.depth -= 1,
            Some(other) => {
                let bad = &self.rest[..2 + end + other.len_utf8()];
                return Err(format!("invalid perl operator: {bad}"));
            }
            None => return Err(format!("missing ): {}", self.pattern)),
        }
        self.out.push_str(&self.rest[..end + 3]);
        self.rest = &self.rest[end + 3..];
        Ok(())
    }

    /// A group's name is of no use here: substitutions go by number.
    fn named(&mut self, named: &'p str) -> Result<(), String> {
        let is_word = |character: char| character == '_' || character.is_alphanumeric();
        match named.split_once('>') {
            Some((name, rest)) if !name.is_empty() && name.chars().all(is_word) => {
                self.out.push('(');
                self.rest = rest;
                Ok(())
            }
            Some((name, rest)) => {
                let length = self.rest.len() - rest.len();
                let _ = name;
                Err(format!(
                    "invalid named capture group: {}",
                    &self.rest[..length]
                ))
            }
            None => Err(format!("invalid named capture group: {}", self.rest)),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        if self.depth == 0 {
            return Err(format!("unexpected ): {}", self.pattern));
        }
        self.depth -= 1;
        self.plain(')');
        Ok(())
    }

    /// A repetition operator of `length` bytes, with the `?` behind it.
    fn repeat(&mut self, length: usize) -> Result<(), String> {
        let operator = &self.rest[..length];
        check_size(operator)?;
        match self.operand {
            Operand::None => {
                return Err(format!("no argument for repetition operator: {operator}"));
            }
            Operand::Repeated(from) => {
                let both = &from[..from.len() - self.rest.len() + length];
                return Err(format!("bad repetition operator: {both}"));
            }
            Operand::Thing => {}
        }
        let from = self.rest;
        self.out.push_str(operator);
        self.rest = &self.rest[length..];
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.out.push('?');
            self.rest = rest;
        }
        self.operand = Operand::Repeated(from);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        self.operand = Operand::Thing;
        if let Some(quoted) = self.rest.strip_prefix("\\Q") {
            let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            self.out.push_str(&regex::escape(text));
            self.rest = rest;
            return Ok(());
        }
        let kept = ["\\A", "\\z"];
        let bounds = ["\\b", "\\B"];
        if let Some(kept) = kept.into_iter().find(|kept| self.rest.starts_with(kept)) {
            self.out.push_str(kept);
        } else if let Some(bound) = bounds
            .into_iter()
            .find(|bound| self.rest.starts_with(bound))
        {
            self.out.push_str(&format!("(?-u:{bound})"));
        } else if self.rest.starts_with("\\C") {
            self.out.push_str("(?s:.)");
        } else if let Some((set, rest)) = named_set(self.rest)? {
            self.out.push_str(&format!("[{set}]"));
            self.rest = rest;
            return Ok(());
        } else {
            let (character, rest) = escaped(self.rest)?;
            self.out.push_str(&caseless(character));
            self.rest = rest;
            return Ok(());
        }
        self.rest = &self.rest[2..];
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("missing ]: {whole}");
        let mut rest = &whole[1..];
        self.operand = Operand::Thing;
        self.out.push('[');
        if let Some(negated) = rest.strip_prefix('^') {
            self.out.push('^');
            rest = negated;
        }
        let mut is_first = true;
        loop {
            let character = rest.chars().next().ok_or_else(missing)?;
            if character == ']' && !is_first {
                break;
            }
            is_first = false;
            if let Some((set, after)) = posix_class(rest)? {
                self.out.push_str(set);
                rest = after;
                continue;
            }
            if let Some((set, after)) = named_set(rest)? {
                self.out.push_str(&set);
                rest = after;
                continue;
            }
            rest = self.range(rest, whole)?;
        }
        self.out.push(']');
        self.rest = &rest[1..];
        Ok(())
    }

    /// One character of a class, or a range.
    fn range(&mut self, from: &'p str, whole: &str) -> Result<&'p str, String> {
        let missing = || format!("missing ]: {whole}");
        let (low, rest) = class_character(from).ok_or_else(missing)??;
        let upper = rest
            .strip_prefix('-')
            .filter(|upper| !upper.starts_with(']'));
        let Some(upper) = upper else {
            self.out.push_str(&literal(low));
            return Ok(rest);
        };
        let (high, rest) = class_character(upper).ok_or_else(missing)??;
        if high < low {
            let range = &from[..from.len() - rest.len()];
            return Err(format!("invalid character class range: {range}"));
        }
        self.out
            .push_str(&format!("{}-{}", literal(low), literal(high)));
        Ok(rest)
    }
}

type Character<'p> = Result<(char, &'p str), String>;

fn class_character(text: &str) -> Option<Character<'_>> {
    let first = text.chars().next()?;
    Some(match first {
        '\\' => escaped(text),
        other => Ok((other, &text[other.len_utf8()..])),
    })
}

/// A character outside of classes: RE2 ignores the case of ASCII letters alone there.
fn caseless(character: char) -> String {
    match character.is_ascii() {
        true => literal(character),
        false => format!("(?-i:{})", literal(character)),
    }
}

fn literal(character: char) -> String {
    format!("\\x{{{:X}}}", u32::from(character))
}

/// The length of `{2}`, `{2,}` or `{2,3}` at the start.
fn repetition(text: &str) -> Option<usize> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && is_number(least) && is_number(most)).then_some(inner.len() + 2)
}

fn check_size(operator: &str) -> Result<(), String> {
    let Some(inner) = operator
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        return Ok(());
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
    let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
    let least = number(least);
    let most = if most.is_empty() { least } else { number(most) };
    if least > MOST_REPETITIONS || most > MOST_REPETITIONS || most < least {
        return Err(format!("invalid repetition size: {operator}"));
    }
    Ok(())
}

/// `[:alpha:]` within a class.
fn posix_class(text: &str) -> Result<Option<(&str, &str)>, String> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some((name, rest)) = inner.split_once(":]") else {
        return Ok(None);
    };
    let set = &text[..name.len() + 4];
    if POSIX_CLASSES.contains(&name.trim_start_matches('^')) {
        Ok(Some((set, rest)))
    } else {
        Err(format!("invalid character class range: {set}"))
    }
}

/// `\d` and its like, and `\p{...}`: what stands for them within a class.
fn named_set(text: &str) -> Result<Option<(String, &str)>, String> {
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
    let Some(length) = length else {
        return Err(format!("invalid character class range: {text}"));
    };
    Ok((text[..2 + length].to_owned(), &after[length..]))
}

/// The character that an escape stands for.
fn escaped(text: &str) -> Character<'_> {
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
            return hexadecimal(rest).map_err(|read| {
                let read = read.map_or(text, |read| &text[..2 + read]);
                format!("invalid escape sequence: {read}")
            });
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

/// `41` or `{041}`; or how much of it was read when it was too large, if that is what is wrong.
fn hexadecimal(text: &str) -> Result<(char, &str), Option<usize>> {
    let Some(braced) = text.strip_prefix('{') else {
        let digits = text.get(..2).ok_or(None)?;
        let number = u8::from_str_radix(digits, 16).map_err(|_| None)?;
        return Ok((char::from(number), &text[2..]));
    };
    let (digits, rest) = braced.split_once('}').ok_or(None)?;
    let mut number: u8 = 0;
    for (read, digit) in digits.char_indices() {
        let digit = digit.to_digit(16).ok_or(None)?;
        let next = u32::from(number) * 16 + digit;
        number = u8::try_from(next).map_err(|_| Some(read + 2))?;
    }
    if digits.is_empty() {
        return Err(None);
    }
    Ok((char::from(number), rest))
}

#[cfg(test)]
mod tests {
    use super::translate;

    fn matches(pattern: &str, text: &str) -> bool {
        let translated = translate(pattern).expect("RE2 takes it");
        let whole = format!("^(?:{translated})$");
        regex::bytes::Regex::new(&whole)
            .expect("the crate takes it")
            .is_match(text.as_bytes())
    }

    #[test]
    fn what_only_re2_takes_means_the_same() {
        for (pattern, text, other) in [
            ("/a/{id}", "/a/{id}", "/a/id"),
            ("x{,5}", "x{,5}", "x"),
            ("[^[]+", "ab", "a[b"),
            ("\\Qa.b\\E", "a.b", "axb"),
            ("[a&&b]", "&", "x"),
            ("\\<", "<", "a"),
            ("(?P<1>a)", "a", "b"),
            ("[\\d-x]+", "1-x", "a"),
            ("[]a]+", "]a", "b"),
            ("[--a]", "A", "b"),
            ("\\101", "A", "B"),
            ("\\d", "1", "\u{e9}"),
            (".", "\u{e9}", "\u{e9}\u{e9}"),
            ("é", "\u{c3}\u{a9}", "\u{e9}"),
            ("é+", "\u{c3}\u{a9}\u{a9}", "\u{c3}\u{a9}\u{c3}\u{a9}"),
            ("[é]", "\u{a9}", "\u{e9}"),
            ("\\xe9\\C", "\u{e9}\u{ff}", "\u{c3}\u{a9}"),
            ("(?i)\\xC9é", "\u{c9}\u{c3}\u{a9}", "\u{e9}\u{c3}\u{a9}"),
            ("(?i)é", "\u{c3}\u{a9}", "\u{e3}\u{a9}"),
            ("[^a]\\pL", "\u{ff}\u{e9}", "ae"),
            ("[[:alpha:]_]+", "a_", "1"),
            ("(?i)ab{2}", "ABB", "AB"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
            assert!(!matches(pattern, other), "{pattern} {other}");
        }
    }

    #[test]
    fn complaints_are_re2s_own() {
        for (pattern, complaint) in [
            ("/a(b", "missing ): /a(b"),
            ("a)", "unexpected ): a)"),
            ("[a", "missing ]: [a"),
            ("a\\", "trailing \\"),
            ("*a", "no argument for repetition operator: *"),
            ("a**", "bad repetition operator: **"),
            ("a{2}{3}", "bad repetition operator: {2}{3}"),
            ("a{1001}", "invalid repetition size: {1001}"),
            ("\\1", "invalid escape sequence: \\1"),
            ("\\u0041", "invalid escape sequence: \\u"),
            ("\\Z", "invalid escape sequence: \\Z"),
            ("\\400", "invalid escape sequence: \\400"),
            ("\\x{100}", "invalid escape sequence: \\x{100"),
            ("\\x{10FFFF}", "invalid escape sequence: \\x{10F"),
            ("é(", "missing ): é("),
            ("[é", "missing ]: [Ã©"),
            ("\\é", "invalid escape sequence: \\Ã"),
            ("[é-a]", "invalid character class range: ©-a"),
            ("(?=a)", "invalid perl operator: (?="),
            ("[z-a]", "invalid character class range: z-a"),
            ("[[:foo:]]", "invalid character class range: [:foo:]"),
            ("[a-\\d]", "invalid escape sequence: \\d"),
        ] {
            assert_eq!(translate(pattern), Err(complaint.to_owned()), "{pattern}");
        }
    }
}
