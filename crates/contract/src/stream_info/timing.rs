//! When the bytes of a stream came and went. All times are monotonic, of the worker's clock.

use std::time::Instant;

/// The client's side of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct DownstreamTiming {
    /// The last byte of the request's head came.
    pub last_header_rx_byte: Option<Instant>,
    /// The last byte of the request came.
    pub last_rx_byte: Option<Instant>,
    /// The first byte of the response was handed to the socket.
    pub first_tx_byte: Option<Instant>,
    /// The last byte of the response was handed to the socket.
    pub last_tx_byte: Option<Instant>,
    /// The client acknowledged the whole response (QUIC only).
    pub last_ack: Option<Instant>,
}

/// The upstream's side of a stream, of the last attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamTiming {
    /// The connection pool had a connection ready.
    pub pool_ready: Option<Instant>,
    /// The pool was asked for a connection.
    pub pool_requested: Option<Instant>,
    /// The connection that serves the stream began to be made.
    pub connect_start: Option<Instant>,
    /// The TCP connection stood.
    pub connect_complete: Option<Instant>,
    /// The TLS handshake was done.
    pub handshake_complete: Option<Instant>,
    /// The first byte of the request was sent.
    pub first_tx_byte: Option<Instant>,
    /// The last byte of the request was sent.
    pub last_tx_byte: Option<Instant>,
    /// The first byte of the response came.
    pub first_rx_byte: Option<Instant>,
    /// The first byte of the response's body came.
    pub first_rx_body_byte: Option<Instant>,
    /// The last byte of the response came.
    pub last_rx_byte: Option<Instant>,
}

/// Bytes on the wire of one side of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BytesMeter {
    /// All bytes sent: heads, framing, bodies, trailers.
    pub wire_bytes_sent: u64,
    /// All bytes received.
    pub wire_bytes_received: u64,
    /// Bytes of headers sent.
    pub header_bytes_sent: u64,
    /// Bytes of headers received.
    pub header_bytes_received: u64,
    /// Bytes of headers sent, before compression (as `header_bytes_sent` for HTTP/1).
    pub decompressed_header_bytes_sent: u64,
    /// Bytes of headers received, after decompression.
    pub decompressed_header_bytes_received: u64,
}
