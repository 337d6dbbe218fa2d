//! MD5 (RFC 1321), for names of what clients say: JA3 is made by it. It protects nothing.

const SHIFTS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];
const BLOCK_BYTES: usize = 64;

/// The digest of `bytes` in hexadecimal digits.
pub(super) fn hex_digest(bytes: &[u8]) -> String {
    let bits = u64::try_from(bytes.len())
        .unwrap_or(u64::MAX)
        .wrapping_mul(8);
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % BLOCK_BYTES != BLOCK_BYTES - 8 {
        padded.push(0);
    }
    padded.extend(bits.to_le_bytes());
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(BLOCK_BYTES) {
        state = mixed(state, block);
    }
    let bytes = state.iter().flat_map(|word: &u32| word.to_le_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn mixed(state: [u32; 4], block: &[u8]) -> [u32; 4] {
    let mut words = [0; 16];
    for (word, four) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = four
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    let [mut a, mut b, mut c, mut d] = state;
    for step in 0..BLOCK_BYTES {
        let (round, place) = (step / 16, step % 16);
        let (function, place) = match round {
            0 => (b & c | !b & d, place),
            1 => (b & d | c & !d, 5 * place + 1),
            2 => (b ^ c ^ d, 3 * place + 5),
            _ => (c ^ (b | !d), 7 * place),
        };
        let word = words.get(place % 16).copied().unwrap_or_default();
        let shift = SHIFTS
            .get(round)
            .and_then(|shifts| shifts.get(step % 4))
            .copied()
            .unwrap_or_default();
        let sum = a
            .wrapping_add(function)
            .wrapping_add(sine(step))
            .wrapping_add(word);
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(shift)));
    }
    let mut sums = state;
    for (sum, word) in sums.iter_mut().zip([a, b, c, d]) {
        *sum = sum.wrapping_add(word);
    }
    sums
}

/// The integer part of 2^32 times the sine of the step.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is less than 2^32, not negative, and of 64 steps"
)]
fn sine(step: usize) -> u32 {
    (4_294_967_296.0 * ((step + 1) as f64).sin().abs()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_standard() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex_digest(text.as_bytes()), digest, "{text}");
        }
    }
}
