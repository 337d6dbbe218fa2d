//! JSON to [`Node`]s, as lenient as protobuf's own reader in the mode that Envoy uses.
//!
//! Over RFC 8259 it takes: single quotes, bare words as keys, a comma after the last item, line ends
//! and other control characters in strings, `\U` and `\'` escapes. Repeated keys stay in the tree:
//! what they mean depends on the message.

use super::{Entry, Kind, Limits, Node};
use crate::diagnostic::Diagnostic;
use crate::span::Span;

type Outcome<T> = Result<T, Box<Diagnostic>>;

/// Parses the one value of `text`.
pub(super) fn parse(text: &str, source: u32, limits: &Limits) -> Outcome<Node> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        source,
        limits,
        nodes: 0,
    };
    let node = reader.value(1)?;
    reader.skip_space();
    if reader.at < reader.bytes.len() {
        let wording = "extraneous characters after end of JSON object";
        return Err(reader.error(
            reader.at,
            "more text after the end of the JSON value",
            wording,
        ));
    }
    Ok(node)
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    source: u32,
    limits: &'t Limits,
    nodes: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Outcome<Node> {
        self.skip_space();
        let start = self.at;
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let text = format!("more than {} values", self.limits.nodes);
            return Err(self.error(start, &text, &text));
        }
        let kind = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"' | b'\'') => Kind::Str(self.string()?.into()),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            // Envoy's message at the top is an object.
            Some(_) if depth == 1 => return Err(self.unexpected("a value", "; expected '{'")),
            Some(_) => return Err(self.unexpected("a value", "")),
            None => return Err(self.end_of_text()),
        };
        Ok(Node::new(Span::new(self.source, start, self.at), kind))
    }

    fn map(&mut self, depth: usize) -> Outcome<Kind> {
        self.open(depth)?;
        let mut entries = Vec::new();
        while !self.take(b'}') {
            let start = self.at;
            let key = self.key()?;
            let key_span = Span::new(self.source, start, self.at);
            if !self.take(b':') {
                return Err(self.unexpected("':'", "; expected ':'"));
            }
            let value = self.value(depth + 1)?;
            entries.push(Entry {
                key,
                key_span,
                value,
            });
            self.separator(b'}')?;
        }
        Ok(Kind::Map(entries))
    }

    fn list(&mut self, depth: usize) -> Outcome<Kind> {
        self.open(depth)?;
        let mut items = Vec::new();
        while !self.take(b']') {
            items.push(self.value(depth + 1)?);
            self.separator(b']')?;
        }
        Ok(Kind::List(items))
    }

    fn open(&mut self, depth: usize) -> Outcome<()> {
        if depth > self.limits.depth {
            let text = format!(
                "lists and maps are nested more than {} deep",
                self.limits.depth
            );
            return Err(self.error(self.at, &text, "JSON content was too deeply nested"));
        }
        self.at += 1;
        Ok(())
    }

    /// A comma (also one before the closing bracket), or the closing bracket next.
    fn separator(&mut self, close: u8) -> Outcome<()> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_space();
                Ok(())
            }
            Some(byte) if byte == close => Ok(()),
            Some(_) => Err(self.error(self.at, "expected ','", "expected ','")),
            None => Err(self.error(self.at, "the JSON text ends too early", "expected ','")),
        }
    }

    fn key(&mut self) -> Outcome<Box<str>> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            return Ok(self.string()?.into());
        }
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        {
            self.at += 1;
        }
        if self.peek().is_none() {
            return Err(self.end_of_text());
        }
        let word = self.text.get(start..self.at).unwrap_or("");
        let digit = word.as_bytes().first().is_some_and(u8::is_ascii_digit);
        if word.is_empty() || digit || matches!(word, "null" | "true" | "false") {
            return Err(self.error(start, "expected a key in quotes", "expected bare word"));
        }
        Ok(word.into())
    }

    fn string(&mut self) -> Outcome<String> {
        let start = self.at;
        let quote = self.bytes[self.at];
        self.at += 1;
        let mut out = String::new();
        let mut run = self.at;
        loop {
            match self.peek() {
                None => return Err(self.error(start, "the string does not end", "unexpected EOF")),
                Some(byte) if byte == quote => {
                    out.push_str(self.text.get(run..self.at).unwrap_or(""));
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(self.text.get(run..self.at).unwrap_or(""));
                    self.at += 1;
                    out.push(self.escape()?);
                    run = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        let Some(byte) = self.peek() else {
            return Err(self.end_of_text());
        };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' | b'\'' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' | b'U' => return self.unicode(),
            _ => {
                let rest = self.text.get(self.at - 1..).unwrap_or("");
                let shown = rest.chars().next().unwrap_or('\u{fffd}');
                let wording = format!("invalid escape char: '{shown}'");
                return Err(self.error(self.at - 2, "unknown escape", &wording));
            }
        })
    }

    fn unicode(&mut self) -> Outcome<char> {
        let high = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            if !self.bytes[self.at..].starts_with(b"\\u") {
                let rest = self.text.get(self.at..).unwrap_or("");
                let found = rest.chars().next().unwrap_or('\u{fffd}');
                return Err(self.error(
                    self.at,
                    "expected the second half of a surrogate pair",
                    &format!("unexpected character: '{found}'; expected '\\u'"),
                ));
            }
            self.at += 2;
            let low = self.hex4()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.error(
                    self.at - 4,
                    "not a low surrogate",
                    "invalid low surrogate",
                ));
            }
            0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff)
        } else {
            high
        };
        char::from_u32(code).ok_or_else(|| {
            self.error(
                self.at - 4,
                "a low surrogate stands alone",
                "unpaired low surrogate",
            )
        })
    }

    fn hex4(&mut self) -> Outcome<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.error(
                self.at,
                "expected four hexadecimal digits",
                "invalid Unicode escape",
            )),
        }
    }

    fn number(&mut self) -> Outcome<Kind> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).unwrap_or("");
        if !is_number(text) {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let wording = match digits.as_bytes() {
                [] => "expected a number".to_owned(),
                [b'0', b'0'..=b'9', ..] => "number cannot have extraneous leading zero".to_owned(),
                [.., b'.'] => "number cannot have trailing period".to_owned(),
                _ => format!("invalid number: '{text}'"),
            };
            return Err(self.error(start, "not a JSON number", &wording));
        }
        if let Ok(value) = text.parse::<i64>() {
            return Ok(Kind::Int(value));
        }
        if let Ok(value) = text.parse::<u64>() {
            return Ok(Kind::Uint(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Kind::Float(value)),
            _ => {
                let wording = format!("invalid number: '{text}'");
                Err(self.error(start, "the number is too large", &wording))
            }
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Outcome<Kind> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(kind);
        }
        Err(self.unexpected(&format!("'{word}'"), ""))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        {
            self.at += 1;
        }
    }

    fn unexpected(&self, wanted: &str, envoy_wants: &str) -> Box<Diagnostic> {
        let Some(found) = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        else {
            return self.end_of_text();
        };
        let text = format!("expected {wanted}, found '{found}'");
        let wording = format!("unexpected character: '{found}'{envoy_wants}");
        self.error(self.at, &text, &wording)
    }

    fn end_of_text(&self) -> Box<Diagnostic> {
        self.error(
            self.bytes.len(),
            "the JSON text ends too early",
            "unexpected EOF",
        )
    }

    fn error(&self, at: usize, text: &str, wording: &str) -> Box<Diagnostic> {
        let span = Span::new(self.source, at, at);
        Box::new(
            Diagnostic::error(span, format!("invalid JSON: {text}")).with_envoy(format!(
                "Unable to parse JSON as proto (INVALID_ARGUMENT: {wording})"
            )),
        )
    }
}

