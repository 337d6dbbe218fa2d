//! Lower case for the few bytes of a name.

/// [`slice::make_ascii_lowercase`] for the few bytes of a name, eight at a time.
#[inline]
pub(super) fn lower_case(name: &mut [u8]) {
    let Some(last_at) = name.len().checked_sub(8) else {
        return name.make_ascii_lowercase();
    };
    let (words, _) = name.as_chunks_mut::<8>();
    words.iter_mut().for_each(lower_case_word);
    // The last eight, of which some may be done already, which does no harm.
    if let Some(last) = name
        .get_mut(last_at..)
        .and_then(|last| last.first_chunk_mut())
    {
        lower_case_word(last);
    }
}

#[inline]
fn lower_case_word(bytes: &mut [u8; 8]) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let word = u64::from_le_bytes(*bytes);
    let low = word & !HIGH;
    // The high bit of each byte: whether it is at least `A`, and whether it is beyond `Z`.
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x80 - b'Z' as u64 - 1) * ONES;
    let upper = from_a & !beyond_z & !word & HIGH;
    *bytes = (word | upper >> 2).to_le_bytes();
}

#[cfg(test)]
mod tests {
    use super::lower_case;

    #[test]
    fn names_of_every_length_and_byte_become_what_the_standard_library_makes_of_them() {
        for len in 0..40 {
            for byte in 0..=u8::MAX {
                let name: Vec<u8> = (0..len)
                    .map(|at| byte.wrapping_add(7u8.wrapping_mul(at)))
                    .collect();
                let mut ours = name.clone();
                lower_case(&mut ours);
                assert_eq!(ours, name.to_ascii_lowercase());
            }
        }
    }
}
