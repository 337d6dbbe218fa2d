//! What the router's own logs tell of one try: gathered while it lasts, logged when it is dropped.
//!
//! As in Envoy a try's status, flags, bodies and head are its own, what is known of its connection is too; bytes on the
//! wire are those of all tries so far, and of the client's side only the connection is known, without what was found
//! out of its address.
//!
//! Follows the upstream logs of Envoy's router.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stream_info::{
    Address, BytesMeter, HostDescription, Protocol, ResponseFlags, StreamInfo, TlsInfo,
};
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, UpstreamStream};

use super::Router;
use super::failure::flags_of;
use super::try_count::TryCount;
use crate::downstream::Downstream;
use crate::exchange::Budget;
use crate::stream::StreamState;
use crate::upstream_logs::UpstreamLogs;
use crate::worker::Worker;

/// The client's side, as far as it counts bytes.
pub(crate) trait CountsBytes {
    fn counted(&self) -> BytesMeter;
}

impl<D: Downstream> CountsBytes for D {
    fn counted(&self) -> BytesMeter {
        self.bytes()
    }
}

/// A try that will be logged, or counted.
pub(crate) struct TryLog<'e> {
    logs: Option<&'e UpstreamLogs>,
    count: Option<TryCount>,
    worker: &'e Worker,
    state: &'e RefCell<Box<StreamState>>,
    down: &'e dyn CountsBytes,
    start: (SystemTime, Instant),
    host: Option<Rc<HostDescription>>,
    connection: Option<Connection>,
    /// Its connection is to be told of.
    is_connection_due: bool,
    timer: Deadlines<1>,
    flags: ResponseFlags,
    failure: Option<String>,
    status: Option<u16>,
    head: HeaderMap,
    trailers: HeaderMap,
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// What the client was sent before the end of the answer came, which it is sent once the try is over.
    of_client: Option<BytesMeter>,
}

struct Connection {
    id: u64,
    local: Option<Address>,
    remote: Address,
    protocol: Option<Protocol>,
    tls: Option<Arc<TlsInfo>>,
}

impl<'e, D: Downstream> Router<'e, '_, D> {
    /// Begins the log of a try at the host that was chosen, if there is to be one.
    #[inline]
    pub(super) fn begin_try_log(&self) -> Option<Box<TryLog<'e>>> {
        let exchange = self.exchange;
        let router = exchange.manager.router_parts(exchange.upgrade_filters());
        let logs = router.logs.as_deref();
        let account = exchange.account.borrow();
        let budget = account.as_ref().and_then(|it| it.budget.as_deref());
        (logs.is_some() || budget.is_some()).then(|| self.try_log(logs, budget))
    }

    #[cold]
    fn try_log(&self, logs: Option<&'e UpstreamLogs>, budget: Option<&Budget>) -> Box<TryLog<'e>> {
        let exchange = self.exchange;
        let worker = &*exchange.manager.worker;
        let log = TryLog {
            logs,
            count: budget.map(TryCount::new),
            worker,
            state: &exchange.state,
            down: exchange.down,
            start: (worker.wall(), worker.now()),
            host: exchange.state.borrow().info.upstream.chosen_host.clone(),
            connection: None,
            is_connection_due: false,
            timer: Deadlines::default(),
            flags: ResponseFlags::NONE,
            failure: None,
            status: None,
            head: HeaderMap::response(),
            trailers: HeaderMap::new(MapKind::ResponseTrailers),
            sent_bytes: 0,
            received_bytes: 0,
            of_client: None,
        };
        log.begin_interval();
        Box::new(log)
    }
}

