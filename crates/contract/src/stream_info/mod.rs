//! Stream info: everything that access logs, header formatters and log filters may ask about a stream.
//!
//! The engine fills plain fields while the stream lives. What belongs to the connection is made once and
//! shared ([`ConnectionInfo`]); what is rare is allocated when it is first set. [`StreamInfo::reset`] makes
//! the value ready for the next request of a keep-alive connection without giving memory back, so that a
//! common request costs no allocation here.
//!
//! Follows Envoy's `StreamInfo` in meaning; what has no data behind it yet keeps its empty value.

mod address;
mod client_source;
mod connection;
mod filter_state;
mod held;
pub mod metadata;
mod proxy_values;
mod response_flags;
mod snapshot;
mod timing;
mod tls;
mod upstream;

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::clock::WallAnchor;

pub use address::{Address, InternalAddress};
pub use client_source::ClientSource;
pub use connection::{
    ConnectionInfo, ConnectionTally, FilterChainDescription, ListenerDescription,
};
pub use filter_state::{
    FilterState, FilterStateObject, TCP_PROXY_CLUSTER, TCP_PROXY_IDLE_TIMEOUT_MS, Text,
    UPSTREAM_DYNAMIC_PORT,
};
pub use held::Held;
pub use metadata::Metadata;
pub use proxy_values::ProxyValues;
pub use response_flags::ResponseFlags;
pub use timing::{BytesMeter, DownstreamTiming, UpstreamTiming};
pub use tls::{CertificateInfo, PeerCertificateInfo, TlsInfo};
pub use upstream::{ClusterDescription, HostDescription, UpstreamInfo, WantedHost};

/// The protocol of one side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

impl Protocol {
    /// As `%PROTOCOL%` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
            Protocol::Http3 => "HTTP/3",
        }
    }
}

/// How a connection was seen to close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseType {
    /// In order, or not at all.
    #[default]
    Normal,
    /// This side reset it.
    LocalReset,
    /// The peer reset it.
    RemoteReset,
}

impl CloseType {
    /// As `%DOWNSTREAM_DETECTED_CLOSE_TYPE%` shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloseType::Normal => "Normal",
            CloseType::LocalReset => "LocalReset",
            CloseType::RemoteReset => "RemoteReset",
        }
    }
}

/// Why a request is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceReason {
    /// It is not.
    #[default]
    NotTraceable,
    /// It is a health check, which is never traced.
    HealthCheck,
    /// Sampled.
    Sampling,
    /// The service asked for it by `x-envoy-force-trace`.
    ServiceForced,
    /// The client asked for it by `x-client-trace-id`.
    ClientForced,
}

/// The ids of the active trace and span.
#[derive(Clone, Debug, Default)]
pub struct TraceIds {
    /// `%TRACE_ID%`; empty for none.
    pub trace_id: Box<str>,
    /// `%SPAN_ID%`; empty for none.
    pub span_id: Box<str>,
    /// The span, of a type that [`tracing`](crate::tracing) knows.
    pub span: Option<Rc<dyn Any>>,
}

/// A stream, as far as others may know it.
#[derive(Debug)]
pub struct StreamInfo {
    /// The connection that carries it.
    pub connection: Rc<ConnectionInfo>,
    /// When its first byte came, on the worker's clock.
    pub start: Instant,
    /// When it was over; `None` while it lives.
    pub end: Option<Instant>,
    /// The protocol that the client speaks; `None` for plain TCP or an unreadable request.
    pub protocol: Option<Protocol>,
    /// When the client's bytes came and went.
    pub downstream_timing: DownstreamTiming,
    /// Bytes on the client's wire.
    pub downstream_bytes: BytesMeter,
    /// The client's address when it is not the connection's (`x-forwarded-for`, other detection).
    pub remote_address: Option<Address>,
    /// How the client's connection closed.
    pub downstream_detected_close_type: CloseType,
    /// Why this side closed the client's connection; empty if it did not.
    pub downstream_local_close_reason: Cow<'static, str>,

    /// The status sent to the client; `None` before there is one.
    pub response_code: Option<u16>,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub response_code_details: Option<Cow<'static, str>>,
    /// Why the connection was ended, set on L4 policy only.
    pub connection_termination_details: Option<Cow<'static, str>>,
    /// What happened to the stream.
    pub response_flags: ResponseFlags,
    /// Flags that filters added by name, joined by commas.
    pub custom_flags: String,
    /// Body bytes received from the client.
    pub bytes_received: u64,
    /// Body bytes sent to the client.
    pub bytes_sent: u64,

    /// Whether there is a route.
    pub has_route: bool,
    /// The route's name; `None` when it has none.
    pub route_name: Option<Arc<str>>,
    /// The virtual cluster's name.
    pub virtual_cluster_name: Option<Arc<str>>,
    /// The route's metadata; `None` when it has none.
    pub route_metadata: Option<Arc<Metadata>>,
    /// The virtual host's metadata; `None` when it has none.
    pub virtual_host_metadata: Option<Arc<Metadata>>,
    /// The cluster that the route chose.
    pub upstream_cluster: Option<Rc<ClusterDescription>>,
    /// The upstream side.
    pub upstream: UpstreamInfo,
    /// How often the request was sent or tried to be sent upstream.
    pub attempt_count: Option<u32>,