/// RFC 8259's grammar of numbers.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(text, 0, &Limits::default()).map_err(|diagnostic| diagnostic.message)
    }

    #[test]
    fn the_lenient_forms_that_protobuf_takes_are_taken() {
        for text in [
            "{'a': 'b',}",
            "{a: 1}",
            "[1,2,]",
            "{\"a\": \"x\ny\"}",
            " {} \n",
            "\"\\U0041\"",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_protobuf_refuses_is_refused() {
        let cases = [
            "",
            "{",
            "{} x",
            "{\"a\" 1}",
            "{\"a\": 1 \"b\": 2}",
            "[01]",
            "[1.]",
            "// x\n{}",
            "{1: 2}",
            "[,]",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\x\"",
            "nul",
            "[1,,2]",
            "\u{feff}{}",
        ];
        for text in cases {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn strings_and_numbers_keep_their_value_and_place() {
        let text = r#"{"k": "a\u00e9\ud83d\ude00", "n": [1, -2.5e3, 18446744073709551615]}"#;
        let node = read(text).unwrap();
        assert_eq!(node.get("k").unwrap().as_str(), Some("aé😀"));
        let numbers = node.get("n").unwrap();
        let kinds: Vec<String> = numbers
            .items()
            .unwrap()
            .iter()
            .map(|n| format!("{:?}", n.kind))
            .collect();
        assert_eq!(
            kinds,
            ["Int(1)", "Float(-2500.0)", "Uint(18446744073709551615)"]
        );
        let covered = &text[numbers.span.start as usize..numbers.span.end as usize];
        assert_eq!(covered, "[1, -2.5e3, 18446744073709551615]");
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        assert!(
            read(&"[".repeat(100_000))
                .unwrap_err()
                .contains("nested more than 100")
        );
    }
}
