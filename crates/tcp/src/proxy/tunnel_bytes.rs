//! How many bytes a tunnel takes, as Envoy tells it.
//!
//! All that HTTP writes and reads counts, with the attempts before, and what goes through the tunnel counts once more as what the
//! TCP proxy has passed on. Over HTTP/1 what is read together with the end of an answer does not count; over HTTP/2 our own resets
//! do.

use nuncio_contract::stream_info::{BytesMeter, Protocol};
use nuncio_upstream::UpstreamStream;

/// A frame of HTTP/2 that resets a stream.
const RESET_FRAME_BYTES: u64 = 13;

/// A tunnel.
#[derive(Clone, Copy)]
pub(super) struct TunnelBytes {
    before: BytesMeter,
    of_http: BytesMeter,
    is_http2: bool,
    /// Whether neither its host nor its connection has ended it.
    is_open: bool,
}

impl TunnelBytes {
    /// A tunnel that has just been opened, behind attempts that took so much; none if the stream is no HTTP.
    pub(super) fn of(up: &UpstreamStream, before: BytesMeter) -> Option<Self> {
        let is_http2 = up.protocol()? == Protocol::Http2;
        let mut of_http = before;
        up.add_bytes_to(&mut of_http);
        if is_http2 {
            only_heads(&mut of_http, &before);
        }
        Some(TunnelBytes {
            before,
            of_http,
            is_http2,
            is_open: true,
        })
    }

    /// Something has come or gone.
    pub(super) fn count(&mut self, up: &UpstreamStream) {
        let received = self.of_http.wire_bytes_received;
        self.of_http = self.before;
        up.add_bytes_to(&mut self.of_http);
        if !self.is_open && !self.is_http2 {
            self.of_http.wire_bytes_received = received;
        }
    }

    /// The host has ended it.
    pub(super) fn ended(&mut self) {
        self.is_open = false;
    }

    /// This side gives it up, unless it has ended.
    pub(super) fn given_up(&mut self) {
        if self.is_open && self.is_http2 {
            self.of_http.wire_bytes_sent += RESET_FRAME_BYTES;
        }
    }

    /// All of it, with what the client has sent and received.
    pub(super) fn with(&self, sent: u64, received: u64) -> BytesMeter {
        let mut bytes = self.of_http;
        bytes.wire_bytes_sent += sent;
        bytes.wire_bytes_received += received;
        bytes
    }
}

/// An attempt of which no tunnel has become, as the host has answered otherwise or not at all.
pub(super) fn add_attempt(up: &UpstreamStream, is_refused: bool, bytes: &mut BytesMeter) {
    let before = *bytes;
    up.add_bytes_to(bytes);
    if is_refused && up.protocol() == Some(Protocol::Http2) {
        only_heads(bytes, &before);
        bytes.wire_bytes_sent += RESET_FRAME_BYTES;
    }
}

/// Takes off what has come behind the head.
fn only_heads(bytes: &mut BytesMeter, before: &BytesMeter) {
    let heads = bytes.header_bytes_received - before.header_bytes_received;
    bytes.wire_bytes_received = before.wire_bytes_received + heads;
}
