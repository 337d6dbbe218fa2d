//! The grammar: fields, messages, lists and scalars.

use super::lexer::{Lexer, Outcome, Token};
use crate::span::Span;
use crate::text::{Entry, Kind, Limits, Node};

/// Parses a whole text as the fields of one message.
pub(in crate::text) fn parse(text: &str, source: u32, limits: &Limits) -> Outcome<Node> {
    let mut lexer = Lexer::new(text, source);
    let (next, span) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        next,
        span,
        limits,
        nodes: 0,
    };
    let entries = parser.fields(1, Token::End)?;
    Ok(Node::new(
        Span::new(source, 0, text.len()),
        Kind::Map(entries),
    ))
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: Token,
    span: Span,
    limits: &'t Limits,
    nodes: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Outcome<(Token, Span)> {
        let (token, span) = self.lexer.next()?;
        Ok((
            std::mem::replace(&mut self.next, token),
            std::mem::replace(&mut self.span, span),
        ))
    }

    fn take(&mut self, sign: char) -> Outcome<bool> {
        let found = self.next == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn fail<T>(&self, text: &str) -> Outcome<T> {
        Err(self.lexer.error(self.span, text))
    }

    fn fields(&mut self, depth: usize, end: Token) -> Outcome<Vec<Entry>> {
        if depth > self.limits.depth {
            return self.fail("messages are nested too deep");
        }
        let mut entries = Vec::new();
        while self.next != end {
            if self.next == Token::Sign('[') {
                self.any(depth, &mut entries)?;
            } else {
                let (Token::Word(key), key_span) = self.advance()? else {
                    return self.fail("expected the name of a field");
                };
                let colon = self.take(':')?;
                let value = self.value(depth, colon)?;
                add(&mut entries, key, key_span, value);
            }
            if !self.take(',')? {
                self.take(';')?;
            }
        }
        Ok(entries)
    }

    /// `[type.googleapis.com/envoy...] { ... }`.
    fn any(&mut self, depth: usize, entries: &mut Vec<Entry>) -> Outcome<()> {
        let (url, span) = self.lexer.type_url()?;
        self.advance()?;
        self.take(':')?;
        let message = self.value(depth, false)?;
        entries.push(Entry {
            key: "@type".into(),
            key_span: span,
            value: Node::string(span, url),
        });
        if let Kind::Map(inner) = message.kind {
            entries.extend(inner);
        }
        Ok(())
    }

    fn value(&mut self, depth: usize, colon: bool) -> Outcome<Node> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return self.fail("too many values");
        }
        let start = self.span;
        let close = match self.next {
            Token::Sign('{') => '}',
            Token::Sign('<') => '>',
            Token::Sign('[') => return self.list(depth),
            _ if colon => return self.scalar(),
            _ => return self.fail("expected `:` or a message"),
        };
        self.advance()?;
        let entries = self.fields(depth + 1, Token::Sign(close))?;
        let (_, end) = self.advance()?;
        Ok(Node::new(
            Span {
                end: end.end,
                ..start
            },
            Kind::Map(entries),
        ))
    }

    fn list(&mut self, depth: usize) -> Outcome<Node> {
        if depth > self.limits.depth {
            return self.fail("lists are nested too deep");
        }
        let (_, start) = self.advance()?;
        let mut items = Vec::new();
        while self.next != Token::Sign(']') {
            items.push(self.value(depth + 1, true)?);
            if !self.take(',')? && self.next != Token::Sign(']') {
                return self.fail("expected `,` or `]`");
            }
        }
        let (_, end) = self.advance()?;
        Ok(Node::new(
            Span {
                end: end.end,
                ..start
            },
            Kind::List(items),
        ))
    }

    fn scalar(&mut self) -> Outcome<Node> {
        let negative = self.take('-')?;
        let (token, span) = self.advance()?;
        let kind = match token {
            Token::Text(mut bytes) if !negative => {
                while let Token::Text(more) = &self.next {
                    bytes.extend_from_slice(more);
                    self.advance()?;
                }
                // A string that is not UTF-8 can only be meant for bytes; `shape` reads Latin-1 back.
                let latin = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
                let text =
                    String::from_utf8(bytes).unwrap_or_else(|error| latin(error.into_bytes()));
                Kind::Str(text.into())
            }
            Token::Word(word) if negative => Kind::Str(format!("-{word}").into()),
            Token::Word(word) => match word.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "inf" | "infinity" => Kind::Str("Infinity".into()),
                _ => Kind::Str(word.into()),
            },
            Token::Number(text) => match number(&text, negative) {
                Some(kind) => kind,
                None => return Err(self.lexer.error(span, "not a number")),
            },
            _ => return Err(self.lexer.error(span, "expected a value")),
        };
        Ok(Node::new(span, kind))
    }
}

/// Adds a field; one given again becomes a list.
fn add(entries: &mut Vec<Entry>, key: String, key_span: Span, value: Node) {
    let Some(old) = entries.iter_mut().find(|entry| *entry.key == *key) else {
        entries.push(Entry {
            key: key.into(),
            key_span,
            value,
        });
        return;
    };
    let span = Span {
        end: value.span.end.max(old.value.span.end),
        ..old.value.span
    };
    let new = match value.kind {
        Kind::List(items) => items,
        _ => vec![value],
    };
    match &mut old.value.kind {
        Kind::List(items) => items.extend(new),
        _ => {
            let first = std::mem::replace(&mut old.value, Node::new(span, Kind::Null));
            old.value.kind = Kind::List(std::iter::once(first).chain(new).collect());
        }
    }
    old.value.span = span;
}

fn number(text: &str, negative: bool) -> Option<Kind> {
    let whole = if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        u64::from_str_radix(hex, 16).ok()
    } else if text.len() > 1 && text.starts_with('0') && text.bytes().all(|at| at.is_ascii_digit())
    {
        u64::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    };
    if let Some(whole) = whole {
        let signed = if negative {
            -i128::from(whole)
        } else {
            i128::from(whole)
        };
        return i64::try_from(signed)
            .map(Kind::Int)
            .ok()
            .or((!negative).then_some(Kind::Uint(whole)));
    }
    let float: f64 = text.trim_end_matches(['f', 'F']).parse().ok()?;
    Some(Kind::Float(if negative { -float } else { float }))
}
