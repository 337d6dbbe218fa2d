//! The parser: a stack of what is expected, so that depth costs no stack of the thread. What can't be decided before
//! more comes is kept and looked at again.

use super::escape::{self, Escape};
use super::{Events, MAX_DEPTH, MAX_TOKEN_BYTES, Scalar, Shape, number};

/// How much of the text is shown with an error, before the place and behind it.
const CONTEXT_BYTES: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    /// A name, or the end of the object.
    Entry,
    /// A colon.
    EntryMiddle,
    /// A comma, or the end of the object.
    ObjectMiddle,
    /// A value, or the end of the list.
    ArrayValue,
    /// A comma, or the end of the list.
    ArrayMiddle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    String,
    Number,
    True,
    False,
    Null,
    OpenObject,
    CloseObject,
    OpenArray,
    CloseArray,
    Colon,
    Comma,
    Key,
    Unknown,
}

/// Why a step was not made.
enum Stop {
    /// More must come.
    Wait,
    /// It is wrong.
    Wrong(String),
}

/// Takes JSON apart, piece by piece.
#[derive(Debug)]
pub struct Parser {
    stack: Vec<Expected>,
    /// What could not be decided yet.
    kept: Vec<u8>,
    /// The quote that ends the string that is being read.
    quote: Option<u8>,
    /// What has come of it.
    text: Vec<u8>,
    /// The name of the value to come.
    key: Vec<u8>,
    depth: usize,
    is_finishing: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Parser {
            stack: vec![Expected::Value],
            kept: Vec::new(),
            quote: None,
            text: Vec::new(),
            key: Vec::new(),
            depth: 0,
            is_finishing: false,
        }
    }
}

impl Parser {
    /// How many bytes of a string or another token are held.
    pub fn held_bytes(&self) -> usize {
        self.kept.len() + self.text.len() + self.key.len()
    }

    /// The next piece; what is wrong with it.
    pub fn feed(&mut self, chunk: &[u8], events: &mut impl Events) -> Result<(), String> {
        let mut json = std::mem::take(&mut self.kept);
        json.extend_from_slice(chunk);
        let (valid, is_cut) = match str::from_utf8(&json) {
            Ok(_) => (json.len(), true),
            Err(error) => (error.valid_up_to(), error.error_len().is_none()),
        };
        let read = self.run(json.get(..valid).unwrap_or_default(), events)?;
        json.drain(..read);
        if !is_cut {
            return Err(failure("Encountered non UTF-8 code points.", &json, 0));
        }
        if json.len() > MAX_TOKEN_BYTES {
            return Err(failure("Unexpected token.", &json, 0));
        }
        self.kept = json;
        Ok(())
    }

    /// Nothing more comes.
    pub fn finish(&mut self, events: &mut impl Events) -> Result<(), String> {
        self.is_finishing = true;
        let json = std::mem::take(&mut self.kept);
        if str::from_utf8(&json).is_err() {
            return Err(failure("Encountered non UTF-8 code points.", &json, 0));
        }
        self.run(&json, events).map(|_| ())
    }

    /// Reads what can be read, and says how much that is.
    fn run(&mut self, json: &[u8], events: &mut impl Events) -> Result<usize, String> {
        let mut cursor = Cursor { json, at: 0 };
        while let Some(expected) = self.stack.pop() {
            let token = match self.quote {
                Some(_) => Token::String,
                None => cursor.token(),
            };
            match self.step(expected, token, &mut cursor, events) {
                Ok(()) => {}
                Err(Stop::Wait) => {
                    self.stack.push(expected);
                    return Ok(cursor.at);
                }
                Err(Stop::Wrong(text)) => return Err(text),
            }
        }
        cursor.skip_blanks();
        if cursor.rest().is_empty() {
            return Ok(cursor.at);
        }
        Err(failure(
            "Parsing terminated before end of input.",
            json,
            cursor.at,
        ))
    }

