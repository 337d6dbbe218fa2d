//! RE2's syntax in the words of the `regex` crate, and RE2's complaints.
//!
//! The two differ in corners: a `{` that begins no repetition, a `[` within a class, `\Q...\E`, `\C`, octal
//! escapes and names of groups are RE2's own; `&&` in a class, `\<`, `\u` and repeated repetitions the
//! crate's; `\d`, `\w`, `\s` and `\b` are about ASCII in RE2.
//!
//! Envoy has RE2 take text and pattern for Latin-1: a character is a byte, so that no byte escapes a `.`. The
//! pattern that comes out is for the crate without Unicode. Ignoring case is about ASCII alone here.
//!
//! Limit: 1,000 repetitions, as in RE2.

const MOST_REPETITIONS: u32 = 1000;
const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// The pattern for the crate, or RE2's text of what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let text: String = pattern.bytes().map(char::from).collect();
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

    /// Adds what is in the pattern's own words.
    fn push(&mut self, character: char) {
        match character.is_ascii() {
            true => self.out.push(character),
            false => self.out.push_str(&literal(character)),
        }
    }

    fn plain(&mut self, character: char) {
        self.rest = &self.rest[character.len_utf8()..];
        self.push(character);
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
        self.flags(special)
    }

    /// `i`, `-s` and the like, and whether a group begins behind them. Of a flag that is there twice the last counts.
    fn flags(&mut self, special: &'p str) -> Result<(), String> {
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negates, mut lacks_flag) = (false, false);
        for (at, character) in special.char_indices() {
            let read = 2 + at + character.len_utf8();
            match character {
                'i' | 'm' | 's' | 'U' => {
                    lacks_flag = false;
                    on.retain(|flag| flag != character);
                    off.retain(|flag| flag != character);
                    if negates { &mut off } else { &mut on }.push(character);
                }
                '-' if !negates => (negates, lacks_flag) = (true, true),
                ':' | ')' if !lacks_flag => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    let flags = [on.as_str(), minus, &off].concat();
                    match character {
                        ':' => self.out.push_str(&format!("(?{flags}:")),
                        _ if flags.is_empty() => self.depth -= 1,
                        _ => {
                            self.depth -= 1;
                            self.out.push_str(&format!("(?{flags})"));
                        }
                    }
                    self.rest = &self.rest[read..];
                    return Ok(());
                }
                _ => return Err(format!("invalid perl operator: {}", &self.rest[..read])),
            }
        }
        Err(format!("missing ): {}", self.pattern))
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
            for character in text.chars() {
                self.out.push_str(&literal(character));
            }
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
            self.out.push_str("(?s-u:.)");
        } else if let Some((set, rest)) = named_set(self.rest)? {
            self.out.push_str(&format!("[{set}]"));
            self.rest = rest;
            return Ok(());
        } else {
            let (character, rest) = escaped(self.rest)?;
            self.out.push_str(&literal(character));
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

fn literal(character: char) -> String {
    format!("\\x{:02X}", u32::from(character))
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
    if POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
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

#[cfg(test)]
mod tests {
    use super::translate;

    fn matches(pattern: &str, text: &str) -> bool {
        let translated = translate(pattern).expect("RE2 takes it");
        let whole = format!("^(?:{translated})$");
        regex::bytes::RegexBuilder::new(&whole)
            .unicode(false)
            .build()
            .expect("the crate takes it")
            .is_match(text.as_bytes())
    }

    fn takes(pattern: &str, bytes: &[u8]) -> bool {
        let whole = format!("^(?:{})$", translate(pattern).expect("RE2 takes it"));
        let mut built = regex::bytes::RegexBuilder::new(&whole);
        let built = built.unicode(false).dot_matches_new_line(true).build();
        built.expect("the crate takes it").is_match(bytes)
    }

    #[test]
    fn every_byte_is_a_character() {
        for (pattern, bytes) in [
            (".*admin.*", &b"\xffadmin\xfe"[..]),
            ("..", b"\xc3\xa9"),
            ("\u{e9}", b"\xc3\xa9"),
            ("[\u{e9}]{2}", b"\xa9\xc3"),
            ("[^a]", b"\xff"),
            ("\\W", b"\xff"),
            ("\\x{e9}", b"\xe9"),
            ("[\\x80-\\xff]", b"\x80"),
            ("\\pL", b"\xe9"),
            ("é+", b"\xc3\xa9\xa9"),
            ("\\xe9\\C", b"\xe9\xff"),
            ("(?i)\\xC9é", b"\xc9\xc3\xa9"),
            ("[\\p{Lu}]", b"\xc9"),
            ("\\P{^Lu}", b"\xc9"),
            ("[\\p{^Lu}]", b"\xe9"),
            ("\\p{^Any}?", b""),
            ("\\P{Cs}\\p{Latin}", b"1a"),
        ] {
            assert!(takes(pattern, bytes), "{pattern}");
        }
        assert!(!takes("[a-z]*", b"us\xffer"));
        assert!(!takes("(?i)é", b"\xe3\xa9"));
        assert!(!takes("(?i)\\xC9", b"\xe9"));
        assert!(!takes("\\p{Greek}", b"\xe9"));
        let beyond = translate("\\x{fffd}");
        assert_eq!(beyond, Err("invalid escape sequence: \\x{fff".to_owned()));
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
            ("\\d", "1", "\u{664}"),
            ("[[:alpha:]_]+", "a_", "1"),
            ("(?i)ab{2}", "ABB", "AB"),
            ("(?ii-mm)a", "A", "b"),
            ("(?i-i)a", "a", "A"),
            ("(?-ii:a)b", "ab", "Ab"),
            ("(?)a", "a", "b"),
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
            ("\\x+1", "invalid escape sequence: \\x+1"),
            ("\\xg1z", "invalid escape sequence: \\xg1"),
            ("é\\xé1", "invalid escape sequence: \\xÃ©"),
            ("\\x1", "invalid escape sequence: \\x1"),
            ("\\x{+1}q", "invalid escape sequence: \\x{+"),
            ("\\x{1g}q", "invalid escape sequence: \\x{1g"),
            ("\\x{}q", "invalid escape sequence: \\x{}"),
            ("\\x{1", "invalid escape sequence: \\x{1"),
            (
                "[[:^^alpha:]]",
                "invalid character class range: [:^^alpha:]",
            ),
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
            ("\\p{greek}", "invalid character class range: \\p{greek}"),
            ("\\pX{", "invalid character class range: \\pX"),
            ("[\\P{^Foo}]", "invalid character class range: \\P{^Foo}"),
            ("\\p{Letter}", "invalid character class range: \\p{Letter}"),
            ("\\p{Lu", "invalid character class range: \\p{Lu"),
            ("(?i-)a", "invalid perl operator: (?i-)"),
            ("(?-:a)", "invalid perl operator: (?-:"),
            ("(?i--s)a", "invalid perl operator: (?i--"),
            ("[a-\\d]", "invalid escape sequence: \\d"),
        ] {
            assert_eq!(translate(pattern), Err(complaint.to_owned()), "{pattern}");
        }
    }
}
