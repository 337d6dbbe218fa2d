//! Bytes as values, in whatever pieces they come.

use super::{Value, inline};

/// What does not follow the protocol; nothing behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolError;

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes of a value, with all that it consists of.
    pub max_value_bytes: usize,
    /// The values in an array.
    pub max_elements: usize,
    /// Whether a command may be a line of words.
    pub allows_lines: bool,
}

const MAX_LINE_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 127;
/// The values of all arrays of a value, as in Envoy.
const MAX_ELEMENTS_IN_ALL: usize = 4 << 20;
const MAX_FRACTION_BYTES: usize = 64;
const MAX_LARGE_NUMBER_BYTES: usize = 16 * 1024;

/// Reads values one after another.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    bytes: Vec<u8>,
    /// How many of them are read.
    taken: usize,
    /// Where no end of a line was found yet.
    looked: usize,
    /// The arrays that are not complete, from the outermost.
    open: Vec<Open>,
    /// The length of the bytes that come next, if it is known.
    body: Option<Body>,
    /// The bytes of the outermost value so far.
    value_bytes: usize,
    /// The values that its arrays have or will have.
    elements: usize,
}

#[derive(Debug)]
struct Open {
    values: Vec<Value>,
    missing: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    /// A map or a set of version 3.
    Other,
    /// What comes unasked, whatever it is.
    Push,
    /// What stands before a value and says something of it.
    Attribute,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    length: usize,
    /// `$`, `!` or `=`.
    kind: u8,
}

/// What came of a piece.
enum Step {
    Value(Value),
    /// There is more to read.
    Going,
    /// More has to come.
    Short,
}

impl Decoder {
    /// A reader of what follows these limits.
    pub fn new(limits: Limits) -> Self {
        Decoder {
            limits,
            bytes: Vec::new(),
            taken: 0,
            looked: 0,
            open: Vec::new(),
            body: None,
            value_bytes: 0,
            elements: 0,
        }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that wait to be read.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether nothing of a value has come yet.
    pub fn is_between_values(&self) -> bool {
        self.waiting_bytes() == 0 && self.open.is_empty() && self.body.is_none()
    }

    /// The next value that is complete.
    ///
    /// # Errors
    /// [`ProtocolError`] when the rest cannot be read.
    pub fn next_value(&mut self) -> Result<Option<Value>, ProtocolError> {
        loop {
            let mut done = match self.step()? {
                Step::Value(value) => value,
                Step::Going => continue,
                Step::Short => return Ok(None),
            };
            loop {
                let Some(mut open) = self.open.pop() else {
                    (self.value_bytes, self.elements) = (0, 0);
                    return Ok(Some(done));
                };
                if matches!(open.kind, Kind::Array | Kind::Other) {
                    open.values.push(done);
                }
                open.missing -= 1;
                if open.missing > 0 {
                    self.open.push(open);
                    break;
                }
                done = match open.kind {
                    Kind::Array => Value::Array(open.values),
                    Kind::Other => Value::Other(Box::new(Value::Array(open.values))),
                    Kind::Push => Value::Push,
                    Kind::Attribute => break,
                };
            }
        }
    }

    fn step(&mut self) -> Result<Step, ProtocolError> {
        if let Some(body) = self.body {
            return self.take_body(body);
        }
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(&kind) = rest.first() else {
            return Ok(Step::Short);
        };
        let is_value = b"*$+-:%~>|_#,(!=".contains(&kind);
        if !(is_value || self.may_be_line() && is_of_line(kind)) {
            return Err(ProtocolError);
        }
        let is_number = b"*$:%~>|!=".contains(&kind);
        let Some(end) = end_of_line(rest, self.looked)? else {
            let from = self.looked.max(1);
            self.looked = rest.len().saturating_sub(1);
            let fresh = rest.get(from..).unwrap_or_default();
            let starts_well = !is_number || may_become_number(fresh, from == 1);
            return match rest.len() <= MAX_LINE_BYTES && starts_well {
                true => Ok(Step::Short),
                false => Err(ProtocolError),
            };
        };
        let line = rest.get(..end).unwrap_or_default();
        if line.len() > MAX_LINE_BYTES {
            return Err(ProtocolError);
        }
        if !is_value {
            let words = inline::words(line)?;
            self.take(end + 2)?;
            let words = words.into_iter().map(Value::Bulk);
            return Ok(Step::Value(Value::Array(words.collect())));
        }
        let text = line.get(1..).unwrap_or_default();
        let step = match kind {
            b'+' => Step::Value(Value::Simple(text.to_vec())),
            b'-' => Step::Value(Value::Error(text.to_vec())),
            b'_' if text.is_empty() => Step::Value(Value::Null),
            b'#' | b',' | b'(' => Step::Value(of_version_3(kind, text).ok_or(ProtocolError)?),
            b'_' => return Err(ProtocolError),
            _ => {
                let number = number(text).ok_or(ProtocolError)?;
                self.begin(kind, number)?
            }
        };
        self.take(end + 2)?;
        Ok(step)
    }

    /// Whether a command begins here that may be a line; behind an attribute it may not.
    fn may_be_line(&self) -> bool {
        self.limits.allows_lines && self.open.is_empty() && self.value_bytes == 0
    }

    /// What begins with a length, or is a number.
    fn begin(&mut self, kind: u8, number: Number) -> Result<Step, ProtocolError> {
        if kind == b':' {
            return Ok(Step::Value(Value::Integer(number.value)));
        }
        if number.is_negative {
            // A null of version 2; no other length is negative, not even `-0`.
            return match (kind, number.value) {
                (b'$' | b'*', -1) => Ok(Step::Value(Value::Null)),
                _ => Err(ProtocolError),
            };
        }
        let length = usize::try_from(number.value).map_err(|_| ProtocolError)?;
        if matches!(kind, b'$' | b'!' | b'=') {
            if length > self.limits.max_value_bytes {
                return Err(ProtocolError);
            }
            self.body = Some(Body { length, kind });
            return Ok(Step::Going);
        }
        let (kind, missing) = match kind {
            b'*' => (Kind::Array, length),
            b'%' => (Kind::Other, length.saturating_mul(2)),
            b'|' => (Kind::Attribute, length.saturating_mul(2)),
            b'>' if self.open.is_empty() => (Kind::Push, length),
            _ => (Kind::Other, length),
        };
        self.elements = self.elements.saturating_add(missing);
        if missing > self.limits.max_elements
            || self.elements > MAX_ELEMENTS_IN_ALL
            || self.open.len() >= MAX_DEPTH
        {
            return Err(ProtocolError);
        }
        if missing > 0 {
            self.open.push(Open {
                values: Vec::new(),
                missing,
                kind,
            });
            return Ok(Step::Going);
        }
        Ok(match kind {
            Kind::Array => Step::Value(Value::Array(Vec::new())),
            Kind::Other => Step::Value(Value::Other(Box::new(Value::Array(Vec::new())))),
            Kind::Push => Step::Value(Value::Push),
            Kind::Attribute => Step::Going,
        })
    }

    fn take_body(&mut self, body: Body) -> Result<Step, ProtocolError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let end = rest.get(body.length..).unwrap_or_default();
        match end {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(Step::Short),
            _ => return Err(ProtocolError),
        }
        let text = rest.get(..body.length).unwrap_or_default();
        let value = match body.kind {
            b'$' => Value::Bulk(text.to_vec()),
            // What says of what kind it is: three letters and a colon.
            b'=' => match text.split_at_checked(4) {
                Some(([_, _, _, b':'], text)) => Value::Other(Box::new(Value::bulk(text))),
                _ => return Err(ProtocolError),
            },
            // It may have several lines, and goes on as an error of version 2, which is one.
            _ => Value::Error(in_one_line(text)),
        };
        self.body = None;
        self.take(body.length + 2)?;
        Ok(Step::Value(value))
    }

