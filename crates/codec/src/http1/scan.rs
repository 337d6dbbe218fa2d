//! Looking for the end of something, eight bytes at a time.
//!
//! Names and values are short, so that this beats vector code with its set-up.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of every byte below `bound` (at most 0x80). Bytes after the first
/// such byte may be marked wrongly; the first one never is.
#[inline]
const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word & HIGHS
}

#[inline]
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// The offset of the first byte for which `stops` says so, or the length of `input`.
/// `marks` is the same for eight bytes, with the high bit of the first one exact.
#[inline(always)]
fn first(input: &[u8], marks: impl Fn(u64) -> u64, stops: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = input.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest_at = rest.iter().position(|byte| stops(*byte));
    at + rest_at.unwrap_or(rest.len())
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
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        at += first(
            rest,
            |word| below(word, 0x20) | equal(word, 0x7f),
            |byte| byte < 0x20 || byte == 0x7f,
        );
        if input.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The end of a path: anything but visible ASCII.
#[inline]
pub(super) fn path_end(input: &[u8]) -> usize {
    first(
        input,
        |word| below(word, 0x21) | equal(word, 0x7f) | (word & HIGHS),
        |byte| !matches!(byte, 0x21..=0x7e),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: fn(&[u8]) -> usize, stops: fn(u8) -> bool) {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut input = vec![b'a'; length];
                    input[at] = byte;
                    // A second one behind the first must not hide it.
                    input[length - 1] = b'\r';
                    let expected = input.iter().position(|byte| stops(*byte));
                    assert_eq!(found(&input), expected.unwrap_or(length), "{input:?}");
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
    }
}
