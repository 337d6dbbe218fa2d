//! Texts in header blocks: a length, whose first byte says whether Huffman's code is used, and the bytes.

use super::{CodingError, huffman, integer};

/// Where a text lies: in the block, plain or coded, or decoded in a scratch.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    Plain(usize, usize),
    Coded(usize, usize),
    Decoded(usize, usize),
}

/// What there is of a text.
pub(crate) enum Reading {
    Whole(Text),
    /// It is not all there.
    CutOff,
    TooLong,
}

impl Text {
    /// The text that stands at `at`, which is moved behind it. The bit above the prefix of its length says whether it is
    /// coded.
    #[inline]
    pub(crate) fn read(
        input: &[u8],
        at: &mut usize,
        prefix_bits: u32,
        max_bytes: usize,
    ) -> Result<Reading, CodingError> {
        let rest = input.get(*at..).unwrap_or_default();
        let Some((len, taken)) = integer::read(rest, prefix_bits)? else {
            return Ok(Reading::CutOff);
        };
        if len > max_bytes {
            return Ok(Reading::TooLong);
        }
        let (start, end) = (*at + taken, *at + taken + len);
        if end > input.len() {
            return Ok(Reading::CutOff);
        }
        *at = end;
        let is_coded = rest
            .first()
            .is_some_and(|first| first >> prefix_bits & 1 == 1);
        Ok(Reading::Whole(match is_coded {
            true => Text::Coded(start, end),
            false => Text::Plain(start, end),
        }))
    }

    #[inline]
    pub(crate) fn decode(self, input: &[u8], scratch: &mut Vec<u8>) -> Result<Text, CodingError> {
        let Text::Coded(start, end) = self else {
            return Ok(self);
        };
        let decoded_start = scratch.len();
        huffman::decode(input.get(start..end).unwrap_or_default(), scratch)?;
        Ok(Text::Decoded(decoded_start, scratch.len()))
    }

    #[inline]
    pub(crate) fn get<'a>(self, input: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        match self {
            Text::Plain(start, end) | Text::Coded(start, end) => input.get(start..end),
            Text::Decoded(start, end) => scratch.get(start..end),
        }
        .unwrap_or_default()
    }
}

/// Appends a text, coded if that is shorter and wished for. `first` has the bits above the coding's bit.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, first: u8, prefix_bits: u32, text: &[u8], may_code: bool) {
    let coded_len = huffman::coded_len(text);
    if coded_len < text.len() && may_code {
        integer::write(out, first | 1 << prefix_bits, prefix_bits, coded_len);
        huffman::encode(text, out);
    } else {
        integer::write(out, first, prefix_bits, text.len());
        out.extend_from_slice(text);
    }
}
