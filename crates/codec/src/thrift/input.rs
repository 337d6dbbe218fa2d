//! Bytes that are read from the front, as far as they are there.

use super::{DecodeError, Read};

/// Bytes that may go on later: what is not there yet is none, and nothing is taken then by whoever keeps its own copy.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    /// How much was taken.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A number of varying length, of `most` bytes at most; what does not fit in 64 bits is lost.
    fn varint(&mut self, most: usize, what: &str) -> Read<u64> {
        let mut value = 0_u64;
        for place in 0..most {
            let Some(byte) = self.byte() else {
                return Ok(None);
            };
            let shift = u32::try_from(place * 7).unwrap_or(u32::MAX);
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Err(DecodeError::new(format!("invalid compact protocol {what}")))
    }

    /// What does not fit is lost, as in Envoy.
    pub(super) fn varint_i32(&mut self) -> Read<i32> {
        let value = self.varint(5, "varint i32")?;
        Ok(value.map(low_i32))
    }

    pub(super) fn zigzag_i32(&mut self) -> Read<i32> {
        let value = self.varint(5, "zig-zag i32")?;
        Ok(value.map(|value| {
            let value = low_i32(value).cast_unsigned();
            (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
        }))
    }

    pub(super) fn zigzag_i64(&mut self) -> Read<i64> {
        let value = self.varint(10, "zig-zag i64")?;
        Ok(value.map(|value| (value >> 1).cast_signed() ^ -((value & 1).cast_signed())))
    }
}

fn low_i32(value: u64) -> i32 {
    u32::try_from(value & 0xffff_ffff)
        .unwrap_or_default()
        .cast_signed()
}

/// Writes a number of varying length.
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

pub(super) fn write_varint_i32(value: i32, out: &mut Vec<u8>) {
    write_varint(u64::from(value.cast_unsigned()), out);
}

pub(super) fn write_zigzag(value: i64, out: &mut Vec<u8>) {
    write_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}
