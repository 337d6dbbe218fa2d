//! `Http3ProtocolOptions` of clusters.
//!
//! Defaults: 100 requests at once on a connection, windows of 16 MiB a stream and 24 MiB a connection, 5 minutes of silence,
//! no keepalive. What may be written and not acknowledged on a connection is 1 MiB.
//!
//! Not supported: changing the port or the network while a connection lasts, and options of congestion control.

use std::time::Duration;

use nuncio_codec::http3::Http3Settings;
use nuncio_config::message;
use nuncio_net::quic::Settings;

use crate::cluster::UpstreamHttp3;

const MAX_CONCURRENT_STREAMS: u32 = 100;
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
const SEND_WINDOW_BYTES: u64 = 1 << 20;
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest packet, as Envoy's.
const MAX_PACKET_BYTES: u64 = 1452;
/// The shortest interval at which hosts are probed.
const MIN_KEEPALIVE: Duration = Duration::from_secs(1);
/// After how long a host is probed where nothing else is said, if it is probed.
const KEEPALIVE: Duration = Duration::from_secs(15);

message! {
    /// Options of HTTP/3.
    pub(crate) struct Http3Options: "envoy.config.core.v3.Http3ProtocolOptions" {
        quic_protocol_options: Option<QuicOptions>,
        override_stream_error_on_invalid_http_message: Option<bool>,
        inert allow_extended_connect = "it concerns requests that come in",
        inert disable_qpack = "there are no dynamic tables in any case",
    }
}

message! {
    /// Options of QUIC.
    pub(crate) struct QuicOptions: "envoy.config.core.v3.QuicProtocolOptions" {
        max_concurrent_streams: Option<u32>,
        initial_stream_window_size: Option<u32>,
        initial_connection_window_size: Option<u32>,
        connection_keepalive: Option<QuicKeepalive>,
        idle_network_timeout: Option<Duration>,
        max_packet_length: Option<u64>,
    }
}

message! {
    /// When a silent connection is probed.
    pub(crate) struct QuicKeepalive: "envoy.config.core.v3.QuicKeepAliveSettings" {
        max_interval: Option<Duration>,
        initial_interval: Option<Duration>,
    }
}

impl Http3Options {
    /// What connections of HTTP/3 are like; the limits of heads are those of all of HTTP.
    pub(super) fn compile(
        &self,
        max_headers_bytes: usize,
        max_headers_count: usize,
    ) -> UpstreamHttp3 {
        let quic = self.quic_protocol_options.as_ref();
        let most = quic.and_then(|quic| quic.max_concurrent_streams);
        let stream_error = self.override_stream_error_on_invalid_http_message;
        let packet = quic.and_then(|quic| quic.max_packet_length);
        let keepalive = quic.and_then(|quic| quic.connection_keepalive.as_ref());
        UpstreamHttp3 {
            codec: Http3Settings {
                max_headers_bytes,
                max_headers_count,
                stream_error_on_invalid_http_message: stream_error.unwrap_or_default(),
                ..Http3Settings::default()
            },
            max_concurrent_streams: most.unwrap_or(MAX_CONCURRENT_STREAMS),
            quic: Settings {
                // A host opens none.
                max_concurrent_streams: 0,
                stream_window_bytes: quic
                    .and_then(|quic| quic.initial_stream_window_size)
                    .unwrap_or(STREAM_WINDOW_BYTES),
                connection_window_bytes: quic
                    .and_then(|quic| quic.initial_connection_window_size)
                    .unwrap_or(CONNECTION_WINDOW_BYTES),
                send_window_bytes: SEND_WINDOW_BYTES,
                idle_timeout: quic
                    .and_then(|quic| quic.idle_network_timeout)
                    .unwrap_or(IDLE_TIMEOUT),
                // That of the cluster counts.
                handshake_timeout: Duration::MAX,
                keepalive: keepalive.and_then(QuicKeepalive::interval),
                max_packet_bytes: packet
                    .map(|bytes| bytes.min(MAX_PACKET_BYTES))
                    .and_then(|bytes| u16::try_from(bytes).ok()),
                lets_clients_move: false,
                // As Envoy's clients do: some hosts lose packets that a kernel has joined.
                joins_writes: false,
            },
        }
    }
}

impl QuicKeepalive {
    /// Whoever is given neither is not probed.
    fn interval(&self) -> Option<Duration> {
        let most = self.max_interval.filter(|most| !most.is_zero());
        let first = self.initial_interval.filter(|first| !first.is_zero());
        let most_or_usual = most.unwrap_or(KEEPALIVE).max(MIN_KEEPALIVE);
        match (first, most) {
            (None, None) => None,
            (Some(first), _) => Some(first.max(MIN_KEEPALIVE).min(most_or_usual)),
            (None, Some(_)) => Some(most_or_usual),
        }
    }
}
