//! What a worker counts: the cells of each stat by the values of its tags.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use nuncio_contract::access_log::{AccessLogConfig, AccessLogger};
use nuncio_contract::application_log::{Severity, write};
use nuncio_contract::formatter::{AccessLogType, Format, FormatContext};
use nuncio_contract::stats::{Counter, Histogram, Scope, Unit, WideGauge};

/// Sets of tags of a stat on a worker.
pub(super) const MAX_TAG_SETS: usize = 4096;
/// Bytes of the values of all tags of a stat.
const MAX_VALUES_BYTES: usize = 1024;

/// The config, shared by the workers.
pub(super) struct StatsLog {
    pub(super) prefix: String,
    pub(super) stats: Arc<[Stat]>,
}

/// A stat that is made of streams.
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) tags: Box<[(Arc<str>, Format)]>,
    pub(super) kind: Kind,
    pub(super) amount: Amount,
}

/// What a stat is.
pub(super) enum Kind {
    Counter,
    Histogram(Unit),
    /// It shows what it was set to last, at this moment of streams.
    GaugeSet(AccessLogType),
    /// A stream adds to it at one moment, until another or its end.
    GaugeHeld {
        add: AccessLogType,
        subtract: AccessLogType,
    },
}

/// What it counts.
pub(super) enum Amount {
    Fixed(u64),
    Formatted(Format),
}

struct Worker {
    /// The scope of the prefix; none while the process ends.
    scope: Option<Scope>,
    stats: Arc<[Stat]>,
    /// One for each stat.
    known: Box<[RefCell<Known>]>,
    has_told: Cell<bool>,
}

/// The cells of a stat by the values of its tags, each behind its length.
type Known = HashMap<Box<[u8]>, Listed>;

struct Listed {
    // Before the scope, so that both leave at once.
    cell: StatCell,
    /// As long as it is there, the stat is listed with its tags.
    scope: Scope,
}

enum StatCell {
    Counter(Arc<Counter>),
    Histogram(Arc<Histogram>),
    Gauge(Arc<WideGauge>),
    /// And the moment of its being added to.
    HeldGauge(Arc<WideGauge>, AccessLogType),
}

impl AccessLogConfig for StatsLog {
    fn worker(&self, scope: &Scope) -> Box<dyn AccessLogger> {
        let root = scope.root();
        Box::new(Worker {
            scope: root.and_then(|root| root.scope(&self.prefix)),
            stats: Arc::clone(&self.stats),
            known: self.stats.iter().map(|_| RefCell::default()).collect(),
            has_told: Cell::new(false),
        })
    }
}

impl AccessLogger for Worker {
    fn log(&self, context: &FormatContext<'_>) {
        for (stat, known) in self.stats.iter().zip(&self.known) {
            if let Some(value) = stat.value(context) {
                self.count(stat, known, value, context);
            }
        }
    }
}

impl Worker {
    fn count(&self, stat: &Stat, known: &RefCell<Known>, value: u64, context: &FormatContext<'_>) {
        let mut known = known.borrow_mut();
        let mut key = Vec::new();
        let mut values = Vec::new();
        for (_, format) in &stat.tags {
            let start = key.len();
            key.extend_from_slice(&[0; size_of::<usize>()]);
            format.format(context, &mut key);
            let text = key.get(start + size_of::<usize>()..).unwrap_or_default();
            let length = text.len().to_ne_bytes();
            values.push(String::from_utf8_lossy(text).into_owned());
            if let Some(place) = key.get_mut(start..start + size_of::<usize>()) {
                place.copy_from_slice(&length);
            }
        }
        if let Some(listed) = known.get(&*key) {
            return listed.count(value, context);
        }
        match self.list(stat, known.len(), values) {
            Some(listed) => {
                listed.count(value, context);
                known.insert(key.into(), listed);
            }
            None => self.tell(stat),
        }
    }

