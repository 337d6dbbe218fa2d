//! What is sent on the stream of a request: heads, the heads of frames of bodies, trailers. The end of the stream is the
//! end of the message.

use nuncio_contract::headers::HeaderMap;

use crate::http2::BlockSize;

/// Appends a head, a request's or a response's, informational or final.
///
/// Headers that have no place in HTTP/3 (`connection` and its kin) are left out; of CONNECT without `:protocol` scheme and
/// path as well.
pub fn write_head(_headers: &HeaderMap, _out: &mut Vec<u8>) -> BlockSize {
    BlockSize::default()
}

/// Appends trailers; nothing if there are none.
pub fn write_trailers(_trailers: &HeaderMap, _out: &mut Vec<u8>) -> BlockSize {
    BlockSize::default()
}

/// Appends the head of a frame of a body: the caller sends as many bytes behind it as it says.
pub fn write_data_head(_len: usize, _out: &mut Vec<u8>) {}
