//! What the UDP proxy writes to its access logs: sessions when they end and every so often, and the proxy itself when
//! its listener goes, once for each worker.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::services::stream_id;
use nuncio_contract::stats::{StatGroup, StatValue};
use nuncio_contract::stream_info::metadata::{Struct, Value};
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};

use super::session::{Counts, Session};
use super::stats::UdpProxyStats;
use super::target::Target;
use super::{Incoming, UdpProxy, route};

/// The number of the next session, over all workers and listeners.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl UdpProxy {
    /// What is known of a session, if sessions are logged.
    pub(super) fn begin_info(&self, incoming: &Incoming<'_>) -> Option<Box<RefCell<StreamInfo>>> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        if self.loggers.is_empty() && !self.is_deferred {
            return None;
        }
        let connection = route::connection(id, incoming.peer, incoming.local);
        let mut info = self.stream_info(connection);
        info.stream_id = Some(stream_id(&*self.worker.services));
        Some(Box::new(RefCell::new(info)))
    }

    pub(super) fn log_end(&self, session: &Session) {
        self.log_session(session, AccessLogType::UdpSessionEnd);
    }

    pub(super) fn log_periodic(&self, session: &Session) {
        self.log_session(session, AccessLogType::UdpPeriodic);
    }

    pub(super) fn log_session(&self, session: &Session, moment: AccessLogType) {
        let Some(info) = &session.info else {
            return;
        };
        let mut info = info.borrow_mut();
        info.upstream.local_address = session.upstream_local_address().map(Into::into);
        if let Some(entrance) = session.entrance() {
            let (sent, received) = entrance.wire_bytes();
            info.upstream.bytes.wire_bytes_sent = sent;
            info.upstream.bytes.wire_bytes_received = received;
        }
        let target = session.target().map(|target| &**target);
        self.log_counts(&mut info, &session.counts, target, moment);
    }

    /// A session that was too many for its cluster.
    pub(super) fn log_overflow(&self, info: Option<Box<RefCell<StreamInfo>>>, target: &Target) {
        if let Some(info) = info {
            let mut info = info.into_inner();
            info.add_flags(ResponseFlags::UPSTREAM_OVERFLOW);
            let moment = AccessLogType::UdpSessionEnd;
            self.log_counts(&mut info, &Counts::default(), Some(target), moment);
        }
    }

    fn log_counts(
        &self,
        info: &mut StreamInfo,
        counts: &Counts,
        target: Option<&Target>,
        moment: AccessLogType,
    ) {
        if self.loggers.is_empty() {
            return;
        }
        info.bytes_received = counts.rx_bytes.get();
        info.bytes_sent = counts.tx_bytes.get();
        let name = target.map(|target| target.cluster.settings().name.clone());
        let name = name.map(|name| ("cluster_name", Value::String(name)));
        let fields = [
            ("bytes_received", value(counts.rx_bytes.get())),
            ("bytes_sent", value(counts.tx_bytes.get())),
            ("datagrams_received", value(counts.rx_datagrams.get())),
            ("datagrams_sent", value(counts.tx_datagrams.get())),
            ("errors_sent", value(counts.tx_errors.get())),
        ];
        let metadata = info.dynamic_metadata_mut();
        let fields = fields.into_iter().chain(name).collect();
        metadata.merge("udp.proxy.session", fields);
        if moment == AccessLogType::UdpSessionEnd {
            info.end = Some(self.worker.services.now());
        }
        self.write(&self.loggers, info, moment);
    }

    /// What the worker and, in the metadata, all of them have passed.
    pub(super) fn log_totals(&mut self) {
        if self.proxy_loggers.is_empty() {
            return;
        }
        self.begin.bytes_received = self.received_bytes.get();
        self.begin.bytes_sent = self.stats.downstream_sess_tx_bytes.value();
        let totals = self.totals();
        self.begin
            .dynamic_metadata_mut()
            .merge("udp.proxy.proxy", totals);
        self.begin.end = Some(self.worker.services.now());
        self.write(&self.proxy_loggers, &self.begin, AccessLogType::NotSet);
    }

    fn totals(&self) -> Struct {
        const NAMES: [(&str, &str); 9] = [
            ("bytes_received", "downstream_sess_rx_bytes"),
            ("bytes_sent", "downstream_sess_tx_bytes"),
            ("datagrams_received", "downstream_sess_rx_datagrams"),
            ("datagrams_sent", "downstream_sess_tx_datagrams"),
            ("errors_received", "downstream_sess_rx_errors"),
            ("errors_sent", "downstream_sess_tx_errors"),
            ("idle_timeout", "idle_timeout"),
            ("no_route", "downstream_sess_no_route"),
            ("session_total", "downstream_sess_total"),
        ];
        let mut totals = Struct::default();
        let table = UdpProxyStats::TABLE;
        for (shown, counter) in NAMES {
            let place = table.counters.iter().position(|name| *name == counter);
            let scope = &self.config.scope;
            scope.read_group(table, "", place.unwrap_or(usize::MAX), &mut |stat| {
                if let StatValue::Counter { value: total, .. } = stat.value {
                    totals.insert(shown, value(total));
                }
            });
        }
        totals
    }

    fn write(&self, loggers: &[Box<dyn AccessLogger>], info: &StreamInfo, moment: AccessLogType) {
        let context = FormatContext {
            access_log_type: moment,
            ..FormatContext::new(info, &*self.worker.services)
        };
        loggers.iter().for_each(|logger| logger.log(&context));
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metadata has no other numbers; 53 bits count for long"
)]
fn value(count: u64) -> Value {
    Value::Number(count as f64)
}
