//! A text of CEL into words. What is none is told as Envoy's parser tells it, and left out.

use std::ops::Range;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    /// In bytes.
    pub place: Range<usize>,
}

/// The kinds of word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Ident,
    Int,
    Uint,
    Float,
    /// The text's bytes.
    String(Vec<u8>),
    Bytes(Vec<u8>),
    /// An operator, a bracket, or one of `true`, `false`, `null`, `in`.
    Symbol(&'static str),
    End,
}

/// Longest first.
const SYMBOLS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":",
    "+", "*", "/", "%", "<", ">",
];
const WORDS: [&str; 4] = ["in", "true", "false", "null"];

/// What is no word, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Unreadable {
    pub place: Range<usize>,
}

/// The words of a text; at last [`Kind::End`].
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<Unreadable>) {
    let mut lexer = Lexer { text, at: 0 };
    let (mut tokens, mut unreadable) = (Vec::new(), Vec::new());
    loop {
        lexer.skip_space();
        let start = lexer.at;
        if start >= text.len() {
            tokens.push(Token {
                kind: Kind::End,
                place: start..start,
            });
            return (tokens, unreadable);
        }
        match lexer.next() {
            Some(kind) => tokens.push(Token {
                kind,
                place: start..lexer.at,
            }),
            None => unreadable.push(Unreadable {
                place: start..lexer.at,
            }),
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n', '\x0c']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn next(&mut self) -> Option<Kind> {
        let rest = self.rest();
        if let Some((prefix, quote)) = quoted(rest) {
            self.at += prefix.len();
            return self.string(prefix.to_ascii_lowercase().as_str(), quote);
        }
        let word = span(rest, |c| c.is_ascii_alphanumeric() || c == '_');
        let first = rest.chars().next().unwrap_or_default();
        let is_fraction = first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() || is_fraction {
            return Some(self.number());
        }
        if !word.is_empty() {
            self.at += word.len();
            let known = WORDS.iter().find(|known| **known == word);
            return Some(known.map_or(Kind::Ident, |word| Kind::Symbol(word)));
        }
        let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
        if let Some(symbol) = symbol {
            self.at += symbol.len();
            return Some(Kind::Symbol(symbol));
        }
        // One of a pair is reported with what stands in the other's place.
        let count = if matches!(first, '=' | '&' | '|') {
            2
        } else {
            1
        };
        self.at += rest.chars().take(count).map(char::len_utf8).sum::<usize>();
        None
    }

    fn number(&mut self) -> Kind {
        let rest = self.rest();
        let digits = |text: &str| span(text, |c| c.is_ascii_digit()).len();
        if let Some(hex) = rest.strip_prefix("0x") {
            let length = span(hex, |c| c.is_ascii_hexdigit()).len();
            if length > 0 {
                self.at += 2 + length;
                return self.unsigned_or(Kind::Int);
            }
        }
        let whole = digits(rest);
        let mut length = whole;
        let tail = |length: usize| rest.get(length..).unwrap_or_default();
        let mut is_float = false;
        if let Some(fraction) = tail(length).strip_prefix('.') {
            let count = digits(fraction);
            if count > 0 {
                is_float = true;
                length += 1 + count;
            }
        }
        if let Some(exponent) = tail(length).strip_prefix(['e', 'E']) {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let count = digits(unsigned);
            if count > 0 {
                is_float = true;
                length += 1 + (exponent.len() - unsigned.len()) + count;
            }
        }
        self.at += length;
        match is_float {
            true => Kind::Float,
            false => self.unsigned_or(Kind::Int),
        }
    }

    fn unsigned_or(&mut self, kind: Kind) -> Kind {
        if self.rest().starts_with(['u', 'U']) {
            self.at += 1;
            return Kind::Uint;
        }
        kind
    }

    /// The text behind its prefix.
    fn string(&mut self, prefix: &str, quote: &'static str) -> Option<Kind> {
        let (is_raw, is_bytes) = (prefix.contains('r'), prefix.contains('b'));
        self.at += quote.len();
        let mut out = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                break;
            }
            let next = rest.chars().next()?;
            if quote.len() == 1 && matches!(next, '\n' | '\r') {
                return None;
            }
            if next == '\\' && !is_raw {
                let escape = rest.get(1..).unwrap_or_default();
                let Some(length) = unescape(escape, is_bytes, &mut out) else {
                    self.at += 1 + escape.chars().next().map_or(0, char::len_utf8);
                    return None;
                };
                self.at += 1 + length;
                continue;
            }
            self.at += next.len_utf8();
            out.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(match is_bytes {
            true => Kind::Bytes(out),
            false => Kind::String(out),
        })
    }
}

fn span(text: &str, is_in: impl Fn(char) -> bool) -> &str {
    let length = text.find(|c| !is_in(c)).unwrap_or(text.len());
    text.get(..length).unwrap_or_default()
}

/// The prefix and the quote of what begins as a text.
fn quoted(rest: &str) -> Option<(&str, &'static str)> {
    let is_quote = |(_, character): &(usize, char)| matches!(character, '"' | '\'');
    let (length, _) = rest.char_indices().take(3).find(is_quote)?;
    let prefix = rest.get(..length)?;
    let is_prefix = ["", "r", "b", "br"]
        .iter()
        .any(|known| prefix.eq_ignore_ascii_case(known));
    let behind = rest.get(length..)?;
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| behind.starts_with(quote))?;
    is_prefix.then_some((prefix, quote))
}

/// Appends what an escape stands for; how long it is behind its backslash, or none if it is no escape.
fn unescape(escape: &str, is_bytes: bool, out: &mut Vec<u8>) -> Option<usize> {
    let first = escape.chars().next()?;
    let simple = match first {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        '\\' | '?' | '"' | '\'' | '`' => u8::try_from(first).ok(),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Some(1);
    }
    let (digits, radix, start) = match first {
        'x' | 'X' => (2, 16, 1),
        'u' if !is_bytes => (4, 16, 1),
        'U' if !is_bytes => (8, 16, 1),
        '0'..='3' => (3, 8, 0),
        _ => return None,
    };
    let number = escape.get(start..start + digits)?;
    if !number.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = u32::from_str_radix(number, radix).ok()?;
    match is_bytes {
        true => out.push(u8::try_from(number).ok()?),
        false => {
            let character = char::from_u32(number)?;
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(start + digits)
}