    fn step(
        &mut self,
        expected: Expected,
        token: Token,
        cursor: &mut Cursor<'_>,
        events: &mut impl Events,
    ) -> Result<(), Stop> {
        match (expected, token) {
            (Expected::Value, _) => self.value(token, cursor, events),
            (Expected::Entry, _) => self.entry(token, cursor, events),
            (Expected::EntryMiddle, Token::Colon) => {
                self.stack.push(Expected::Value);
                cursor.advance();
                Ok(())
            }
            (Expected::EntryMiddle, _) => {
                Err(self.unexpected(token, "Expected : between key:value pair.", cursor))
            }
            (Expected::ObjectMiddle, Token::Comma) => {
                self.stack.push(Expected::Entry);
                cursor.advance();
                Ok(())
            }
            (Expected::ObjectMiddle, Token::CloseObject) => {
                self.close(Shape::Object, cursor, events)
            }
            (Expected::ObjectMiddle, _) => {
                Err(self.unexpected(token, "Expected , or } after key:value pair.", cursor))
            }
            (Expected::ArrayValue, Token::CloseArray)
            | (Expected::ArrayMiddle, Token::CloseArray) => self.close(Shape::List, cursor, events),
            (Expected::ArrayValue, Token::Unknown) => {
                Err(self.unexpected(token, "Expected a value or ] within an array.", cursor))
            }
            (Expected::ArrayValue, _) => {
                self.stack.push(Expected::ArrayMiddle);
                let result = self.value(token, cursor, events);
                if matches!(result, Err(Stop::Wait)) {
                    self.stack.pop();
                }
                result
            }
            (Expected::ArrayMiddle, Token::Comma) => {
                self.stack.push(Expected::ArrayValue);
                cursor.advance();
                Ok(())
            }
            (Expected::ArrayMiddle, _) => {
                Err(self.unexpected(token, "Expected , or ] after array value.", cursor))
            }
        }
    }

    fn close(
        &mut self,
        shape: Shape,
        cursor: &mut Cursor<'_>,
        events: &mut impl Events,
    ) -> Result<(), Stop> {
        cursor.advance();
        self.depth -= 1;
        events.close(shape);
        Ok(())
    }

    /// What does not belong here; where it is no token at all, more may have to come.
    fn unexpected(&self, token: Token, words: &str, cursor: &Cursor<'_>) -> Stop {
        if token != Token::Unknown {
            return cursor.wrong(words);
        }
        if !self.is_finishing {
            return Stop::Wait;
        }
        match cursor.rest().is_empty() {
            true => cursor.wrong(&format!("Unexpected end of string. {words}")),
            false => cursor.wrong(words),
        }
    }

