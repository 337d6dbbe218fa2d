//! The stats of a scope that are in no group, in the order in which they were listed.
//!
//! Peers choose the names of some of them, so that listing one more must not look at all others: an index knows their
//! places once they are more than a few. A scope without any has nothing but a null pointer here.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use super::entry::{Single, SingleEntry};

/// So many are looked through one after another.
const FEW: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Singles(Option<Box<Listed>>);

#[derive(Debug, Default)]
struct Listed {
    entries: Vec<SingleEntry>,
    /// Of each kind by name; empty while there are few.
    places: HashMap<Discriminant<Single>, HashMap<Arc<str>, usize>>,
}

impl Singles {
    /// Adds a cell to the stat of this name and of its kind, which is listed from now on.
    pub(super) fn add(&mut self, name: &str, cell: Single) {
        let listed = self.0.get_or_insert_default();
        let place = listed.place(name, &cell);
        match place.and_then(|place| listed.entries.get_mut(place)) {
            Some(entry) => entry.add(cell),
            None => listed.push(SingleEntry::new(name, cell)),
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SingleEntry> {
        self.0.iter().flat_map(|listed| &listed.entries)
    }

    /// The same to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SingleEntry> {
        self.0.iter_mut().flat_map(|listed| &mut listed.entries)
    }

    /// Takes off the list what is not to be kept.
    pub(super) fn retain(&mut self, keeps: impl FnMut(&SingleEntry) -> bool) {
        let Some(listed) = &mut self.0 else {
            return;
        };
        listed.entries.retain(keeps);
        listed.places.clear();
        if listed.entries.len() > FEW {
            listed.index(0);
        }
    }
}

impl Listed {
    fn place(&self, name: &str, cell: &Single) -> Option<usize> {
        match self.entries.len() {
            ..=FEW => self.entries.iter().position(|entry| entry.is(name, cell)),
            _ => self.places.get(&discriminant(cell))?.get(name).copied(),
        }
    }

    fn push(&mut self, entry: SingleEntry) {
        let place = self.entries.len();
        self.entries.push(entry);
        match place {
            ..FEW => {}
            // From now on there are more than a few.
            FEW => self.index(0),
            _ => self.index(place),
        }
    }

    /// Notes the places from this one on.
    fn index(&mut self, from: usize) {
        for (place, entry) in self.entries.iter().enumerate().skip(from) {
            if let Some(kind) = entry.kind() {
                let of_kind = self.places.entry(kind).or_default();
                of_kind.insert(entry.shared_name(), place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::cells::{Counter, Gauge};

    fn counter() -> Single {
        Single::Counter(Arc::new(Counter::default()))
    }

    fn gauge() -> Single {
        Single::Gauge(Arc::new(Gauge::default()))
    }

    /// The names of the counters that `numbers` stand for, each with a gauge of its name.
    fn add(singles: &mut Singles, numbers: std::ops::Range<usize>) {
        for number in numbers {
            singles.add(&number.to_string(), counter());
            singles.add(&number.to_string(), gauge());
        }
    }

    #[test]
    fn each_name_and_kind_is_listed_once_and_found_by_its_place() {
        let mut singles = Singles::default();
        assert!(singles.0.is_none());
        for count in [FEW / 2, FEW / 2 + 1, 3 * FEW] {
            add(&mut singles, 0..count);
            assert_eq!(singles.iter().count(), 2 * count);
        }
        let listed = singles.0.as_ref().unwrap();
        for (place, entry) in listed.entries.iter().enumerate() {
            let cell = [counter(), gauge()].into_iter().nth(place % 2).unwrap();
            assert_eq!(listed.place(entry.name(), &cell), Some(place));
        }
        assert_eq!(
            listed.places.values().map(HashMap::len).sum::<usize>(),
            6 * FEW
        );
    }

    #[test]
    fn those_that_stay_are_found_at_their_new_places() {
        for count in [FEW, 4 * FEW] {
            let mut singles = Singles::default();
            add(&mut singles, 0..count);
            singles.retain(|entry| entry.name().len() != 1);
            let kept = 2 * (count - 10);
            assert_eq!(singles.iter().count(), kept);
            add(&mut singles, 10..count);
            assert_eq!(singles.iter().count(), kept);
            add(&mut singles, 0..count);
            assert_eq!(singles.iter().count(), 2 * count);
        }
    }
}
