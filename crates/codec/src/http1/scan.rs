//! Looking for the end of something, eight bytes at a time.
//!
//! Names and values are short, so that this beats vector code with its set-up.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of every byte below `bound`; of some others too, all of them
/// above 0x7F or behind such a byte.
#[inline]
const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64)
}

/// The same for every byte equal to `byte`.
#[inline]
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// The same for every byte above 0x7E.
#[inline]
const fn above_7e(word: u64) -> u64 {
    word | word.wrapping_add(ONES)
}

/// The offset of the first byte for which `stops` says so, or the length of `input`.
/// `marks` sets the high bit of every such byte of eight, and may set others.
#[inline(always)]
fn first(input: &[u8], marks: impl Fn(u64) -> u64, stops: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = input.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let marked = marks(u64::from_le_bytes(*word)) & HIGHS;
        if marked != 0 {
            let candidate = marked.trailing_zeros() as usize / 8;
            if word.get(candidate).is_some_and(|byte| stops(*byte)) {
                return at + candidate;
            }
            if let Some(found) = word.iter().position(|byte| stops(*byte)) {
                return at + found;
            }
        }
        at += 8;
    }
    let found = rest.iter().position(|byte| stops(*byte));
    at + found.unwrap_or(rest.len())
}

/// The end of a name: a colon, white space or a control character.
#[inline]
pub(super) fn name_end(input: &[u8]) -> usize {
    first(
        input,
        |word| below(word, 0x21) | equal(word, b':'),
        |byte| byte < 0x21 || byte == b':',
    )
}

/// The end of a value: any control character but tab.
#[inline]
pub(super) fn value_end(input: &[u8]) -> usize {
    first(
        input,
        |word| below(word, 0x20) | above_7e(word),
        |byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f,
    )
}

/// The end of a path: anything but visible ASCII.
#[inline]
pub(super) fn path_end(input: &[u8]) -> usize {
    first(
        input,
        |word| below(word, 0x21) | above_7e(word),
        |byte| !matches!(byte, 0x21..=0x7e),
    )
}

/// The end of a line.
#[inline]
pub(super) fn line_end(input: &[u8]) -> usize {
    first(input, |word| equal(word, b'\n'), |byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: fn(&[u8]) -> usize, stops: fn(u8) -> bool) {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255 {
                    for filling in [b'a', 0xe9, b'\t'] {
                        let mut input = vec![filling; length];
                        input[at] = byte;
                        // A second one behind the first must not hide it.
                        input[length - 1] = b'\r';
                        let expected = input.iter().position(|byte| stops(*byte));
                        assert_eq!(found(&input), expected.unwrap_or(length), "{input:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_stop_is_found_wherever_it_is() {
        check(name_end, |byte| byte <= b' ' || byte == b':');
        check(value_end, |byte| {
            byte == 0x7f || (byte < b' ' && byte != b'\t')
        });
        check(path_end, |byte| !byte.is_ascii_graphic());
        check(line_end, |byte| byte == b'\n');
    }
}
