//! Spans that wait to be reported: a worker's, up to so many, or until so long after the first of them was there.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_contract::calls::Calls;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::Counter;

const DEFAULT_SPANS: u64 = 5;
const DEFAULT_INTERVAL_MS: u64 = 5_000;

/// Reports spans, and counts.
pub(crate) trait Reporter<S> {
    /// Reports.
    fn report(&self, spans: Vec<S>, calls: &Calls, services: Option<&dyn WorkerServices>);
    /// Counts times at which the interval was over.
    fn timer_flushed(&self) -> &Counter;
}

/// When spans leave, as runtime says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// So many at once.
    pub(crate) min_spans: RuntimeKey,
    /// After so long.
    pub(crate) interval_ms: RuntimeKey,
}

/// The spans.
pub(crate) struct SpanBuffer<S, R> {
    pub(crate) reporter: R,
    pace: Pace,
    /// More are dropped.
    max_spans: usize,
    waiting: RefCell<Vec<S>>,
    has_timer: Cell<bool>,
    me: Weak<Self>,
}

impl<S: 'static, R: Reporter<S> + 'static> SpanBuffer<S, R> {
    /// None yet.
    pub(crate) fn new(reporter: R, pace: Pace, max_spans: usize) -> Rc<Self> {
        Rc::new_cyclic(|me| SpanBuffer {
            reporter,
            pace,
            max_spans,
            waiting: RefCell::default(),
            has_timer: Cell::new(false),
            me: Weak::clone(me),
        })
    }

    /// Takes a span; whether there was room.
    pub(crate) fn take(&self, span: S, services: &dyn WorkerServices) -> bool {
        let Some(calls) = services.calls() else {
            return false;
        };
        let count = {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= self.max_spans {
                return false;
            }
            waiting.push(span);
            waiting.len()
        };
        let enough = self.pace.min_spans.integer(DEFAULT_SPANS);
        if u64::try_from(count).unwrap_or(u64::MAX) >= enough {
            self.flush(&calls, Some(services));
        } else if !self.has_timer.replace(true) {
            self.flush_later(calls);
        }
        true
    }

    fn flush(&self, calls: &Calls, services: Option<&dyn WorkerServices>) {
        let spans = std::mem::take(&mut *self.waiting.borrow_mut());
        if !spans.is_empty() {
            self.reporter.report(spans, calls, services);
        }
    }

    fn flush_later(&self, calls: Calls) {
        let Some(me) = self.me.upgrade() else { return };
        let interval = self.pace.interval_ms.integer(DEFAULT_INTERVAL_MS);
        let (sleeping, spawning) = (
            calls.sleep(Duration::from_millis(interval)),
            Rc::clone(&calls),
        );
        spawning.spawn(Box::pin(async move {
            sleeping.await;
            me.has_timer.set(false);
            me.reporter.timer_flushed().inc();
            me.flush(&calls, None);
        }));
    }
}