impl TryLog<'_> {
    fn begin_interval(&self) {
        if let Some(interval) = self.logs.and_then(|logs| logs.interval) {
            self.timer.set(0, self.worker.now() + interval);
        }
    }

    /// It has a connection.
    pub(super) fn connected(&mut self, stream: &UpstreamStream) {
        self.connection = Some(Connection {
            id: stream.connection_id(),
            local: stream.local_address(),
            remote: stream.host_address(),
            protocol: stream.protocol(),
            tls: stream.tls().map(|tls| Arc::clone(&tls.told)),
        });
        self.is_connection_due = self.logs.is_some_and(|logs| logs.at_connection);
    }

    /// It has failed.
    pub(super) fn fail(&mut self, error: &UpstreamError) {
        if error.reply.is_some() {
            return;
        }
        self.flags |= flags_of(error.kind);
        self.failure = error.transport_failure_reason.as_deref().map(str::to_owned);
        if error.kind == UpstreamErrorKind::Overflow {
            self.host = None;
        }
    }

    /// Something has happened to it.
    pub(super) fn flag(&mut self, flags: ResponseFlags) {
        self.flags |= flags;
    }

    /// A head of its answer has come, which may not be the last.
    pub(super) fn count_head(&mut self, head: &HeaderMap) {
        if let Some(count) = &mut self.count {
            count.answered(head);
        }
    }

    /// The head of its answer has come.
    pub(super) fn answered(&mut self, status: u16, head: &HeaderMap) {
        self.status = Some(status);
        if self.logs.is_some() {
            self.head.clone_from(head);
        }
    }

    /// The end of its answer has come.
    pub(super) fn note_whole(&mut self) {
        self.of_client = Some(self.down.counted());
    }

    /// The trailers of its answer have come.
    pub(super) fn ended(&mut self, trailers: &HeaderMap) {
        if self.logs.is_some() {
            self.trailers.clone_from(trailers);
        }
    }

    /// Logs what is due meanwhile; `stream` is its exchange with the host, once there is one. The stream's state must
    /// not be borrowed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, stream: Option<&UpstreamStream>) {
        if std::mem::take(&mut self.is_connection_due) {
            self.log(AccessLogType::UpstreamPoolReady, BytesMeter::default());
        }
        while self.timer.poll_expired(cx, self.worker).is_ready() {
            let bytes = stream.map(UpstreamStream::bytes).unwrap_or_default();
            self.log(AccessLogType::UpstreamPeriodic, bytes);
            self.begin_interval();
        }
    }

    fn log(&self, moment: AccessLogType, under_way: BytesMeter) {
        let Some(logs) = self.logs else { return };
        let state = self.state.borrow();
        let end = (moment == AccessLogType::UpstreamEnd).then(|| self.worker.now());
        let mut info = self.info(&state, end);
        let bytes = &mut info.upstream.bytes;
        bytes.wire_bytes_sent += under_way.wire_bytes_sent;
        bytes.wire_bytes_received += under_way.wire_bytes_received;
        bytes.header_bytes_sent += under_way.header_bytes_sent;
        bytes.header_bytes_received += under_way.header_bytes_received;
        bytes.decompressed_header_bytes_sent += under_way.decompressed_header_bytes_sent;
        bytes.decompressed_header_bytes_received += under_way.decompressed_header_bytes_received;
        logs.log(&FormatContext {
            request_headers: Some(&state.request),
            response_headers: Some(&self.head),
            response_trailers: Some(&self.trailers),
            stream_info: &info,
            local_reply_body: b"",
            access_log_type: moment,
            services: self.worker,
        });
    }

    /// What is known of the try, as of a stream.
    fn info(&self, state: &StreamState, end: Option<Instant>) -> StreamInfo {
        let of = &state.info;
        let (wall, start) = self.start;
        let mut info = StreamInfo::new(Rc::clone(&of.connection), wall, start);
        info.end = end;
        info.response_code = self.status;
        info.response_flags = self.flags;
        info.bytes_received = self.received_bytes;
        info.bytes_sent = self.sent_bytes;
        info.route_name.clone_from(&of.route_name);
        info.route_metadata.clone_from(&of.route_metadata);
        info.virtual_host_metadata
            .clone_from(&of.virtual_host_metadata);
        info.upstream_cluster.clone_from(&of.upstream_cluster);
        info.health_check = of.health_check;
        info.is_shadow = of.is_shadow;
        info.upstream.is_set = true;
        info.upstream.chosen_host.clone_from(&self.host);
        info.upstream.timing = of.upstream.timing;
        if let Some(failure) = &self.failure {
            info.upstream.transport_failure_reason = failure.clone().into();
        }
        if let Some(connection) = &self.connection {
            info.protocol = connection.protocol;
            info.downstream_bytes = self.of_client.unwrap_or_else(|| self.down.counted());
            let upstream = &mut info.upstream;
            upstream.attempt_chosen_host();
            upstream.bytes = of.upstream.bytes;
            upstream.connection_id = Some(connection.id);
            upstream.local_address.clone_from(&connection.local);
            upstream.remote_address = Some(connection.remote.clone());
            upstream.protocol = connection.protocol;
            upstream.tls.clone_from(&connection.tls);
        }
        info
    }
}

/// Its bytes have been added to those of the stream by then.
impl Drop for TryLog<'_> {
    fn drop(&mut self) {
        if let Some(count) = &self.count {
            let since = |start| self.worker.now().saturating_duration_since(start);
            let bytes = (self.sent_bytes, self.received_bytes);
            let state = self.state.borrow();
            let request_end = state.info.downstream_timing.last_rx_byte;
            let times = (
                since(self.start.1),
                request_end.map_or(Duration::ZERO, since),
            );
            count.end(&state.request, bytes, times);
        }
        self.log(AccessLogType::UpstreamEnd, BytesMeter::default());
    }
}
