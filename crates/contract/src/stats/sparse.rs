//! A growing table of counts that one thread writes and any thread may read, without locks or `unsafe`.
//!
//! Histogram bins and response codes share it: both are sparse sets of small keys, of which a given
//! worker usually touches fewer than eight. The table is a chain of levels (8, 32, 128 ... 2048 slots); a
//! key lives in the first level that had room near its hash. Nothing is allocated before the first count,
//! slots are never freed or moved, so a reader needs no coordination with the writer.
//!
//! Limits: keys up to [`MAX_KEY`], counts up to 2^52 - 1 (then they stop growing).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The greatest key a table takes.
pub(super) const MAX_KEY: u16 = 4094;

const COUNT_BITS: u32 = 52;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const FIRST_LEVEL_SLOTS: usize = 8;
const LARGEST_LEVEL_SLOTS: usize = 2048;
/// Slots looked at in one level before the next level is tried; in the first level all are.
const PROBES: usize = 4;

#[derive(Debug, Default)]
pub(super) struct SparseCounts {
    first: OnceLock<Box<FirstLevel>>,
}

/// The level that most tables have alone, and most counts end in.
#[derive(Debug, Default)]
struct FirstLevel {
    slots: [AtomicU64; FIRST_LEVEL_SLOTS],
    next: OnceLock<Box<Level>>,
}

/// Each slot packs `key + 1` above a 52-bit count; 0 is an empty slot.
#[derive(Debug)]
struct Level {
    slots: Box<[AtomicU64]>,
    next: OnceLock<Box<Level>>,
}

/// Fibonacci hashing spreads neighbouring keys, which is what histograms produce.
#[inline]
fn hash(key: u16) -> usize {
    usize::from(key.wrapping_mul(40503)) >> 3
}

/// Adds to the slot if it is that of `key`, or nobody's; false if it is another's.
#[inline]
fn add_to(slot: &AtomicU64, key: u16, count: u64) -> bool {
    let now = slot.load(Relaxed);
    let tag = u64::from(key) + 1;
    let is_free = now >> COUNT_BITS == tag || now == 0;
    if is_free {
        let sum = (now & COUNT_MASK).saturating_add(count).min(COUNT_MASK);
        slot.store(tag << COUNT_BITS | sum, Relaxed);
    }
    is_free
}

impl FirstLevel {
    // Called from so many places that a copy in each would crowd the instruction cache.
    #[inline(never)]
    fn add(&self, key: u16, count: u64) {
        let key = key.min(MAX_KEY);
        let start = hash(key);
        if !add_to(&self.slots[start % FIRST_LEVEL_SLOTS], key, count) {
            self.add_elsewhere(key, count, start);
        }
    }

    #[inline(never)]
    fn add_elsewhere(&self, key: u16, count: u64, start: usize) {
        for probe in 1..FIRST_LEVEL_SLOTS {
            if add_to(&self.slots[(start + probe) % FIRST_LEVEL_SLOTS], key, count) {
                return;
            }
        }
        let mut slots = FIRST_LEVEL_SLOTS * 4;
        let mut level = self.next.get_or_init(|| Level::new(slots));
        while !level.add(key, count) {
            slots = (slots * 4).min(LARGEST_LEVEL_SLOTS);
            level = level.next.get_or_init(|| Level::new(slots));
        }
    }
}

impl Level {
    fn new(slots: usize) -> Box<Self> {
        Box::new(Self {
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            next: OnceLock::new(),
        })
    }

    /// Adds to the slot of `key`, taking an empty one near its hash; false if there is none.
    fn add(&self, key: u16, count: u64) -> bool {
        let mask = self.slots.len() - 1;
        let start = hash(key);
        (start..start + PROBES).any(|at| {
            let slot = self.slots.get(at & mask);
            slot.is_some_and(|slot| add_to(slot, key, count))
        })
    }
}

impl SparseCounts {
    /// Adds `count` to `key`. Only the owning thread may call this.
    #[inline]
    pub(super) fn add(&self, key: u16, count: u64) {
        self.first.get_or_init(Box::default).add(key, count);
    }

    /// The same, if anything was counted before; else nothing, and false.
    #[inline]
    pub(super) fn add_if_begun(&self, key: u16, count: u64) -> bool {
        let first = self.first.get();
        if let Some(first) = first {
            first.add(key, count);
        }
        first.is_some()
    }

    /// True if nothing was ever counted.
    pub(super) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// Calls `each(key, count)` for all keys counted so far, in no order, each once.
    pub(super) fn for_each(&self, mut each: impl FnMut(u16, u64)) {
        let Some(first) = self.first.get() else {
            return;
        };
        let mut tell = |slot: &AtomicU64| {
            let now = slot.load(Relaxed);
            if now != 0 {
                let key = u16::try_from((now >> COUNT_BITS) - 1).unwrap_or(MAX_KEY);
                each(key, now & COUNT_MASK);
            }
        };
        first.slots.iter().for_each(&mut tell);
        let mut link = &first.next;
        while let Some(level) = link.get() {
            level.slots.iter().for_each(&mut tell);
            link = &level.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_key_keeps_its_own_count_however_many_there_are() {
        let counts = SparseCounts::default();
        assert!(counts.is_empty());
        for round in 1..=3u64 {
            for key in 0..=MAX_KEY {
                counts.add(key, round);
            }
        }
        let mut seen = BTreeMap::new();
        counts.for_each(|key, count| assert_eq!(seen.insert(key, count), None));
        assert_eq!(seen.len(), usize::from(MAX_KEY) + 1);
        assert!(seen.values().all(|count| *count == 6));
    }

    #[test]
    fn eight_keys_fit_into_the_first_level() {
        let counts = SparseCounts::default();
        for key in [0, 1, 11, 100, 101, 205, 1801, 4000] {
            counts.add(key, 1);
        }
        assert!(
            counts
                .first
                .get()
                .is_some_and(|level| level.next.get().is_none())
        );
    }

    #[test]
    fn a_count_stops_at_its_limit_instead_of_spilling_into_the_key() {
        let counts = SparseCounts::default();
        counts.add(7, u64::MAX);
        counts.add(7, 1);
        let mut seen = Vec::new();
        counts.for_each(|key, count| seen.push((key, count)));
        assert_eq!(seen, [(7, COUNT_MASK)]);
    }
}
