//! Decoding header blocks, a field at a time and as far as they are there.

use nuncio_contract::headers::Known;

use super::static_table::{STATIC_LEN, STATIC_TABLE};
use super::table::{Table, TableField};
use crate::header_block::{CodingError, Field, Judge, Reading, Text, integer, known_exactly};

/// The decoder of one direction of a connection.
pub(in crate::http2) struct Decoder {
    table: Table,
    judge: Judge,
    /// What the peer may make of its table now.
    allowed_size: usize,
    /// What our SETTINGS allow, whether or not the peer has read them.
    wanted_size: usize,
    max_text_bytes: usize,
    /// Whether a table size update may come now: only in front of the first field of a block.
    at_start: bool,
    scratch: Vec<u8>,
}

const STATIC_IS_VALID: bool = true;
/// The size of a table before SETTINGS say otherwise (RFC 9113 section 6.5.2).
const USUAL_SIZE: usize = 4096;

impl Decoder {
    /// `allowed_size` is what our SETTINGS say of the table; names and values are at most `max_text_bytes` long.
    pub(in crate::http2) fn new(allowed_size: usize, max_text_bytes: usize, judge: Judge) -> Self {
        Self {
            // Whatever we allow, the peer's table has the usual size until it has read our SETTINGS, and may be smaller
            // than what we allow until it says otherwise.
            table: Table::new(USUAL_SIZE),
            judge,
            allowed_size: allowed_size.max(USUAL_SIZE),
            wanted_size: allowed_size,
            max_text_bytes,
            at_start: true,
            scratch: Vec::new(),
        }
    }

    /// The peer has read our SETTINGS.
    pub(in crate::http2) fn settings_acknowledged(&mut self) {
        self.allowed_size = self.wanted_size;
    }

    /// Begins a new header block.
    pub(in crate::http2) fn begin_block(&mut self) {
        self.at_start = true;
    }

    /// Decodes the fields that are complete and hands them out; how many bytes they took. What is left of a block
    /// comes again with more behind it.
    pub(in crate::http2) fn decode(
        &mut self,
        input: &[u8],
        mut sink: impl FnMut(Field<'_>),
    ) -> Result<usize, CodingError> {
        let mut at = 0;
        while let Some(first) = input.get(at) {
            let rest = input.get(at..).unwrap_or_default();
            let taken = match first {
                0x80.. => self.indexed(rest, &mut sink)?,
                0x20..0x40 => self.size_update(rest)?,
                _ => self.literal(rest, *first, &mut sink)?,
            };
            match taken {
                Some(taken) => at += taken,
                None => break,
            }
        }
        Ok(at)
    }

    /// No size update may come any more in this block; one must have come if our SETTINGS want a smaller table.
    #[inline]
    fn begin_field(&mut self) -> Result<(), CodingError> {
        self.at_start = false;
        match self.table.max_size() > self.allowed_size {
            true => Err(CodingError("the table is larger than allowed")),
            false => Ok(()),
        }
    }

    #[inline]
    fn indexed(
        &mut self,
        input: &[u8],
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<usize>, CodingError> {
        let Some((index, taken)) = integer::read(input, 7)? else {
            return Ok(None);
        };
        self.begin_field()?;
        let field = self.entry(index)?;
        sink(Field {
            known: field.known,
            name: field.name,
            value: field.value,
            valid: field.valid,
        });
        Ok(Some(taken))
    }

    #[inline]
    fn entry(&self, index: usize) -> Result<TableField<'_>, CodingError> {
        if let Some(entry) = index.checked_sub(1).and_then(|at| STATIC_TABLE.get(at)) {
            return Ok(TableField {
                known: entry.known,
                name: entry.name,
                value: entry.value,
                // An empty `:path` or `:authority` is judged like any other.
                valid: if entry.value.is_empty() {
                    (self.judge)(entry.known, entry.name, entry.value)
                } else {
                    STATIC_IS_VALID
                },
            });
        }
        index
            .checked_sub(STATIC_LEN + 1)
            .and_then(|index| self.table.get(index))
            .ok_or(CodingError("an index points beyond the tables"))
    }

    fn size_update(&mut self, input: &[u8]) -> Result<Option<usize>, CodingError> {
        let Some((size, taken)) = integer::read(input, 5)? else {
            return Ok(None);
        };
        if !self.at_start {
            return Err(CodingError("a table size update stands between headers"));
        }
        if size > self.allowed_size {
            return Err(CodingError("a table is made larger than allowed"));
        }
        self.table.set_max_size(size);
        Ok(Some(taken))
    }

    fn literal(
        &mut self,
        input: &[u8],
        first: u8,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<usize>, CodingError> {
        let is_indexed = first >= 0x40;
        let prefix_bits = if is_indexed { 6 } else { 4 };
        let Some((index, mut at)) = integer::read(input, prefix_bits)? else {
            return Ok(None);
        };
        // Out of `self`, so that what is borrowed from it does not hinder the table.
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let done = self.literal_parts(input, index, &mut at, &mut scratch);
        let done = match done {
            Ok(Some((known, name, value))) => {
                let name = name.get(input, &scratch);
                let value = value.get(input, &scratch);
                let valid = (self.judge)(known, name, value);
                self.begin_field()?;
                sink(Field {
                    known,
                    name,
                    value,
                    valid,
                });
                if is_indexed {
                    self.table.insert(TableField {
                        known,
                        name,
                        value,
                        valid,
                    });
                }
                Ok(Some(at))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.scratch = scratch;
        done
    }

    /// The name's number, name and value of a literal; `at` is moved behind them.
    fn literal_parts(
        &self,
        input: &[u8],
        index: usize,
        at: &mut usize,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<(Option<Known>, Text, Text)>, CodingError> {
        let name = match index {
            0 => match self.text(input, at)? {
                Some(name) => Some(name),
                None => return Ok(None),
            },
            _ => None,
        };
        // Nothing is decoded before all is there, so that a header that comes in many pieces is decoded once.
        let Some(value) = self.text(input, at)? else {
            return Ok(None);
        };
        let (known, name) = match name {
            Some(name) => {
                let name = name.decode(input, scratch)?;
                (known_exactly(name.get(input, scratch)), name)
            }
            None => {
                let entry = self.entry(index)?;
                scratch.extend_from_slice(entry.name);
                (entry.known, Text::Decoded(0, entry.name.len()))
            }
        };
        Ok(Some((known, name, value.decode(input, scratch)?)))
    }

    /// The text that stands at `at`, which is moved behind it; `None` when it is not all there.
    #[inline]
    fn text(&self, input: &[u8], at: &mut usize) -> Result<Option<Text>, CodingError> {
        match Text::read(input, at, 7, self.max_text_bytes)? {
            Reading::Whole(text) => Ok(Some(text)),
            Reading::CutOff => Ok(None),
            Reading::TooLong => Err(CodingError("a name or a value is longer than allowed")),
        }
    }
}
