//! The agent: traces that wait to be told to it, and what it answers.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::calls::{CallOptions, Calls, collect};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::config::Settings;
use super::sampling::Rates;
use crate::msgpack;

/// More traces do not wait.
const MAX_TRACES: usize = 4096;
/// Nor more bytes of them.
const MAX_BYTES: usize = 8 << 20;
const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_millis(1999);
const OK: u16 = 200;
/// Datadog's agents tell libraries apart by this: traces are as this one tells them.
const LIBRARY: [(&str, &str); 3] = [
    ("datadog-meta-tracer-version", "v2.1.1"),
    ("datadog-meta-lang-version", "202002"),
    ("datadog-meta-lang", "cpp"),
];

stat_group! {
    /// What became of reports.
    pub struct DatadogStats("tracing.datadog.") {
        counters {
            reports_dropped,
            reports_failed,
            reports_sent,
            reports_skipped_no_cluster,
        }
    }
}

/// The agent.
pub(super) struct Agent {
    settings: Arc<Settings>,
    stats: Arc<DatadogStats>,
    /// At which it wants to be told.
    pub(super) rates: RefCell<Rates>,
    waiting: RefCell<Waiting>,
    has_timer: Cell<bool>,
    me: Weak<Agent>,
}

/// Traces that wait, written one behind the other.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) count: usize,
    pub(super) bytes: Vec<u8>,
}

impl Waiting {
    /// Takes one, if there is room for it.
    pub(super) fn take(&mut self, trace: &[u8]) -> bool {
        let has_room = self.count < MAX_TRACES && self.bytes.len() + trace.len() <= MAX_BYTES;
        if has_room {
            self.count += 1;
            self.bytes.extend_from_slice(trace);
        }
        has_room
    }
}

impl Agent {
    pub(super) fn new(settings: Arc<Settings>, scope: &Scope) -> Rc<Self> {
        let stats = scope.root().map(|root| root.worker_group());
        Rc::new_cyclic(|me| Agent {
            settings,
            stats: stats.unwrap_or_default(),
            rates: RefCell::default(),
            waiting: RefCell::default(),
            has_timer: Cell::new(false),
            me: Weak::clone(me),
        })
    }

    /// Takes a trace, written.
    pub(super) fn take(&self, trace: &[u8], services: &dyn WorkerServices) {
        let Some(calls) = services.calls() else {
            return;
        };
        if !self.waiting.borrow_mut().take(trace) {
            return;
        }
        let Some(me) = self.me.upgrade().filter(|_| !self.has_timer.replace(true)) else {
            return;
        };
        let (sleeping, spawning) = (calls.sleep(INTERVAL), Rc::clone(&calls));
        spawning.spawn(Box::pin(async move {
            sleeping.await;
            me.has_timer.set(false);
            me.tell(&calls);
        }));
    }

    fn tell(&self, calls: &Calls) {
        let traces = std::mem::take(&mut *self.waiting.borrow_mut());
        let mut body = Vec::new();
        msgpack::array(&mut body, traces.count);
        body.extend(traces.bytes);
        let head = self.head(traces.count);
        let options = CallOptions {
            timeout: Some(TIMEOUT),
            ..CallOptions::default()
        };
        let Some(mut call) = calls.start(&self.settings.cluster, head, options) else {
            return self.stats.reports_skipped_no_cluster.inc();
        };
        call.send(&body, true);
        let (stats, me) = (Arc::clone(&self.stats), Weak::clone(&self.me));
        calls.spawn(Box::pin(async move {
            match collect(call).await {
                None => stats.reports_failed.inc(),
                Some(answer) if answer.status() == OK => {
                    stats.reports_sent.inc();
                    if let Some(me) = me.upgrade() {
                        me.rates.borrow_mut().take(&answer.body);
                    }
                }
                Some(_) => stats.reports_dropped.inc(),
            }
        }));
    }

    fn head(&self, count: usize) -> HeaderMap {
        let mut head = HeaderMap::request();
        head.set(Known::Method, b"POST");
        head.set(Known::Path, b"/v0.4/traces");
        head.set(Known::Authority, self.settings.host.as_bytes());
        let count = count.to_string();
        let counted = [("x-datadog-trace-count", count.as_str())];
        for (name, value) in counted.into_iter().chain(LIBRARY) {
            if let Ok(name) = HeaderName::parse(name) {
                head.set(&name, value.as_bytes());
            }
        }
        head.set(Known::ContentType, b"application/msgpack");
        head
    }
}
