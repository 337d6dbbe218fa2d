//! A handle on a runtime value, and the place behind it.
//!
//! Each kind of value is one atomic number, so that a read is a single load and never sees half of a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::RuntimeValue;

/// No value; no integer comes as high, as they are read as doubles.
const UNSET: u64 = u64::MAX;

/// A name in runtime that a field gives, or none.
#[derive(Clone, Debug, Default)]
pub struct RuntimeKey(Option<Arc<Place>>);

#[derive(Debug)]
pub(super) struct Place {
    integer: AtomicU64,
    /// The numerator, and two bits for the denominator.
    fraction: AtomicU64,
    boolean: AtomicU64,
    /// The bits of a number; those of `UNSET` are none.
    double: AtomicU64,
}

/// So many of so many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// Of the chosen ones; above the divisor for all.
    pub numerator: u32,
    /// 100, 10,000 or 1,000,000.
    pub divisor: u32,
}

impl Fraction {
    /// All events.
    pub const ALL: Fraction = Fraction {
        numerator: u32::MAX,
        divisor: 100,
    };

    /// Whether an event whose random number is `random` is among the chosen ones.
    #[inline]
    pub fn chooses(self, random: u64) -> bool {
        random % u64::from(self.divisor.max(1)) < u64::from(self.numerator)
    }

    fn packed(self) -> u64 {
        let code = match self.divisor {
            100 => 0,
            10_000 => 1,
            _ => 2,
        };
        u64::from(self.numerator) << 2 | code
    }

    fn unpacked(packed: u64) -> Self {
        Fraction {
            numerator: u32::try_from(packed >> 2).unwrap_or(u32::MAX),
            divisor: match packed & 3 {
                0 => 100,
                1 => 10_000,
                _ => 1_000_000,
            },
        }
    }
}

impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.numerator, self.divisor)
    }
}

impl Place {
    pub(super) fn new(value: Option<&RuntimeValue>) -> Self {
        let place = Place {
            integer: AtomicU64::new(UNSET),
            fraction: AtomicU64::new(UNSET),
            boolean: AtomicU64::new(UNSET),
            double: AtomicU64::new(UNSET),
        };
        place.set(value);
        place
    }

    pub(super) fn set(&self, value: Option<&RuntimeValue>) {
        let integer = value.and_then(|value| value.integer);
        let fraction = value.and_then(RuntimeValue::share).map(Fraction::packed);
        let boolean = value.and_then(|value| value.boolean).map(u64::from);
        let double = value.and_then(|value| value.double).map(f64::to_bits);
        for (place, value) in [
            (&self.integer, integer),
            (&self.fraction, fraction),
            (&self.boolean, boolean),
            (&self.double, double),
        ] {
            place.store(value.unwrap_or(UNSET), Ordering::Relaxed);
        }
    }
}

impl RuntimeKey {
    pub(super) fn at(place: Arc<Place>) -> Self {
        RuntimeKey(Some(place))
    }

    /// The integer in force.
    #[inline]
    pub fn integer(&self, default: u64) -> u64 {
        self.read(|place| &place.integer).unwrap_or(default)
    }

    /// The fraction in force; an integer counts as percent.
    #[inline]
    pub fn fraction(&self, default: Fraction) -> Fraction {
        let packed = self.read(|place| &place.fraction);
        packed.map_or(default, Fraction::unpacked)
    }

    /// The boolean in force.
    #[inline]
    pub fn boolean(&self, default: bool) -> bool {
        let boolean = self.read(|place| &place.boolean);
        boolean.map_or(default, |boolean| boolean == 1)
    }

    /// The number in force.
    #[inline]
    pub fn double(&self, default: f64) -> f64 {
        let bits = self.read(|place| &place.double);
        bits.map_or(default, f64::from_bits)
    }

    #[inline]
    fn read(&self, kind: impl FnOnce(&Place) -> &AtomicU64) -> Option<u64> {
        let value = kind(self.0.as_deref()?).load(Ordering::Relaxed);
        (value != UNSET).then_some(value)
    }
}
