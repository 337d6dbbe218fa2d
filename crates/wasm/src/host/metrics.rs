//! Metrics of plugins: `wasmcustom.<name>`. What a plugin reads is what all workers have counted.
//!
//! Limits: 16,384 metrics a VM, names of 1 KiB.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use nuncio_contract::stats::{Counter, Histogram, Scope, Unit, WideGauge};

use super::guest::Guest;
use super::link::Arguments;
use crate::status::{Done, Status};

const MAX_METRICS: usize = 16_384;
const MAX_NAME_BYTES: usize = 1024;
/// What stands before the names of plugins' metrics.
const PREFIX: &str = "wasmcustom";

/// A metric of a VM.
enum Metric {
    Counter(Arc<Counter>, Arc<AtomicU64>),
    /// Which is one for all workers.
    Gauge(Arc<WideGauge>),
    Histogram(Arc<Histogram>),
}

/// Those that plugins of a VM have defined.
#[derive(Default)]
pub(crate) struct Metrics {
    scope: Option<Scope>,
    all: HashMap<u32, Metric>,
    last: [u32; 3],
}

/// What is one for all workers, by name, as long as a VM has it.
#[derive(Default)]
struct Shared {
    /// What counters have counted.
    totals: HashMap<String, Weak<AtomicU64>>,
    gauges: HashMap<String, Weak<WideGauge>>,
}

fn shared() -> MutexGuard<'static, Shared> {
    static SHARED: OnceLock<Mutex<Shared>> = OnceLock::new();
    let shared = SHARED.get_or_init(Mutex::default);
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is there by this name, or a new one.
fn one_of<T>(
    all: &mut HashMap<String, Weak<T>>,
    name: &str,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T> {
    if let Some(known) = all.get(name).and_then(Weak::upgrade) {
        return known;
    }
    let made = make();
    all.insert(name.to_owned(), Arc::downgrade(&made));
    made
}

impl Drop for Metrics {
    /// What nobody counts in any more is forgotten.
    fn drop(&mut self) {
        self.all.clear();
        let mut shared = shared();
        shared.totals.retain(|_, it| it.strong_count() > 0);
        shared.gauges.retain(|_, it| it.strong_count() > 0);
    }
}

impl Metrics {
    /// None yet; they are listed under this scope, if there is one.
    pub(crate) fn new(root: Option<&Scope>) -> Self {
        Metrics {
            scope: root.and_then(|root| root.scope(PREFIX)),
            all: HashMap::new(),
            last: [0; 3],
        }
    }

    fn define(&mut self, kind: u32, name: &str) -> Done<u32> {
        if self.all.len() >= MAX_METRICS {
            return Err(Status::InternalFailure);
        }
        let scope = self.scope.as_ref();
        let metric = match kind {
            0 => {
                let cell = scope.map(|scope| scope.counter(name));
                let total = one_of(&mut shared().totals, name, Arc::default);
                Metric::Counter(cell.unwrap_or_default(), total)
            }
            1 => {
                let cell = scope.map(|scope| {
                    let make = || scope.wide_gauge(name);
                    one_of(&mut shared().gauges, name, make)
                });
                Metric::Gauge(cell.unwrap_or_default())
            }
            _ => {
                let cell = scope.map(|scope| scope.histogram(name, Unit::Unspecified));
                Metric::Histogram(cell.unwrap_or_default())
            }
        };
        let at = usize::try_from(kind).map_err(|_| Status::BadArgument)?;
        let last = self.last.get_mut(at).ok_or(Status::BadArgument)?;
        *last += 4;
        let id = *last + kind;
        self.all.insert(id, metric);
        Ok(id)
    }
}

pub(crate) fn define(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let name = guest.read(args.u32(1), args.u32(2))?;
    let kind = args.u32(0);
    if kind > 2 || name.len() > MAX_NAME_BYTES {
        return Err(Status::BadArgument);
    }
    let name = String::from_utf8_lossy(&name);
    let id = guest.host().metrics.define(kind, &name)?;
    guest.write_u32(args.u32(3), id)
}

pub(crate) fn increment(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let (id, offset) = (args.u32(0), args.u64(1).cast_signed());
    match guest.host().metrics.all.get(&id) {
        Some(Metric::Counter(..)) if offset <= 0 => Err(Status::BadArgument),
        Some(Metric::Counter(cell, total)) => {
            cell.add(offset.unsigned_abs());
            total.fetch_add(offset.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }
        Some(Metric::Gauge(cell)) => {
            cell.add(offset);
            Ok(())
        }
        Some(Metric::Histogram(_)) => Err(Status::BadArgument),
        None if id & 3 < 2 => Err(Status::NotFound),
        None => Err(Status::BadArgument),
    }
}

pub(crate) fn record(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let (id, value) = (args.u32(0), args.u64(1));
    match guest.host().metrics.all.get(&id) {
        Some(Metric::Counter(cell, total)) => {
            cell.add(value);
            total.fetch_add(value, Ordering::Relaxed);
        }
        Some(Metric::Gauge(cell)) => cell.set(value),
        Some(Metric::Histogram(cell)) => cell.record(value),
        None => return Err(Status::NotFound),
    }
    Ok(())
}

pub(crate) fn get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Done {
    let id = args.u32(0);
    let value = match guest.host().metrics.all.get(&id) {
        Some(Metric::Counter(_, total)) => total.load(Ordering::Relaxed),
        Some(Metric::Gauge(cell)) => cell.value(),
        Some(Metric::Histogram(_)) => return Err(Status::BadArgument),
        None if id & 3 < 2 => return Err(Status::NotFound),
        None => return Err(Status::BadArgument),
    };
    guest.write_u64(args.u32(1), value)
}
