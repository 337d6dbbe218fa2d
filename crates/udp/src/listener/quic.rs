//! `quic_options`: a listener of datagrams that carries connections.
//!
//! Defaults: 100 streams a client, windows of 16 MiB a stream and 24 MiB a connection, 5 minutes of silence, 20 seconds
//! for a handshake. At least 1 ms of silence and 5 s for a handshake, as in Envoy. What may be written and not
//! acknowledged on a connection is 1 MiB.

use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_net::quic::Settings;

const MAX_CONCURRENT_STREAMS: u32 = 100;
const STREAM_WINDOW_BYTES: u32 = 16 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 24 << 20;
const SEND_WINDOW_BYTES: u64 = 1 << 20;
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
const MIN_IDLE_TIMEOUT: Duration = Duration::from_millis(1);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const MIN_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most streams of a connection: each that is allowed takes memory from the first packet on, before the client has
/// shown where it is.
const MOST_CONCURRENT_STREAMS: u32 = 1024;
/// The longest packet, as Envoy's.
const MAX_PACKET_BYTES: u64 = 1452;
/// The shortest interval at which clients are probed.
const MIN_KEEPALIVE: Duration = Duration::from_secs(1);

message! {
    /// How a listener speaks QUIC.
    pub struct QuicOptions: "envoy.config.listener.v3.QuicProtocolOptions" {
        quic_protocol_options: Option<QuicProtocolOptions>,
        idle_timeout: Option<Duration>,
        crypto_handshake_timeout: Option<Duration>,
        /// Whether it takes any datagrams.
        pub enabled: Option<RuntimeFeatureFlag>,
        inert packets_to_read_to_connection_count_ratio = "64 reads are done in a turn, then others have theirs",
        crypto_stream_config: Option<QuicExtension>,
        proof_source_config: Option<QuicExtension>,
        connection_id_generator_config: Option<QuicExtension>,
        send_disable_active_migration: Option<bool>,
        /// Whether new clients are told that there is nothing for them.
        pub reject_new_connections: bool,
    }
}

message! {
    /// What both sides of QUIC have.
    pub(crate) struct QuicProtocolOptions: "envoy.config.core.v3.QuicProtocolOptions" {
        max_concurrent_streams: Option<u32>,
        initial_stream_window_size: Option<u32>,
        initial_connection_window_size: Option<u32>,
        inert num_timeouts_to_trigger_port_migration = "clients alone change their ports",
        connection_keepalive: Option<QuicKeepAlive>,
        inert client_connection_options = "clients alone ask for these",
        idle_network_timeout: Option<Duration>,
        max_packet_length: Option<u64>,
    }
}

message! {
    /// When a silent connection is probed.
    pub(crate) struct QuicKeepAlive: "envoy.config.core.v3.QuicKeepAliveSettings" {
        max_interval: Option<Duration>,
        initial_interval: Option<Duration>,
    }
}

message! {
    /// One of the parts that Envoy lets be exchanged.
    pub(crate) struct QuicExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "the type says which extension it is",
        typed_config: Any,
    }
}

/// The parts that there are.
const KNOWN: [&str; 3] = [
    "envoy.extensions.quic.crypto_stream.v3.CryptoServerStreamConfig",
    "envoy.extensions.quic.proof_source.v3.ProofSourceConfig",
    "envoy.extensions.quic.connection_id_generator.v3.DeterministicConnectionIdGeneratorConfig",
];

impl QuicOptions {
    /// The settings of the listener's connections; what is not supported is in the context.
    ///
    /// # Errors
    /// Something is not supported.
    pub fn settings(&self, joins_writes: bool, ctx: &mut Ctx) -> Result<Settings, Refused> {
        let parts = [
            &self.crypto_stream_config,
            &self.proof_source_config,
            &self.connection_id_generator_config,
        ];
        for part in parts.into_iter().flatten() {
            if !KNOWN.contains(&part.typed_config.type_name()) {
                let what = format!("`{}`", part.typed_config.type_name());
                return Err(ctx.unsupported_here(part.typed_config.span, what));
            }
        }
        let both = self.quic_protocol_options.as_ref();
        let idle = both.and_then(|both| both.idle_network_timeout);
        let keepalive = both.and_then(|both| both.connection_keepalive.as_ref());
        let packet = both.and_then(|both| both.max_packet_length);
        Ok(Settings {
            max_concurrent_streams: both
                .and_then(|both| both.max_concurrent_streams)
                .unwrap_or(MAX_CONCURRENT_STREAMS)
                .min(MOST_CONCURRENT_STREAMS),
            stream_window_bytes: both
                .and_then(|both| both.initial_stream_window_size)
                .unwrap_or(STREAM_WINDOW_BYTES),
            connection_window_bytes: both
                .and_then(|both| both.initial_connection_window_size)
                .unwrap_or(CONNECTION_WINDOW_BYTES),
            send_window_bytes: SEND_WINDOW_BYTES,
            idle_timeout: idle
                .or(self.idle_timeout)
                .unwrap_or(IDLE_TIMEOUT)
                .max(MIN_IDLE_TIMEOUT),
            handshake_timeout: self
                .crypto_handshake_timeout
                .unwrap_or(HANDSHAKE_TIMEOUT)
                .max(MIN_HANDSHAKE_TIMEOUT),
            keepalive: keepalive.and_then(QuicKeepAlive::interval),
            max_packet_bytes: packet
                .map(|bytes| bytes.min(MAX_PACKET_BYTES))
                .and_then(|bytes| u16::try_from(bytes).ok()),
            lets_clients_move: self.send_disable_active_migration != Some(true),
            joins_writes,
        })
    }
}

impl QuicKeepAlive {
    /// Without one of its own a server does not probe.
    fn interval(&self) -> Option<Duration> {
        let first = self
            .initial_interval
            .filter(|interval| !interval.is_zero())?;
        let most = self.max_interval.unwrap_or(first).max(MIN_KEEPALIVE);
        Some(first.max(MIN_KEEPALIVE).min(most))
    }
}
