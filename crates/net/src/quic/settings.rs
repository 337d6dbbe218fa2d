//! What a listener's configuration says of its connections.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{IdleTimeout, TransportConfig, VarInt};

/// Streams of a client that go one way: HTTP/3 needs three, and lets there be others that are not understood.
const MAX_UNIDIRECTIONAL_STREAMS: u32 = 16;
/// What every network carries (RFC 9000, 14).
const MIN_PACKET_BYTES: u16 = 1200;

/// The settings of an endpoint's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests of a client that may be under way.
    pub max_concurrent_streams: u32,
    /// What a client may send ahead on a stream.
    pub stream_window_bytes: u32,
    /// The same on all of a connection.
    pub connection_window_bytes: u32,
    /// What may be written and not acknowledged on a connection.
    pub send_window_bytes: u64,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
    /// After how long a silent connection is probed.
    pub keepalive: Option<Duration>,
    /// The longest packet that is sent.
    pub max_packet_bytes: Option<u16>,
    /// Whether clients may change their addresses.
    pub lets_clients_move: bool,
    /// Whether several packets may be written by one call.
    pub joins_writes: bool,
}

impl Settings {
    pub(super) fn transport(&self) -> Arc<TransportConfig> {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(self.max_concurrent_streams.into())
            .max_concurrent_uni_streams(MAX_UNIDIRECTIONAL_STREAMS.into())
            .stream_receive_window(self.stream_window_bytes.into())
            .receive_window(self.connection_window_bytes.into())
            .send_window(self.send_window_bytes)
            .max_idle_timeout(idle_timeout(self.idle_timeout))
            .keep_alive_interval(self.keepalive)
            .datagram_receive_buffer_size(None)
            .enable_segmentation_offload(self.joins_writes)
            .mtu_discovery_config(None);
        if let Some(bytes) = self.max_packet_bytes {
            config.initial_mtu(bytes.max(MIN_PACKET_BYTES));
        }
        Arc::new(config)
    }
}

fn idle_timeout(after: Duration) -> Option<IdleTimeout> {
    let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let milliseconds = VarInt::from_u64(milliseconds).unwrap_or(VarInt::MAX);
    Some(milliseconds.into())
}
