//! What the router's own logs tell of a copy of a request: as in Envoy a line as of a try, of a stream that has no client.
//!
//! Without lines at intervals, which Envoy has of copies too.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::stream_info::{
    ClusterDescription, ConnectionInfo, HostDescription, StreamInfo,
};
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, UpstreamStream};

use crate::router::failure::flags_of;
use crate::upstream_logs::UpstreamLogs;
use crate::worker::Worker;

/// The log of a copy, gathered while it lasts.
pub(super) struct CopyLog {
    logs: Rc<UpstreamLogs>,
    info: StreamInfo,
    /// A host was found for it, without which nothing is logged.
    has_begun: bool,
    pub(super) head: HeaderMap,
}

impl CopyLog {
    pub(super) fn new(
        logs: &Rc<UpstreamLogs>,
        cluster: Rc<ClusterDescription>,
        worker: &Worker,
    ) -> Box<Self> {
        let connection = Rc::new(ConnectionInfo::default());
        let mut info = StreamInfo::new(connection, worker.wall(), worker.now());
        info.upstream_cluster = Some(cluster);
        info.is_shadow = true;
        info.upstream.is_set = true;
        Box::new(CopyLog {
            logs: Rc::clone(logs),
            info,
            has_begun: false,
            head: HeaderMap::response(),
        })
    }

    /// It has a host.
    pub(super) fn begin(&mut self, host: Rc<HostDescription>) {
        self.info.upstream.choose_host(host);
        self.has_begun = true;
    }

    /// It has a connection.
    pub(super) fn connected(&mut self, up: &UpstreamStream, request: &HeaderMap, worker: &Worker) {
        self.info.protocol = up.protocol();
        let upstream = &mut self.info.upstream;
        upstream.attempt_chosen_host();
        upstream.connection_id = Some(up.connection_id());
        upstream.local_address = up.local_address();
        upstream.remote_address = Some(up.host_address());
        upstream.protocol = up.protocol();
        upstream.tls = up.tls().map(|tls| Arc::clone(&tls.told));
        if self.logs.at_connection {
            self.log(AccessLogType::UpstreamPoolReady, request, worker);
        }
    }

    /// Its exchange with the host is over: the status, and bytes of bodies that were sent and received.
    pub(super) fn gather(&mut self, up: &UpstreamStream, status: Option<u16>, bodies: (u64, u64)) {
        self.info.response_code = status;
        (self.info.bytes_sent, self.info.bytes_received) = bodies;
        self.info.upstream.bytes = up.bytes();
    }

    /// It is over.
    pub(super) fn end(
        mut self: Box<Self>,
        request: &HeaderMap,
        error: Option<&UpstreamError>,
        worker: &Worker,
    ) {
        if !self.has_begun {
            return;
        }
        if let Some(error) = error {
            self.flag(error.kind);
            if let Some(reason) = error.transport_failure_reason.as_deref() {
                self.info.upstream.transport_failure_reason = reason.to_owned().into();
            }
            if error.kind == UpstreamErrorKind::Overflow {
                self.info.upstream.chosen_host = None;
            }
        }
        self.info.end = Some(worker.now());
        self.log(AccessLogType::UpstreamEnd, request, worker);
    }

    /// Notes what ended it too early.
    pub(super) fn flag(&mut self, kind: UpstreamErrorKind) {
        self.info.response_flags |= flags_of(kind);
    }

    fn log(&self, moment: AccessLogType, request: &HeaderMap, worker: &Worker) {
        self.logs.log(&FormatContext {
            request_headers: Some(request),
            response_headers: Some(&self.head),
            response_trailers: Some(&HeaderMap::new(MapKind::ResponseTrailers)),
            stream_info: &self.info,
            local_reply_body: b"",
            access_log_type: moment,
            services: worker,
        });
    }
}
