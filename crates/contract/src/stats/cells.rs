//! The cells that request code writes: one add at a fixed offset, no lock and no read-modify-write.
//!
//! Each cell has one writer, the thread that owns it; other threads only read. The store sums the cells of
//! all workers when it is asked. Two threads writing one cell would lose counts (never worse than that).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `amount`; wraps at 2^64, as Envoy's counters do.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// This cell's count; the stat itself is the sum over all workers.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. A worker's cell holds its share, which may be negative when a thing
/// counted by one worker ends on another.
///
/// The lowest bit says whether the gauge was ever written (for `/stats?usedonly`), the rest is the value.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        let raw = self.0.load(Relaxed);
        self.0.store(raw.wrapping_add(amount << 1) | 1, Relaxed);
    }

    /// Subtracts `amount`.
    #[inline]
    pub fn sub(&self, amount: u64) {
        let raw = self.0.load(Relaxed);
        self.0.store(raw.wrapping_sub(amount << 1) | 1, Relaxed);
    }

    /// Sets this cell's share; for gauges that one thread alone keeps.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value << 1 | 1, Relaxed);
    }

    /// This cell's signed share of the gauge.
    #[inline]
    pub fn share(&self) -> i64 {
        self.0.load(Relaxed).cast_signed() >> 1
    }

    /// True once the gauge has been written.
    #[inline]
    pub fn used(&self) -> bool {
        self.0.load(Relaxed) & 1 == 1
    }

    /// Adds another cell's share, when the store takes over the cells of a worker that let go of them.
    pub(super) fn absorb(&self, other: &Self) {
        if other.used() {
            self.add(other.share().cast_unsigned());
        }
    }
}

/// A number of all 64 bits, such as a configuration version's hash: one for all threads, any of which may set it or add to
/// it, and not the sum of what each of them has.
#[derive(Debug, Default)]
pub struct WideGauge {
    number: AtomicU64,
    is_written: AtomicBool,
}

impl WideGauge {
    /// Adds to the number or takes from it; what goes below zero wraps.
    pub fn add(&self, by: i64) {
        self.number.fetch_add(by.cast_unsigned(), Relaxed);
    }

    /// Replaces the number.
    pub fn set(&self, value: u64) {
        self.number.store(value, Relaxed);
    }

    /// Replaces the number; it counts as written from now on, even if it is 0.
    pub fn write(&self, value: u64) {
        self.set(value);
        self.is_written.store(true, Relaxed);
    }

    /// Adds to the number or takes from it; it counts as written from now on.
    pub fn write_by(&self, by: i64) {
        self.add(by);
        self.is_written.store(true, Relaxed);
    }

    /// Whether it is not 0 or was written.
    pub(super) fn used(&self) -> bool {
        self.value() != 0 || self.is_written.load(Relaxed)
    }

    pub(super) fn absorb(&self, older: &Self) {
        match older.is_written.load(Relaxed) {
            true => self.write(older.value()),
            false => self.set(older.value()),
        }
    }

    /// The number; 0 before it was set.
    pub fn value(&self) -> u64 {
        self.number.load(Relaxed)
    }
}

/// A stat that is a text, such as a configuration version. Written seldom, never on the request path.
#[derive(Debug, Default)]
pub struct TextReadout(Mutex<Option<Box<str>>>);

impl TextReadout {
    /// Replaces the text.
    pub fn set(&self, text: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    /// The text, or `None` if it was never set (shown as an empty one).
    pub fn get(&self) -> Option<Box<str>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_share_can_go_below_zero_and_come_back() {
        let gauge = Gauge::default();
        assert!(!gauge.used());
        gauge.sub(3);
        assert_eq!(gauge.share(), -3);
        gauge.add(3);
        assert_eq!(gauge.share(), 0);
        assert!(gauge.used(), "a gauge back at zero was still written");
    }

    #[test]
    fn setting_a_gauge_replaces_its_share() {
        let gauge = Gauge::default();
        gauge.add(5);
        gauge.set(u64::from(u32::MAX));
        assert_eq!(gauge.share(), i64::from(u32::MAX));
    }

    #[test]
    fn an_absorbed_share_keeps_its_sign() {
        let (kept, dropped) = (Gauge::default(), Gauge::default());
        kept.add(10);
        dropped.sub(4);
        kept.absorb(&dropped);
        assert_eq!(kept.share(), 6);
    }
}
