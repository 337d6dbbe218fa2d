//! How many bytes a stream has taken, as access logs tell it.
//!
//! As in Envoy, the decoded bytes of a head over HTTP/1 count those of earlier tries once more.

use nuncio_contract::stream_info::{BytesMeter, Protocol};

use crate::UpstreamStream;

impl UpstreamStream {
    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> BytesMeter {
        let (wire_bytes_sent, wire_bytes_received) = self.wire_bytes();
        let heads = self.header_bytes();
        BytesMeter {
            wire_bytes_sent,
            wire_bytes_received,
            header_bytes_sent: heads.sent,
            header_bytes_received: heads.received,
            decompressed_header_bytes_sent: heads.decoded_sent,
            decompressed_header_bytes_received: heads.decoded_received,
        }
    }

    /// Adds its bytes to those of the tries before.
    #[inline]
    pub fn add_bytes_to(&self, bytes: &mut BytesMeter) {
        let of_try = self.bytes();
        bytes.wire_bytes_sent += of_try.wire_bytes_sent;
        bytes.wire_bytes_received += of_try.wire_bytes_received;
        let decoded_received = of_try.decompressed_header_bytes_received;
        if decoded_received > 0 && !matches!(self.protocol(), Some(Protocol::Http2)) {
            bytes.decompressed_header_bytes_received += bytes.header_bytes_received;
        }
        bytes.header_bytes_sent += of_try.header_bytes_sent;
        bytes.header_bytes_received += of_try.header_bytes_received;
        bytes.decompressed_header_bytes_sent += of_try.decompressed_header_bytes_sent;
        bytes.decompressed_header_bytes_received += decoded_received;
    }
}
