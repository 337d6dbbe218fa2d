//! The records of a worker's log: gathered, and sent in calls.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::calls::Calls;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_service_messages::Message;
use nuncio_service_messages::otlp::{
    EXPORT_LOGS, ExportLogs, KeyValue, LogRecord, Resource, ResourceLogs, ScopeLogs,
};

use super::config::Settings;
use crate::otlp::{Destination, Detected};

const STATS: &str = "access_logs.open_telemetry_access_log.";
/// Calls that may be under way.
const MAX_CALLS: usize = 64;

stat_group! {
    /// What became of records.
    pub struct LogStats("") {
        counters {
            logs_dropped,
            logs_written,
        }
    }
}

stat_group! {
    /// The same of those that go by gRPC, which Envoy lists and never counts.
    pub struct GrpcStats("") {
        counters {
            grpc_entries_flush_failed,
            grpc_entries_flushed,
        }
    }
}

/// The records.
pub(super) struct Sender {
    settings: Arc<Settings>,
    stats: Arc<LogStats>,
    /// Keeps the stats listed.
    _scope: Option<Scope>,
    waiting: RefCell<Vec<LogRecord>>,
    bytes: Cell<usize>,
    has_timer: Cell<bool>,
    calls_under_way: Cell<usize>,
    node: RefCell<Option<Arc<LocalNode>>>,
    me: Weak<Sender>,
}

impl Sender {
    pub(super) fn new(settings: &Arc<Settings>, scope: &Scope) -> Rc<Self> {
        let prefix = match settings.stat_prefix.as_str() {
            "" => STATS.to_owned(),
            prefix => format!("{STATS}{prefix}."),
        };
        let scope = scope.root().and_then(|root| root.scope(&prefix));
        if let (Some(scope), Destination::Grpc(_)) = (&scope, &settings.destination) {
            scope.register::<GrpcStats>();
        }
        Rc::new_cyclic(|me| Sender {
            settings: Arc::clone(settings),
            stats: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            _scope: scope,
            waiting: RefCell::default(),
            bytes: Cell::default(),
            has_timer: Cell::default(),
            calls_under_way: Cell::default(),
            node: RefCell::default(),
            me: Weak::clone(me),
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a record.
    pub(super) fn take(&self, record: LogRecord, services: &dyn WorkerServices) {
        let Some(calls) = services.calls() else {
            return self.stats.logs_dropped.inc();
        };
        if self.node.borrow().is_none() {
            *self.node.borrow_mut() = services.local_node();
        }
        self.bytes.set(self.bytes.get() + record.encoded_len());
        self.waiting.borrow_mut().push(record);
        if self.bytes.get() >= self.settings.max_bytes {
            self.flush(&calls);
        } else if !self.has_timer.replace(true) {
            self.flush_later(calls);
        }
    }

    fn flush_later(&self, calls: Calls) {
        let Some(me) = self.me.upgrade() else { return };
        let (sleeping, spawning) = (calls.sleep(self.settings.interval), Rc::clone(&calls));
        spawning.spawn(Box::pin(async move {
            sleeping.await;
            me.has_timer.set(false);
            me.flush(&calls);
        }));
    }

    fn flush(&self, calls: &Calls) {
        let records = std::mem::take(&mut *self.waiting.borrow_mut());
        self.bytes.set(0);
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let Some(me) = self.me.upgrade().filter(|_| count > 0) else {
            return;
        };
        if self.calls_under_way.get() >= MAX_CALLS {
            return self.stats.logs_dropped.add(count);
        }
        self.calls_under_way.set(self.calls_under_way.get() + 1);
        let version = self.node.borrow().as_ref().map(|node| node.version.clone());
        let agent = format!("OTel-OTLP-Exporter-Envoy/{}", version.unwrap_or_default());
        let message = self.request(records).encode_to_vec();
        let outcome = Rc::new(move |was_taken| {
            me.calls_under_way
                .set(me.calls_under_way.get().saturating_sub(1));
            match was_taken {
                true => me.stats.logs_written.add(count),
                false => me.stats.logs_dropped.add(count),
            }
        });
        let destination = &self.settings.destination;
        destination.send(calls, EXPORT_LOGS, &agent, &message, outcome);
    }

    /// The records with what is said of who tells them: what the configuration says counts most, then what was detected.
    fn request(&self, log_records: Vec<LogRecord>) -> ExportLogs {
        let settings = &self.settings;
        let mut texts = Detected::new();
        if settings.has_labels {
            let node = self.node.borrow().clone().unwrap_or_default();
            for (name, value) in [
                ("log_name", settings.log_name.as_str()),
                ("zone_name", &node.zone),
                ("cluster_name", &node.cluster),
                ("node_name", &node.id),
            ] {
                texts.insert(name.to_owned(), value.to_owned());
            }
        }
        texts.extend(settings.detected.clone());
        let is_said = |name: &str| settings.resource.iter().any(|said| said.key == name);
        let texts = texts.into_iter().filter(|(name, _)| !is_said(name));
        let texts = texts.map(|(name, value)| KeyValue::text(name, value));
        ExportLogs {
            resource_logs: vec![ResourceLogs {
                resource: Some(Resource {
                    attributes: texts.chain(settings.resource.iter().cloned()).collect(),
                }),
                scope_logs: vec![ScopeLogs { log_records }],
            }],
        }
    }
}
