//! Sets of known names, for questions about many of them at once.

use super::known::Known;

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = Known::COUNT.div_ceil(WORD_BITS);

/// A set of known names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownSet([u64; WORDS]);

impl KnownSet {
    /// The set of these names.
    pub const fn of(names: &[Known]) -> Self {
        let mut words = [0; WORDS];
        let mut rest = names;
        while let [known, others @ ..] = rest {
            let (word, bit) = place(*known);
            words[word] |= bit;
            rest = others;
        }
        Self(words)
    }

    /// Whether the name is in the set.
    #[inline]
    pub fn contains(&self, known: Known) -> bool {
        let (word, bit) = place(known);
        self.0[word] & bit != 0
    }

    #[inline]
    pub(super) fn insert(&mut self, known: Known) {
        let (word, bit) = place(known);
        self.0[word] |= bit;
    }

    #[inline]
    pub(super) fn remove(&mut self, known: Known) {
        let (word, bit) = place(known);
        self.0[word] &= !bit;
    }

    /// Whether any name is in both sets.
    #[inline]
    pub fn meets(&self, other: &Self) -> bool {
        let words = self.0.iter().zip(&other.0);
        words.fold(0, |common, (word, of_other)| common | (word & of_other)) != 0
    }

    /// The names that are in both sets, in the order of their numbers.
    #[inline]
    pub fn common(&self, other: &Self) -> impl Iterator<Item = Known> + use<> {
        let mut words = self.0;
        for (word, of_other) in words.iter_mut().zip(other.0) {
            *word &= of_other;
        }
        let mut at = 0;
        std::iter::from_fn(move || {
            while let Some(word) = words.get_mut(at) {
                if *word == 0 {
                    at += 1;
                    continue;
                }
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Known::ALL.get(at * WORD_BITS + bit).copied();
            }
            None
        })
    }
}

const fn place(known: Known) -> (usize, u64) {
    let number = known as usize;
    (number / WORD_BITS, 1 << (number % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_set_of_all_and_in_no_other_place() {
        let all = KnownSet::of(Known::ALL);
        assert!(all.common(&all).eq(Known::ALL.iter().copied()));
        for known in Known::ALL {
            let mut one = KnownSet::of(&[*known]);
            assert!(one.common(&all).eq([*known]) && one.meets(&all));
            one.remove(*known);
            assert!(!one.meets(&all));
            assert_eq!(one, KnownSet::default());
            one.insert(*known);
            assert!(one.contains(*known));
        }
    }
}
