//! MurmurHash 2 as libstdc++ has it for texts on 64-bit machines, which is what Envoy's rings use.

const SEED: u64 = 0xc70f_6907;
const MUL: u64 = 0xc6a4_a793_5bd1_e995;

/// The hash of `input`.
pub fn murmur_hash2(input: &[u8]) -> u64 {
    let (words, tail) = input.as_chunks::<8>();
    let mut hash = SEED ^ (input.len() as u64).wrapping_mul(MUL);
    for word in words {
        let word = mixed(u64::from_le_bytes(*word).wrapping_mul(MUL)).wrapping_mul(MUL);
        hash = (hash ^ word).wrapping_mul(MUL);
    }
    if !tail.is_empty() {
        let word = tail
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
        hash = (hash ^ word).wrapping_mul(MUL);
    }
    mixed(mixed(hash).wrapping_mul(MUL))
}

fn mixed(value: u64) -> u64 {
    value ^ (value >> 47)
}

#[cfg(test)]
mod tests {
    use super::murmur_hash2;

    #[test]
    fn the_values_of_envoys_own_tests_come_out() {
        assert_eq!(murmur_hash2(b"foo"), 9_631_199_822_919_835_226);
        assert_eq!(murmur_hash2(b"bar"), 11_474_628_671_133_349_555);
        assert_eq!(murmur_hash2(b"foo\nbar"), 16_306_510_975_912_980_159);
        assert_eq!(murmur_hash2(b"lyft"), 12_847_078_931_730_529_320);
        assert_eq!(
            murmur_hash2(b"longer than seven chars"),
            15_194_079_855_121_201_171
        );
        assert_eq!(murmur_hash2(b""), 6_142_509_188_972_423_790);
    }
}