    /// Whether the request was refused before its headers counted as those of the stream.
    pub refused_early: bool,
    /// Whether the request is a health check, as the health check filter says.
    pub health_check: bool,
    /// Whether the request is a shadow of another.
    pub is_shadow: bool,
    /// Whether the client's connection is to end once the response is out, as a filter says.
    pub drains_connection: bool,
    /// Whether and why the request is traced.
    pub trace_reason: TraceReason,
    /// The active span.
    pub trace: Option<Box<TraceIds>>,
    /// The id of a stream that has no `x-request-id`, such as a TCP session.
    pub stream_id: Option<Box<str>>,

    start_wall: WallAnchor,
    dynamic_metadata: Option<Box<Metadata>>,
    filter_state: Option<Box<FilterState>>,
    /// What who logs it holds as long as it lives.
    pub held: Held,
}

impl StreamInfo {
    /// A stream that begins now. Allocates nothing.
    pub fn new(connection: Rc<ConnectionInfo>, start_time: SystemTime, start: Instant) -> Self {
        StreamInfo {
            connection,
            start_wall: WallAnchor::new(start, start_time),
            start,
            end: None,
            protocol: None,
            downstream_timing: DownstreamTiming::default(),
            downstream_bytes: BytesMeter::default(),
            remote_address: None,
            downstream_detected_close_type: CloseType::Normal,
            downstream_local_close_reason: Cow::Borrowed(""),
            response_code: None,
            response_code_details: None,
            connection_termination_details: None,
            response_flags: ResponseFlags::NONE,
            custom_flags: String::new(),
            bytes_received: 0,
            bytes_sent: 0,
            has_route: false,
            route_name: None,
            virtual_cluster_name: None,
            route_metadata: None,
            virtual_host_metadata: None,
            upstream_cluster: None,
            upstream: UpstreamInfo::default(),
            attempt_count: None,
            refused_early: false,
            health_check: false,
            is_shadow: false,
            drains_connection: false,
            trace_reason: TraceReason::NotTraceable,
            trace: None,
            stream_id: None,
            dynamic_metadata: None,
            filter_state: None,
            held: Held::default(),
        }
    }

    /// Begins the next stream with a value that was [cleared](Self::clear).
    pub fn begin(
        &mut self,
        connection: Rc<ConnectionInfo>,
        start_wall: WallAnchor,
        start: Instant,
    ) {
        self.connection = connection;
        self.start_wall = start_wall;
        self.start = start;
    }

    /// Forgets everything but the connection and the beginning, in place; lists keep their memory.
    pub fn clear(&mut self) {
        // No `..`: a new field has to be cleared too.
        let StreamInfo {
            connection: _,
            start_wall: _,
            start: _,
            end,
            protocol,
            downstream_timing,
            downstream_bytes,
            remote_address,
            downstream_detected_close_type,
            downstream_local_close_reason,
            response_code,
            response_code_details,
            connection_termination_details,
            response_flags,
            custom_flags,
            bytes_received,
            bytes_sent,
            has_route,
            route_name,
            virtual_cluster_name,
            route_metadata,
            virtual_host_metadata,
            upstream_cluster,
            upstream,
            attempt_count,
            refused_early,
            health_check,
            is_shadow,
            drains_connection,
            trace_reason,
            trace,
            stream_id,
            dynamic_metadata,
            filter_state,
            held,
        } = self;
        *end = None;
        *protocol = None;
        *downstream_timing = DownstreamTiming::default();
        *downstream_bytes = BytesMeter::default();
        *remote_address = None;
        *downstream_detected_close_type = CloseType::Normal;
        *downstream_local_close_reason = Cow::Borrowed("");
        *response_code = None;
        *response_code_details = None;
        *connection_termination_details = None;
        *response_flags = ResponseFlags::NONE;
        custom_flags.clear();
        *bytes_received = 0;
        *bytes_sent = 0;
        *has_route = false;
        *route_name = None;
        *virtual_cluster_name = None;
        *route_metadata = None;
        *virtual_host_metadata = None;
        *upstream_cluster = None;
        upstream.reset();
        *attempt_count = None;
        *refused_early = false;
        *health_check = false;
        *is_shadow = false;
        *drains_connection = false;
        *trace_reason = TraceReason::NotTraceable;
        *trace = None;
        *stream_id = None;
        *dynamic_metadata = None;
        *filter_state = None;
        held.clear();
    }

    /// The client's address: the detected one, or the connection's.
    pub fn downstream_remote_address(&self) -> Option<&Address> {
        self.remote_address
            .as_ref()
            .or(self.connection.remote_address.as_ref())
    }