    /// A stat with these values of its tags; nothing if that is too much.
    fn list(&self, stat: &Stat, known_count: usize, values: Vec<String>) -> Option<Listed> {
        let prefix = self.scope.as_ref()?;
        let tags = stat.tags.iter().map(|(name, _)| Arc::clone(name));
        let tags: Vec<_> = tags.zip(values).collect();
        let bytes: usize = tags.iter().map(|(_, value)| value.len()).sum();
        if known_count >= MAX_TAG_SETS || bytes > MAX_VALUES_BYTES {
            return None;
        }
        let scope = prefix.tagged_stat(&stat.name, tags)?;
        let cell = match stat.kind {
            Kind::Counter => StatCell::Counter(scope.counter("")),
            Kind::Histogram(unit) => StatCell::Histogram(scope.histogram("", unit)),
            Kind::GaugeSet(_) => StatCell::Gauge(scope.shared_gauge("")),
            Kind::GaugeHeld { add, .. } => StatCell::HeldGauge(scope.shared_gauge(""), add),
        };
        Some(Listed { cell, scope })
    }

    /// Says once that something is not counted.
    fn tell(&self, stat: &Stat) {
        if !self.has_told.replace(true) {
            let name = &stat.name;
            let text = format!(
                "the access logger of stats leaves streams out of `{name}`: \
                 it has {MAX_TAG_SETS} sets of tags, or they are longer than {MAX_VALUES_BYTES} bytes"
            );
            write(Severity::Warning, "misc", &text);
        }
    }
}

impl Listed {
    fn count(&self, value: u64, context: &FormatContext<'_>) {
        match &self.cell {
            StatCell::Counter(cell) => cell.add(value),
            StatCell::Histogram(cell) => cell.record(value),
            StatCell::Gauge(cell) => cell.write(value),
            StatCell::HeldGauge(cell, add) => {
                let held = &context.stream_info.held;
                // What is held keeps the gauge, so that no other has its address.
                let key = Arc::as_ptr(cell).addr();
                match *add == context.access_log_type {
                    true => held.hold(key, || Box::new(HeldGauge::new(cell, &self.scope, value))),
                    false => held.release(key),
                }
            }
        }
    }
}

/// What a stream has added to a gauge, which is subtracted as it is dropped.
struct HeldGauge {
    // Before the scope, so that both leave at once.
    gauge: Arc<WideGauge>,
    /// As long as it is there, the gauge is listed.
    _scope: Scope,
    value: u64,
}

impl HeldGauge {
    fn new(gauge: &Arc<WideGauge>, scope: &Scope, value: u64) -> Self {
        gauge.write_by(value.cast_signed());
        HeldGauge {
            gauge: Arc::clone(gauge),
            _scope: scope.clone(),
            value,
        }
    }
}

impl Drop for HeldGauge {
    fn drop(&mut self) {
        self.gauge.write_by(self.value.cast_signed().wrapping_neg());
    }
}

impl Stat {
    /// What is to be counted of a stream now.
    fn value(&self, context: &FormatContext<'_>) -> Option<u64> {
        let now = context.access_log_type;
        let scale = match self.kind {
            Kind::Histogram(unit) => unit.scale(),
            Kind::Counter => 1.0,
            Kind::GaugeSet(moment) if moment == now => 1.0,
            Kind::GaugeHeld { add, subtract } if add == now || subtract == now => 1.0,
            Kind::GaugeSet(_) | Kind::GaugeHeld { .. } => return None,
        };
        let value = match &self.amount {
            Amount::Fixed(value) => *value,
            Amount::Formatted(format) => {
                let mut text = Vec::new();
                format.format(context, &mut text);
                whole(number(&text)? * scale)?
            }
        };
        // As in Envoy, a gauge that nothing is added to is not made.
        let is_nothing = value == 0 && matches!(self.kind, Kind::GaugeHeld { .. });
        (!is_nothing).then_some(value)
    }
}

/// The number that a text is.
fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.trim_ascii().parse().ok()
}

/// A number without its fraction; nothing if 64 bits have no place for it.
pub(super) fn whole(number: f64) -> Option<u64> {
    const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
    // The range makes the conversion exact.
    (number > -1.0 && number < TOO_LARGE).then_some(number as u64)
}
