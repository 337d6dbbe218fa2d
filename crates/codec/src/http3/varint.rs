//! QUIC's integers of variable length (RFC 9000 section 16).

/// The largest one.
pub(super) const MAX: u64 = (1 << 62) - 1;

/// Reads an integer: it and the bytes it takes; `None` when it is not all there.
#[inline]
pub(super) fn read(input: &[u8]) -> Option<(u64, usize)> {
    let (first, rest) = input.split_first()?;
    let len = 1usize << (first >> 6);
    let rest = rest.get(..len - 1)?;
    let start = u64::from(first & 0x3f);
    let value = rest
        .iter()
        .fold(start, |value, byte| value << 8 | u64::from(*byte));
    Some((value, len))
}

/// Appends an integer; one that is too large is cut off at [`MAX`].
#[inline]
pub(super) fn write(out: &mut Vec<u8>, value: u64) {
    let value = value.min(MAX);
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => {
            out.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes());
        }
        _ => out.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_as_short_as_can_be_and_come_back() {
        let edges = [0, 63, 64, 16_383, 16_384, 0x3fff_ffff, 0x4000_0000, MAX];
        let lengths = [1, 1, 2, 2, 4, 4, 8, 8];
        for (value, len) in edges.into_iter().zip(lengths) {
            let mut out = Vec::new();
            write(&mut out, value);
            assert_eq!((read(&out), out.len()), (Some((value, len)), len));
            assert_eq!(read(&out[..len - 1]), None);
        }
    }

    #[test]
    fn what_is_too_large_is_cut_off() {
        let mut out = Vec::new();
        write(&mut out, u64::MAX);
        assert_eq!(read(&out), Some((MAX, 8)));
    }
}