    /// When its first byte came, on the wall clock.
    pub fn start_time(&self) -> SystemTime {
        self.start_wall.wall_at(self.start)
    }

    /// How long the stream has lived; until its end, or until `now` while it lives.
    pub fn duration(&self, now: Instant) -> Duration {
        self.end
            .unwrap_or(now)
            .saturating_duration_since(self.start)
    }

    /// Makes the value ready for another stream of the same request: what is known of the client's side and what
    /// filters left for the whole request stays.
    pub fn begin_anew(&mut self) {
        let protocol = self.protocol.take();
        let timing = std::mem::take(&mut self.downstream_timing);
        let remote_address = self.remote_address.take();
        let bytes_received = self.bytes_received;
        let trace_reason = self.trace_reason;
        let stream_id = self.stream_id.take();
        let filter_state = self.filter_state.take();
        let held = std::mem::take(&mut self.held);
        self.clear();
        self.protocol = protocol;
        self.downstream_timing = timing;
        self.remote_address = remote_address;
        self.bytes_received = bytes_received;
        self.trace_reason = trace_reason;
        self.stream_id = stream_id;
        self.filter_state = filter_state;
        self.held = held;
    }

    /// Sets the status with its details.
    pub fn set_response(&mut self, code: u16, details: impl Into<Cow<'static, str>>) {
        self.response_code = Some(code);
        self.response_code_details = Some(details.into());
    }

    /// Adds response flags.
    pub fn add_flags(&mut self, flags: ResponseFlags) {
        self.response_flags |= flags;
    }

    /// Adds a flag of a filter's own, shown by `%CUSTOM_FLAGS%`.
    pub fn add_custom_flag(&mut self, flag: &str) {
        if !self.custom_flags.is_empty() {
            self.custom_flags.push(',');
        }
        self.custom_flags.push_str(flag);
    }

    /// The dynamic metadata, if any filter set some.
    pub fn dynamic_metadata(&self) -> Option<&Metadata> {
        self.dynamic_metadata.as_deref()
    }

    /// The dynamic metadata, to be changed.
    pub fn dynamic_metadata_mut(&mut self) -> &mut Metadata {
        self.dynamic_metadata.get_or_insert_default()
    }

    /// Exchanges the dynamic metadata with another's.
    pub fn swap_dynamic_metadata(&mut self, other: &mut StreamInfo) {
        std::mem::swap(&mut self.dynamic_metadata, &mut other.dynamic_metadata);
    }

    /// The filter state, if any filter set some.
    pub fn filter_state(&self) -> Option<&FilterState> {
        self.filter_state.as_deref()
    }

    /// The object `name` of the stream's filter state, or else of its connection's.
    pub fn object(&self, name: &str) -> Option<&dyn FilterStateObject> {
        let own = self.filter_state.as_deref();
        let of_connection = || self.connection.filter_state.as_ref()?.get(name);
        own.and_then(|own| own.get(name)).or_else(of_connection)
    }

    /// The same, if it has the type `T`.
    pub fn object_as<T: 'static>(&self, name: &str) -> Option<&T> {
        self.object(name)?.as_any().downcast_ref()
    }

    /// The filter state, to be changed.
    pub fn filter_state_mut(&mut self) -> &mut FilterState {
        self.filter_state.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_value_knows_nothing_of_the_stream_before_but_keeps_its_connection_and_memory() {
        let connection = Rc::new(ConnectionInfo {
            id: 7,
            ..ConnectionInfo::default()
        });
        let begin = Instant::now();
        let mut info = StreamInfo::new(connection, SystemTime::UNIX_EPOCH, begin);
        info.set_response(503, "no_healthy_upstream");
        info.add_flags(ResponseFlags::NO_HEALTHY_UPSTREAM);
        info.add_custom_flag("A");
        info.add_custom_flag("B");
        assert_eq!(info.custom_flags, "A,B");
        info.dynamic_metadata_mut()
            .merge("ns", metadata::Struct::default());
        info.upstream.connection_id = Some(3);

        let later = begin + Duration::from_secs(1);
        info.clear();
        assert_eq!(info.connection.id, 7);
        let connection = Rc::clone(&info.connection);
        info.begin(
            connection,
            WallAnchor::new(later, SystemTime::UNIX_EPOCH),
            later,
        );
        assert_eq!(info.start, later);
        assert_eq!(info.response_code, None);
        assert!(info.response_flags.is_empty());
        assert!(info.custom_flags.is_empty());
        assert!(info.dynamic_metadata().is_none());
        assert_eq!(info.upstream.connection_id, None);
    }

    #[test]
    fn the_duration_runs_until_the_end_is_set() {
        let begin = Instant::now();
        let mut info = StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, begin);
        assert_eq!(
            info.duration(begin + Duration::from_millis(5)).as_millis(),
            5
        );
        info.end = Some(begin + Duration::from_millis(2));
        assert_eq!(
            info.duration(begin + Duration::from_millis(5)).as_millis(),
            2
        );
    }
}
