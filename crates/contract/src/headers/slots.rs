//! Where the first entry of each known name stands in its list.

use super::known::Known;
use super::known_set::KnownSet;

/// What a slot holds when the entry lies beyond what a byte can say.
const FAR: u8 = u8::MAX;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// At this index.
    At(usize),
    /// Behind the first 254; it has to be looked for.
    Far,
}

/// The slots of one map.
#[derive(Clone)]
pub(super) struct Slots {
    /// One past the index; 0 when there is no entry.
    first: [u8; Known::COUNT],
    /// The names that have an entry.
    present: KnownSet,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            first: [0; Known::COUNT],
            present: KnownSet::of(&[]),
        }
    }

    #[inline]
    pub(super) fn present(&self) -> &KnownSet {
        &self.present
    }

    #[inline]
    pub(super) fn get(&self, known: Known) -> Option<Slot> {
        match self.first[known as usize] {
            0 => None,
            FAR => Some(Slot::Far),
            slot => Some(Slot::At(usize::from(slot) - 1)),
        }
    }

    /// Notes the first entry of a name.
    #[inline]
    pub(super) fn set(&mut self, known: Known, index: usize) {
        self.first[known as usize] = u8::try_from(index + 1).unwrap_or(FAR);
        self.present.insert(known);
    }

    /// Forgets a name.
    #[inline]
    pub(super) fn remove(&mut self, known: Known) {
        self.first[known as usize] = 0;
        self.present.remove(known);
    }

    /// Forgets all names.
    #[inline]
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}
