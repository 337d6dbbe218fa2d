//! Decoding blocks of headers, a field at a time and as far as they are there.

use nuncio_contract::headers::Known;

use super::static_table::{STATIC_TABLE, StaticEntry};
use crate::header_block::{CodingError, Field, Judge, Reading, Text, integer, known_exactly};

/// Why a block cannot be decoded further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http3) enum DecodeError {
    /// It makes no sense; in Envoy's words.
    Coding(&'static str),
    /// A name or a value is longer than allowed.
    TooLong,
}

impl From<CodingError> for DecodeError {
    fn from(_: CodingError) -> Self {
        Self::Coding("Encoded integer too large.")
    }
}

const BAD_HUFFMAN: DecodeError = DecodeError::Coding("Error in Huffman-encoded string.");
const NO_DYNAMIC: DecodeError = DecodeError::Coding("Invalid relative index.");
const BEYOND_REQUIRED: DecodeError =
    DecodeError::Coding("Absolute Index must be smaller than Required Insert Count.");

/// Decodes one block.
#[derive(Debug)]
pub(in crate::http3) struct Decoder {
    judge: Judge,
    max_text_bytes: usize,
    has_prefix: bool,
    scratch: Vec<u8>,
}

/// Where the name of a literal comes from.
enum Name {
    Static(&'static StaticEntry),
    Text(Text),
}

impl Decoder {
    /// Names and values are at most `max_text_bytes` long.
    pub(in crate::http3) fn new(max_text_bytes: usize, judge: Judge) -> Self {
        Self {
            judge,
            max_text_bytes,
            has_prefix: false,
            scratch: Vec::new(),
        }
    }

    /// Whether the prefix of the block has been read.
    pub(in crate::http3) fn has_prefix(&self) -> bool {
        self.has_prefix
    }

    /// Decodes the next field and hands it out; how many bytes it took, nothing when it is not all there.
    pub(in crate::http3) fn next(
        &mut self,
        input: &[u8],
        sink: impl FnOnce(Field<'_>),
    ) -> Result<usize, DecodeError> {
        if !self.has_prefix {
            return self.prefix(input);
        }
        let Some(first) = input.first() else {
            return Ok(0);
        };
        match first {
            0xc0.. => self.indexed(input, sink),
            0x80.. => Err(NO_DYNAMIC),
            0x50..0x60 | 0x70..0x80 => self.literal(input, sink),
            0x40.. => Err(NO_DYNAMIC),
            0x20.. => self.literal(input, sink),
            _ => Err(BEYOND_REQUIRED),
        }
    }

    /// The count of insertions that are needed, and where indices count from.
    fn prefix(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        match input.first() {
            None => return Ok(0),
            Some(0) => {}
            Some(_) => {
                return Err(DecodeError::Coding("Error decoding Required Insert Count."));
            }
        }
        let base = input.get(1..).unwrap_or_default();
        let Some((_, taken)) = integer::read(base, 7)? else {
            return Ok(0);
        };
        if base.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(DecodeError::Coding("Error calculating Base."));
        }
        self.has_prefix = true;
        Ok(1 + taken)
    }

    fn indexed(
        &mut self,
        input: &[u8],
        sink: impl FnOnce(Field<'_>),
    ) -> Result<usize, DecodeError> {
        let Some((index, taken)) = integer::read(input, 6)? else {
            return Ok(0);
        };
        let entry = entry(index)?;
        sink(Field {
            known: entry.known,
            name: entry.name,
            value: entry.value,
            // An empty `:path` or `:authority` is judged like any other.
            valid: !entry.value.is_empty() || (self.judge)(entry.known, entry.name, entry.value),
        });
        Ok(taken)
    }

    fn literal(
        &mut self,
        input: &[u8],
        sink: impl FnOnce(Field<'_>),
    ) -> Result<usize, DecodeError> {
        let mut at = 0;
        let name = match input.first() {
            Some(0x40..) => {
                let Some((index, taken)) = integer::read(input, 4)? else {
                    return Ok(0);
                };
                at = taken;
                Name::Static(entry(index)?)
            }
            _ => match self.text(input, &mut at, 3)? {
                Some(name) => Name::Text(name),
                None => return Ok(0),
            },
        };
        // Nothing is decoded before all is there, so that a header that comes in many pieces is decoded once.
        let Some(value) = self.text(input, &mut at, 7)? else {
            return Ok(0);
        };
        self.scratch.clear();
        let (known, name) = match name {
            Name::Static(entry) => (entry.known, Err(entry.name)),
            Name::Text(text) => {
                let text = text.decode(input, &mut self.scratch);
                let text = text.map_err(|_| BAD_HUFFMAN)?;
                (known_exactly(text.get(input, &self.scratch)), Ok(text))
            }
        };
        let value = value.decode(input, &mut self.scratch);
        let value = value.map_err(|_| BAD_HUFFMAN)?;
        let name = match name {
            Ok(text) => text.get(input, &self.scratch),
            Err(name) => name,
        };
        let value = value.get(input, &self.scratch);
        sink(field(known, name, value, self.judge));
        Ok(at)
    }

    fn text(
        &self,
        input: &[u8],
        at: &mut usize,
        prefix_bits: u32,
    ) -> Result<Option<Text>, DecodeError> {
        match Text::read(input, at, prefix_bits, self.max_text_bytes)? {
            Reading::Whole(text) => Ok(Some(text)),
            Reading::CutOff => Ok(None),
            Reading::TooLong => Err(DecodeError::TooLong),
        }
    }
}

fn field<'a>(known: Option<Known>, name: &'a [u8], value: &'a [u8], judge: Judge) -> Field<'a> {
    Field {
        known,
        name,
        value,
        valid: judge(known, name, value),
    }
}

fn entry(index: usize) -> Result<&'static StaticEntry, DecodeError> {
    let missing = DecodeError::Coding("Static table entry not found.");
    STATIC_TABLE.get(index).ok_or(missing)
}
