//! What is counted of heads and trailers, for access logs.

/// Bytes of heads and trailers.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderBytes {
    /// Of the request, on the wire.
    pub sent: u64,
    /// Of the response, on the wire.
    pub received: u64,
    /// Of the request, before they are compressed.
    pub decoded_sent: u64,
    /// Of the response, after that.
    pub decoded_received: u64,
}