    fn take(&mut self, count: usize) -> Result<(), ProtocolError> {
        self.taken += count;
        self.looked = 0;
        self.value_bytes += count;
        match self.value_bytes > self.limits.max_value_bytes.saturating_add(MAX_LINE_BYTES) {
            true => Err(ProtocolError),
            false => Ok(()),
        }
    }
}

/// Where a line ends, before its `\r\n`; nothing before `from` has to be looked at. A `\r` stands nowhere else.
fn end_of_line(bytes: &[u8], from: usize) -> Result<Option<usize>, ProtocolError> {
    let rest = bytes.get(from..).unwrap_or_default();
    let Some(found) = memchr::memchr(b'\r', rest) else {
        return Ok(None);
    };
    match rest.get(found + 1) {
        Some(b'\n') => Ok(Some(from + found)),
        Some(_) => Err(ProtocolError),
        None => Ok(None),
    }
}

/// Whether a command that is a line may begin so.
fn is_of_line(first: u8) -> bool {
    first.is_ascii_alphanumeric() || inline::is_blank(first) || matches!(first, b'"' | b'\'')
}

/// Whether what has come of a number may go on to be one. Only what `is_first` may have a sign.
fn may_become_number(text: &[u8], is_first: bool) -> bool {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let unsigned = text.strip_prefix(b"-").filter(|_| is_first);
    unsigned.unwrap_or(text).iter().all(u8::is_ascii_digit)
}

/// A text without control characters.
fn in_one_line(text: &[u8]) -> Vec<u8> {
    let printable = |byte: &u8| if byte.is_ascii_control() { b' ' } else { *byte };
    text.iter().map(printable).collect()
}

/// A number, and whether it has a sign, which `-0` has too.
#[derive(Clone, Copy)]
struct Number {
    value: i64,
    is_negative: bool,
}

fn number(text: &[u8]) -> Option<Number> {
    let (is_negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        value = value.checked_mul(10)?;
        value = match is_negative {
            true => value.checked_sub(digit)?,
            false => value.checked_add(digit)?,
        };
    }
    Some(Number { value, is_negative })
}

/// A truth value (`#`), a number with a fraction (`,`) or one of any length (`(`).
fn of_version_3(kind: u8, text: &[u8]) -> Option<Value> {
    let is_well = match (kind, text) {
        (b'#', b"t") => return Some(Value::Other(Box::new(Value::Integer(1)))),
        (b'#', b"f") => return Some(Value::Other(Box::new(Value::Integer(0)))),
        (b',', _) => text.len() <= MAX_FRACTION_BYTES && is_fraction(text),
        (b'(', _) if text.len() > MAX_LARGE_NUMBER_BYTES => false,
        (b'(', _) => {
            let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+"));
            let digits = digits.unwrap_or(text);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    is_well.then(|| Value::Other(Box::new(Value::bulk(text))))
}

fn is_fraction(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse::<f64>().is_ok()
}
