//! The stats that scripts make: `http.<stat_prefix>.lua.[<stat_prefix>.]<name>`. They are made when a script first asks
//! for one and stay; a worker has at most 4,096 of each kind. As a worker counts for itself, what a script reads of one
//! is what its own worker has counted, where Envoy shows the sum.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use nuncio_contract::stats::{Counter, Gauge, Histogram, Scope, Unit};

/// How many of a kind a worker's scripts may make.
const MAX_STATS: usize = 4096;

const COUNTER: u8 = 0;
const GAUGE: u8 = 1;

/// A worker's, of one filter.
pub(super) struct ScriptStats {
    scope: Option<Scope>,
    counters: RefCell<Kept<Counter>>,
    gauges: RefCell<Kept<Gauge>>,
    histograms: RefCell<Kept<Histogram>>,
}

struct Kept<T> {
    places: HashMap<String, usize>,
    all: Vec<Arc<T>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept {
            places: HashMap::new(),
            all: Vec::new(),
        }
    }
}

impl<T> Kept<T> {
    fn find(&mut self, name: &str, make: impl FnOnce() -> Option<Arc<T>>) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.all.len();
        if place >= MAX_STATS {
            return None;
        }
        self.all.push(make()?);
        self.places.insert(name.to_owned(), place);
        Some(place)
    }
}

fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "ms" | "milliseconds" => Unit::Milliseconds,
        "microseconds" => Unit::Microseconds,
        "bytes" => Unit::Bytes,
        "nanoseconds" | "unspecified" => Unit::Unspecified,
        _ => return None,
    })
}

impl ScriptStats {
    /// None yet.
    pub(super) fn new(scope: Option<Scope>) -> Self {
        ScriptStats {
            scope,
            counters: RefCell::default(),
            gauges: RefCell::default(),
            histograms: RefCell::default(),
        }
    }

    /// The place of a stat, or why there is none.
    pub(super) fn find(&self, kind: u8, name: &str, unit_name: &str) -> Result<usize, String> {
        let scope = self.scope.as_ref();
        let place = match kind {
            COUNTER => {
                let make = || scope.map(|scope| scope.counter(name));
                self.counters.borrow_mut().find(name, make)
            }
            GAUGE => {
                let make = || scope.map(|scope| scope.gauge(name));
                self.gauges.borrow_mut().find(name, make)
            }
            _ => {
                let unit = unit(unit_name).ok_or_else(|| {
                    format!(
                        "invalid histogram unit '{unit_name}', expected 'ms', 'milliseconds', 'microseconds', 'nanoseconds', 'bytes', or 'unspecified'"
                    )
                })?;
                let make = || scope.map(|scope| scope.histogram(name, unit));
                self.histograms.borrow_mut().find(name, make)
            }
        };
        place.ok_or_else(|| "too many stats".to_owned())
    }

    /// Counts.
    pub(super) fn change(&self, how: u8, place: usize, value: u64) {
        let counters = self.counters.borrow();
        let gauges = self.gauges.borrow();
        let histograms = self.histograms.borrow();
        let gauge = gauges.all.get(place);
        match how {
            0 => counters.all.get(place).map(|it| it.add(value)),
            1 => gauge.map(|it| it.add(value)),
            2 => gauge.map(|it| it.sub(value)),
            3 => gauge.map(|it| it.set(value)),
            _ => histograms.all.get(place).map(|it| it.record(value)),
        };
    }

    /// What this worker has counted.
    pub(super) fn value(&self, kind: u8, place: usize) -> u64 {
        let counted = match kind {
            COUNTER => self.counters.borrow().all.get(place).map(|it| it.value()),
            _ => {
                let gauges = self.gauges.borrow();
                let share = gauges.all.get(place).map(|it| it.share());
                share.and_then(|share| u64::try_from(share).ok())
            }
        };
        counted.unwrap_or_default()
    }
}
