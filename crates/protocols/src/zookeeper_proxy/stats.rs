//! The counters of a worker, at `<stat_prefix>.zookeeper.`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Histogram, Scope, Unit};

use super::config::Settings;
use super::opcode::Op;

stat_group! {
    /// What has no kind.
    pub struct CommonStats("") {
        counters { connect_readonly_rq, connect_readonly_rq_bytes, decoder_error, request_bytes, response_bytes, watch_event }
    }
}

/// Names of clients that have counters of their own.
const SCHEMES: &[&str] = &[
    "auth",
    "digest",
    "host",
    "ip",
    "ping_response",
    "world",
    "x509",
];

/// What counts an operation.
struct OpStats {
    requests: Arc<Counter>,
    request_bytes: Arc<Counter>,
    answers: Arc<Counter>,
    answer_bytes: Arc<Counter>,
    fast: Arc<Counter>,
    slow: Arc<Counter>,
    errors: Arc<Counter>,
}

/// All of them.
pub(super) struct Stats {
    scope: Option<Scope>,
    pub(super) common: Arc<CommonStats>,
    ops: Box<[OpStats]>,
    latencies: RefCell<HashMap<usize, Arc<Histogram>>>,
    schemes: RefCell<HashMap<&'static str, Arc<Counter>>>,
}

impl Stats {
    pub(super) fn new(root: &Scope, prefix: &str) -> Self {
        let scope = root.scope(&format!("{prefix}.zookeeper"));
        let counter = |name: &str| {
            let listed = scope.as_ref().map(|scope| scope.counter(name));
            listed.unwrap_or_default()
        };
        let ops = Op::ALL.iter().map(|op| {
            let name = op.name();
            let named = |suffix: &str| counter(&format!("{name}_{suffix}"));
            OpStats {
                // Clients' names are counted apart.
                requests: match op {
                    Op::Auth => Arc::default(),
                    _ => named("rq"),
                },
                request_bytes: named("rq_bytes"),
                answers: named("resp"),
                answer_bytes: named("resp_bytes"),
                fast: named("resp_fast"),
                slow: named("resp_slow"),
                errors: named("decoder_error"),
            }
        });
        Stats {
            ops: ops.collect(),
            common: scope
                .as_ref()
                .map_or_else(Arc::default, |scope| scope.worker_group()),
            scope,
            latencies: RefCell::default(),
            schemes: RefCell::default(),
        }
    }

    fn op(&self, op: Op) -> Option<&OpStats> {
        self.ops.get(op.index())
    }

    pub(super) fn request(&self, op: Op) {
        if let Some(stats) = self.op(op) {
            stats.requests.inc();
        }
    }

    /// A client has told its name.
    pub(super) fn auth(&self, scheme: &[u8]) {
        let known = SCHEMES.iter().find(|known| known.as_bytes() == scheme);
        let name = known.copied().unwrap_or("unknown_scheme");
        let mut schemes = self.schemes.borrow_mut();
        let counter = schemes.entry(name).or_insert_with(|| {
            let scope = self.scope.as_ref();
            let listed = scope.map(|scope| scope.counter(&format!("auth.{name}_rq")));
            listed.unwrap_or_default()
        });
        counter.inc();
    }

    pub(super) fn request_bytes(&self, op: Option<Op>, bytes: usize, settings: &Settings) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.common.request_bytes.add(bytes);
        if settings.counts_request_bytes
            && let Some(stats) = op.and_then(|op| self.op(op))
        {
            stats.request_bytes.add(bytes);
        }
    }

    pub(super) fn answer_bytes(&self, op: Option<Op>, bytes: usize, settings: &Settings) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.common.response_bytes.add(bytes);
        if settings.counts_answer_bytes
            && let Some(stats) = op.and_then(|op| self.op(op))
        {
            stats.answer_bytes.add(bytes);
        }
    }

    pub(super) fn answer(&self, op: Op, took: Duration, settings: &Settings) {
        let Some(stats) = self.op(op) else {
            return;
        };
        stats.answers.inc();
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.latency(op).record(milliseconds);
        let thresholds = settings.thresholds.as_ref();
        if let Some(threshold) = thresholds.and_then(|all| all.get(op.index())) {
            match u128::from(milliseconds) <= threshold.as_millis() {
                true => stats.fast.inc(),
                false => stats.slow.inc(),
            }
        }
    }

    fn latency(&self, op: Op) -> Arc<Histogram> {
        let mut latencies = self.latencies.borrow_mut();
        let histogram = latencies.entry(op.index()).or_insert_with(|| {
            let name = format!("{}_{}_latency", op.name(), op.answer_suffix());
            let scope = self.scope.as_ref();
            let listed = scope.map(|scope| scope.histogram(&name, Unit::Milliseconds));
            listed.unwrap_or_default()
        });
        Arc::clone(histogram)
    }

    pub(super) fn error(&self, op: Option<Op>, settings: &Settings) {
        self.common.decoder_error.inc();
        if settings.counts_errors
            && let Some(stats) = op.and_then(|op| self.op(op))
        {
            stats.errors.inc();
        }
    }
}
