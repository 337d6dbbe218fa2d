//! Values by the beginnings of texts, sorted. The beginnings of one text are a chain from the longest to the
//! shortest, and a binary search finds its end: what sorts between a beginning and a text that has it has it too.

use std::collections::BTreeMap;

/// Values by beginning.
#[derive(Clone, Debug)]
pub struct PrefixTable<T>(Vec<Prefix<T>>);

#[derive(Clone, Debug)]
struct Prefix<T> {
    text: Box<[u8]>,
    /// The next shorter one that this one begins with.
    shorter: Option<usize>,
    value: T,
}

impl<T> Default for PrefixTable<T> {
    fn default() -> Self {
        PrefixTable(Vec::new())
    }
}

impl<T> PrefixTable<T> {
    /// Makes a table; `value` is given the value of the next shorter beginning as well.
    pub fn new<S>(texts: BTreeMap<Vec<u8>, S>, value: impl Fn(S, Option<&T>) -> T) -> Self {
        let mut all: Vec<Prefix<T>> = Vec::with_capacity(texts.len());
        for (text, source) in texts {
            let mut shorter = all.len().checked_sub(1);
            while let Some(prefix) = shorter.and_then(|place| all.get(place)) {
                if text.starts_with(&prefix.text) {
                    break;
                }
                shorter = prefix.shorter;
            }
            let inherited = shorter.and_then(|place| all.get(place));
            all.push(Prefix {
                value: value(source, inherited.map(|prefix| &prefix.value)),
                text: text.into(),
                shorter,
            });
        }
        PrefixTable(all)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of all beginnings of `text`, the longest first.
    pub fn of<'t>(&'t self, text: &[u8]) -> impl Iterator<Item = &'t T> + use<'t, T> {
        let behind = self.0.partition_point(|prefix| *prefix.text <= *text);
        let mut at = behind.checked_sub(1);
        while let Some(prefix) = at.and_then(|place| self.0.get(place)) {
            if text.starts_with(&prefix.text) {
                break;
            }
            at = prefix.shorter;
        }
        let mut next = at.and_then(|place| self.0.get(place));
        std::iter::from_fn(move || {
            let prefix = next?;
            next = prefix.shorter.and_then(|place| self.0.get(place));
            Some(&prefix.value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_beginnings_of_a_text_are_found_the_longest_first(
            texts in btree_map("[ab/]{0,4}", any::<u8>(), 0..20),
            text in "[ab/]{0,6}",
        ) {
            let mut expected: Vec<(usize, u8)> = texts
                .iter()
                .filter(|(beginning, _)| text.starts_with(beginning.as_str()))
                .map(|(beginning, value)| (beginning.len(), *value))
                .collect();
            expected.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
            let texts = texts.into_iter().map(|(text, value)| (text.into_bytes(), value));
            let table = PrefixTable::new(texts.collect(), |value, _| value);
            let found: Vec<u8> = table.of(text.as_bytes()).copied().collect();
            prop_assert_eq!(found, expected.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        }
    }
}