    fn name(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.key)).into_owned()
    }

    fn value(
        &mut self,
        token: Token,
        cursor: &mut Cursor<'_>,
        events: &mut impl Events,
    ) -> Result<(), Stop> {
        let scalar = match token {
            Token::OpenObject => return self.open(Shape::Object, cursor, events),
            Token::OpenArray => return self.open(Shape::List, cursor, events),
            Token::String => {
                self.string(cursor)?;
                let text = std::mem::take(&mut self.text);
                events.scalar(&self.name(), Scalar::Text(&text));
                return Ok(());
            }
            Token::Number => self.number(cursor)?,
            Token::True => {
                cursor.at += 4;
                Scalar::Bool(true)
            }
            Token::False => {
                cursor.at += 5;
                Scalar::Bool(false)
            }
            Token::Null => {
                cursor.at += 4;
                Scalar::Null
            }
            Token::Unknown => return Err(self.unexpected(token, "Expected a value.", cursor)),
            // A word may not have come whole.
            _ if !self.is_finishing && cursor.rest().len() < "false".len() => {
                return Err(Stop::Wait);
            }
            _ => return Err(cursor.wrong("Unexpected token.")),
        };
        events.scalar(&self.name(), scalar);
        Ok(())
    }

    fn open(
        &mut self,
        shape: Shape,
        cursor: &mut Cursor<'_>,
        events: &mut impl Events,
    ) -> Result<(), Stop> {
        cursor.advance();
        let name = self.name();
        events.open(&name, shape);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let place = match name.is_empty() {
                true => "in array".to_owned(),
                false => format!("for key '{name}'"),
            };
            return Err(Stop::Wrong(format!(
                "Message too deep. Max recursion depth reached {place}"
            )));
        }
        self.stack.push(match shape {
            Shape::Object => Expected::Entry,
            Shape::List => Expected::ArrayValue,
        });
        Ok(())
    }

    fn entry(
        &mut self,
        token: Token,
        cursor: &mut Cursor<'_>,
        events: &mut impl Events,
    ) -> Result<(), Stop> {
        match token {
            Token::CloseObject => return self.close(Shape::Object, cursor, events),
            Token::String => {
                self.string(cursor)?;
                self.key = std::mem::take(&mut self.text);
            }
            Token::Key | Token::Null | Token::True | Token::False => {
                let rest = cursor.rest();
                let length = rest.iter().position(|byte| !is_key_byte(*byte));
                let length = match length {
                    Some(length) => length,
                    None if !self.is_finishing => return Err(Stop::Wait),
                    None => rest.len(),
                };
                self.key = rest.get(..length).unwrap_or_default().to_vec();
                cursor.at += length;
            }
            _ => return Err(self.unexpected(token, "Expected an object key or }.", cursor)),
        }
        self.stack.push(Expected::ObjectMiddle);
        self.stack.push(Expected::EntryMiddle);
        Ok(())
    }

    fn number(&mut self, cursor: &mut Cursor<'_>) -> Result<Scalar<'static>, Stop> {
        let (length, is_floating) = number::extent(cursor.rest());
        if length == cursor.rest().len() && !self.is_finishing {
            return Err(Stop::Wait);
        }
        let number = cursor.rest().get(..length).unwrap_or_default();
        let value = number::value(number, is_floating).map_err(|words| cursor.wrong(words))?;
        cursor.at += length;
        Ok(value)
    }

    /// Reads a string up to its end into `text`.
    fn string(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        const OPEN_END: &str = "Closing quote expected in string.";
        let quote = match self.quote {
            Some(quote) => quote,
            None => {
                let quote = cursor.rest().first().copied().unwrap_or(b'"');
                cursor.advance();
                self.quote = Some(quote);
                quote
            }
        };
        loop {
            let rest = cursor.rest();
            let plain = rest
                .iter()
                .position(|byte| *byte == b'\\' || *byte == quote);
            let (plain, special) = rest.split_at(plain.unwrap_or(rest.len()));
            self.text.extend_from_slice(plain);
            cursor.at += plain.len();
            match special {
                [first, ..] if *first == quote => {
                    cursor.advance();
                    self.quote = None;
                    return Ok(());
                }
                [_, b'u', ..] => self.unicode(special, cursor)?,
                [_, escaped, ..] => {
                    // Of a longer character only the first byte is looked at; the rest follows as plain text.
                    self.text.push(match escaped {
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'v' => 11,
                        other => *other,
                    });
                    cursor.at += 2;
                }
                _ if !self.is_finishing => return Err(Stop::Wait),
                _ => return Err(cursor.wrong(OPEN_END)),
            }
        }
    }

    fn unicode(&mut self, special: &[u8], cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        match escape::unicode(special) {
            Escape::Character(character, length) => {
                let mut utf8 = [0; 4];
                let utf8 = character.encode_utf8(&mut utf8);
                self.text.extend_from_slice(utf8.as_bytes());
                cursor.at += length;
                Ok(())
            }
            Escape::CutShort(_) if !self.is_finishing => Err(Stop::Wait),
            Escape::CutShort(words) | Escape::Wrong(words) => Err(cursor.wrong(words)),
        }
    }
}

struct Cursor<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.json.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest().iter().take_while(|byte| is_blank(**byte));
        self.at += blanks.count();
    }

    fn token(&mut self) -> Token {
        self.skip_blanks();
        match self.rest() {
            [b'"' | b'\'', ..] => Token::String,
            [b'-' | b'0'..=b'9', ..] => Token::Number,
            [b't', b'r', b'u', b'e', ..] => Token::True,
            [b'f', b'a', b'l', b's', b'e', ..] => Token::False,
            [b'n', b'u', b'l', b'l', ..] => Token::Null,
            [b'{', ..] => Token::OpenObject,
            [b'}', ..] => Token::CloseObject,
            [b'[', ..] => Token::OpenArray,
            [b']', ..] => Token::CloseArray,
            [b':', ..] => Token::Colon,
            [b',', ..] => Token::Comma,
            [first, ..] if is_key_byte(*first) && !first.is_ascii_digit() => Token::Key,
            _ => Token::Unknown,
        }
    }

    fn wrong(&self, words: &str) -> Stop {
        Stop::Wrong(failure(words, self.json, self.at))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// What is wrong, with the text around it and a mark below.
fn failure(words: &str, json: &[u8], at: usize) -> String {
    let begin = at.saturating_sub(CONTEXT_BYTES);
    let end = at.saturating_add(CONTEXT_BYTES).min(json.len());
    let shown = String::from_utf8_lossy(json.get(begin..end).unwrap_or_default());
    let blanks = " ".repeat(at - begin);
    format!("{words}\n{shown}\n{blanks}^")
}
