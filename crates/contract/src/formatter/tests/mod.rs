//! The formatter against lines that a real Envoy 1.40 wrote for the same stream.

mod errors;
mod json;
mod operators;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{AccessLogType, Format, FormatContext};
use crate::clock::{Clock, ManualClock};
use crate::headers::{HeaderMap, HeaderName, MapKind};
use crate::services::{LocalFuture, WorkerServices};
use crate::stream_info::metadata::{Struct, Value};
use crate::stream_info::{
    Address, BytesMeter, ClusterDescription, ConnectionInfo, FilterChainDescription,
    HostDescription, ListenerDescription, Metadata, Protocol, StreamInfo,
};

/// Time that stands still and numbers that count up.
#[derive(Default)]
pub(crate) struct Services(ManualClock);

impl Clock for Services {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
}

impl WorkerServices for Services {
    fn random_u64(&self) -> u64 {
        0x0123_4567_89ab_cdef
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::ready(()))
    }
}

/// One finished stream with its headers.
pub(crate) struct Stream {
    pub(crate) info: StreamInfo,
    pub(crate) request: HeaderMap,
    pub(crate) response: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) local_reply_body: &'static [u8],
    pub(crate) services: Services,
}

impl Stream {
    pub(crate) fn text(&self, format: &str) -> String {
        self.show(&Format::compile(format).expect("a good format"))
    }

    pub(crate) fn context(&self) -> FormatContext<'_> {
        FormatContext {
            request_headers: Some(&self.request),
            response_headers: Some(&self.response),
            response_trailers: self.trailers.as_ref(),
            stream_info: &self.info,
            local_reply_body: self.local_reply_body,
            access_log_type: AccessLogType::DownstreamEnd,
            services: &self.services,
        }
    }

    pub(crate) fn show(&self, format: &Format) -> String {
        let mut out = Vec::new();
        format.format(&self.context(), &mut out);
        String::from_utf8(out).expect("the texts of these tests are UTF-8")
    }
}

pub(crate) fn headers(kind: MapKind, fields: &[(&str, &[u8])]) -> HeaderMap {
    let mut map = HeaderMap::new(kind);
    for (name, value) in fields {
        let name = HeaderName::parse_with_pseudo(name).expect("a header name");
        map.append(&name, value);
    }
    map
}

pub(crate) fn string(text: &str) -> Value {
    Value::String(text.into())
}

pub(crate) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    fields.into_iter().collect()
}

fn in_namespace(namespace: &str, of: Struct) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.merge(namespace, of);
    metadata
}

fn cluster_metadata() -> Metadata {
    let list = vec![
        Value::Number(1.0),
        string("x"),
        Value::Null,
        Value::Bool(true),
    ];
    let object = fields([("b", Value::List(list)), ("a", string("q\"é"))]);
    in_namespace(
        "ns",
        fields([
            ("k", string("cluster md")),
            ("n", Value::Number(3.5)),
            ("big", Value::Number(1_000_000.0)),
            ("o", Value::Struct(object)),
        ]),
    )
}

fn address(text: &str) -> Address {
    Address::Ip(text.parse().expect("an address"))
}

fn connection() -> ConnectionInfo {
    let named = |name: &str| Box::from(name);
    ConnectionInfo {
        id: 1,
        direct_remote_address: Some(address("127.0.0.1:39016")),
        remote_address: Some(address("127.0.0.1:39016")),
        direct_local_address: Some(address("127.0.0.1:21100")),
        local_address: Some(address("127.0.0.1:21100")),
        listener: Some(Arc::new(ListenerDescription {
            name: named("lst"),
            ..Default::default()
        })),
        filter_chain: Some(Arc::new(FilterChainDescription {
            name: named("fc"),
            ..Default::default()
        })),
        ..ConnectionInfo::default()
    }
}

/// The stream whose lines are pinned: a GET through a listener `lst` to a cluster `up`, answered `hello`.
pub(crate) fn stream() -> Stream {
    // 2026-11-22T21:59:03.167Z
    let wall = UNIX_EPOCH + Duration::from_millis(1_795_384_743_167);
    let services = Services(ManualClock::at(wall));
    let start = services.now();
    let after = |microseconds| Some(start + Duration::from_micros(microseconds));
    let mut info = StreamInfo::new(Rc::new(connection()), wall, start);
    info.protocol = Some(Protocol::Http11);
    info.set_response(200, "via_upstream");
    info.bytes_sent = 5;
    info.route_name = Some("my route".into());
    info.upstream_cluster = Some(Rc::new(ClusterDescription {
        name: "up".into(),
        observability_name: "up_alt".into(),
        metadata: cluster_metadata(),
        audience: None,
    }));
    info.attempt_count = Some(1);
    info.end = after(1300);
    info.downstream_timing.last_rx_byte = after(100);
    info.downstream_timing.first_tx_byte = after(1200);
    info.downstream_timing.last_tx_byte = after(1273);
    info.downstream_bytes = meter([157, 102, 133, 61]);
    let upstream = &mut info.upstream;
    upstream.add_attempted_host(Rc::new(HostDescription {
        address: address("127.0.0.1:21101"),
        hostname: "backend.test:80".into(),
        metadata: in_namespace("ns", fields([("k", string("host md"))])),
        locality: Default::default(),
        alternatives: None,
    }));
    upstream.connection_id = Some(2);
    upstream.local_address = Some(address("127.0.0.1:48116"));
    upstream.remote_address = Some(address("127.0.0.1:21101"));
    upstream.protocol = Some(Protocol::Http11);
    upstream.bytes = meter([199, 125, 162, 97]);
    upstream.timing.pool_requested = after(110);
    upstream.timing.pool_ready = after(300);
    upstream.timing.first_tx_byte = after(310);
    upstream.timing.last_tx_byte = after(320);
    upstream.timing.first_rx_byte = after(1100);
    services.0.advance(Duration::from_millis(1));
    Stream {
        info,
        request: request(),
        response: response(),
        trailers: None,
        local_reply_body: b"",
        services,
    }
}

fn meter([sent, received, header_sent, header_received]: [u64; 4]) -> BytesMeter {
    BytesMeter {
        wire_bytes_sent: sent,
        wire_bytes_received: received,
        header_bytes_sent: header_sent,
        header_bytes_received: header_received,
        decompressed_header_bytes_sent: header_sent,
        decompressed_header_bytes_received: header_received,
    }
}

fn request() -> HeaderMap {
    headers(
        MapKind::Request,
        &[
            (":authority", b"h.test:99"),
            (":path", b"/p%20q/x?a=1%202&b=3"),
            (":method", b"GET"),
            (":scheme", b"http"),
            ("x-a", b"abcdef"),
            ("user-agent", b"ua"),
            ("x-forwarded-proto", b"http"),
            ("x-request-id", b"fd1d5347-9bd8-4774-b66d-e736fef5cac9"),
            ("x-envoy-expected-rq-timeout-ms", b"15000"),
        ],
    )
}

fn response() -> HeaderMap {
    headers(
        MapKind::Response,
        &[
            (":status", b"200"),
            ("server", b"envoy"),
            ("date", b"Sun, 22 Nov 2026 21:59:03 GMT"),
            ("x-up", b"v"),
            ("content-length", b"5"),
            ("x-envoy-upstream-service-time", b"0"),
            ("connection", b"close"),
        ],
    )
}
