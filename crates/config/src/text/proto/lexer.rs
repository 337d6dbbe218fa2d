//! Tokens of the text format.

use crate::diagnostic::Diagnostic;
use crate::span::Span;

pub(super) type Outcome<T> = Result<T, Box<Diagnostic>>;

/// One token.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A name or a bare value.
    Word(String),
    /// A number as written, without its sign.
    Number(String),
    /// The bytes of a string.
    Text(Vec<u8>),
    /// One sign.
    Sign(char),
    /// The end of the text.
    End,
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    source: u32,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, source: u32) -> Lexer<'t> {
        Lexer {
            text,
            at: 0,
            source,
        }
    }

    pub(super) fn error(&self, span: Span, text: &str) -> Box<Diagnostic> {
        let diagnostic = Diagnostic::error(span, format!("invalid text proto: {text}"));
        Box::new(diagnostic.with_envoy("Unable to parse file as a text protobuf"))
    }

    /// The next token and where it stands.
    pub(super) fn next(&mut self) -> Outcome<(Token, Span)> {
        self.skip_space();
        let start = self.at;
        let token = match self.rest().chars().next() {
            None => Token::End,
            Some('"' | '\'') => Token::Text(self.string()?),
            Some(first) if first.is_ascii_alphabetic() || first == '_' => Token::Word(
                self.run(|at| at.is_ascii_alphanumeric() || at == '_')
                    .to_owned(),
            ),
            Some(first) if first.is_ascii_digit() || first == '.' => Token::Number(self.number()),
            Some(sign) => {
                self.at += sign.len_utf8();
                Token::Sign(sign)
            }
        };
        Ok((token, Span::new(self.source, start, self.at)))
    }

    /// The type URL between `[` and `]`.
    pub(super) fn type_url(&mut self) -> Outcome<(String, Span)> {
        self.skip_space();
        let start = self.at;
        let url = self
            .run(|at| at.is_ascii_alphanumeric() || "_-./%".contains(at))
            .to_owned();
        let span = Span::new(self.source, start, self.at);
        self.skip_space();
        if url.is_empty() || !self.rest().starts_with(']') {
            return Err(self.error(span, "expected a type URL and `]`"));
        }
        self.at += 1;
        Ok((url, span))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn run(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|at| !accept(at)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or("")
    }

    fn skip_space(&mut self) {
        loop {
            self.run(char::is_whitespace);
            if !self.rest().starts_with('#') {
                return;
            }
            self.run(|at| at != '\n');
        }
    }

    fn number(&mut self) -> String {
        let mut number = self
            .run(|at| at.is_ascii_alphanumeric() || at == '.')
            .to_owned();
        let exponent = number.ends_with(['e', 'E']) && !number.starts_with("0x");
        if exponent && self.rest().starts_with(['+', '-']) {
            number += self.run(|at| at.is_ascii_digit() || at == '+' || at == '-');
        }
        number
    }

    fn string(&mut self) -> Outcome<Vec<u8>> {
        let start = self.at;
        let rest = self.rest();
        let mut characters = rest.char_indices();
        let quote = characters.next().map_or('"', |(_, quote)| quote);
        let mut out = Vec::new();
        while let Some((at, character)) = characters.next() {
            match character {
                '\n' => break,
                '\\' => {
                    let used = escape(rest.get(at + 1..).unwrap_or(""), &mut out);
                    let used = used.ok_or_else(|| {
                        self.error(
                            Span::new(self.source, start + at, start + at + 1),
                            "unknown escape",
                        )
                    })?;
                    // An escape is ASCII, so as many characters as bytes were used.
                    characters.nth(used.saturating_sub(1));
                }
                _ if character == quote => {
                    self.at = start + at + 1;
                    return Ok(out);
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(self.error(
            Span::new(self.source, start, start + 1),
            "the string does not end",
        ))
    }
}

/// Reads the escape that follows a backslash; returns how many bytes it takes.
fn escape(text: &str, out: &mut Vec<u8>) -> Option<usize> {
    let digits = |from: usize, most: usize, radix: u32| {
        let rest = text.get(from..)?;
        let count = rest
            .chars()
            .take(most)
            .take_while(|at| at.is_digit(radix))
            .count();
        let code = u32::from_str_radix(rest.get(..count)?, radix).ok()?;
        Some((code, from + count))
    };
    let first = text.chars().next()?;
    let simple = match first {
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'v' => 11,
        '\\' | '\'' | '"' | '?' => u8::try_from(first).ok()?,
        'x' | 'X' => {
            let (code, used) = digits(1, 2, 16)?;
            out.push(u8::try_from(code).ok()?);
            return Some(used);
        }
        'u' | 'U' => {
            let (code, used) = digits(1, if first == 'u' { 4 } else { 8 }, 16)?;
            out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(used);
        }
        '0'..='7' => {
            let (code, used) = digits(0, 3, 8)?;
            out.push(u8::try_from(code).ok()?);
            return Some(used);
        }
        _ => return None,
    };
    out.push(simple);
    Some(1)
}
