//! Integers with a prefix (RFC 7541 section 5.1).

use super::CodingError;

/// Most bytes after the prefix. Five hold 32 bits and more; zeros in front of them are nothing but effort.
const MAX_MORE_BYTES: usize = 5;

/// Reads the integer whose prefix has `prefix_bits` bits at the start of `input`: it and the bytes it takes. `None`
/// when it is not all there.
#[inline]
pub(crate) fn read(input: &[u8], prefix_bits: u32) -> Result<Option<(usize, usize)>, CodingError> {
    let Some((first, rest)) = input.split_first() else {
        return Ok(None);
    };
    let prefix = (1u8 << prefix_bits) - 1;
    match first & prefix {
        small if small < prefix => Ok(Some((usize::from(small), 1))),
        _ => read_more(rest, prefix),
    }
}

fn read_more(rest: &[u8], prefix: u8) -> Result<Option<(usize, usize)>, CodingError> {
    let mut value = u64::from(prefix);
    for (at, byte) in rest.iter().take(MAX_MORE_BYTES).enumerate() {
        value += u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return match u32::try_from(value) {
                Ok(value) => Ok(Some((value as usize, at + 2))),
                Err(_) => Err(CodingError("an integer is too large")),
            };
        }
    }
    match rest.len() < MAX_MORE_BYTES {
        true => Ok(None),
        false => Err(CodingError("an integer is too long")),
    }
}

/// Appends an integer; `first` has the bits in front of the prefix.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, first: u8, prefix_bits: u32, value: usize) {
    let prefix = (1u8 << prefix_bits) - 1;
    match u8::try_from(value) {
        Ok(small) if small < prefix => out.push(first | small),
        _ => write_more(out, first | prefix, value - usize::from(prefix)),
    }
}

fn write_more(out: &mut Vec<u8>, first: u8, mut rest: usize) {
    out.push(first);
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
