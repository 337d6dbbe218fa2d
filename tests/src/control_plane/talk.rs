//! What a service does on a stream: a message (see [`protobuf`](super::protobuf)), or one of
//!
//! - `end: 13 why`: trailers with this status and text of gRPC;
//! - `reset: 8`: RST_STREAM with this code;
//! - `raw: text`: these bytes, whatever they are, as DATA;
//! - `close: true`: the connection ends.

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::http2::frame::{Frame, flag, kind};
use nuncio_testkit::http2::hpack;
use serde_json::Value;

use super::protobuf;

/// Longest payload of a frame.
const PAYLOAD_BYTES: usize = 16_384;

/// A message as DATA.
pub(super) fn message_frames(message: &[u8], stream: u32) -> Vec<Frame> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(message);
    let chunks = bytes.chunks(PAYLOAD_BYTES);
    chunks
        .map(|chunk| Frame::new(kind::DATA, 0, stream, chunk))
        .collect()
}

/// The frames of what it does; none where it closes the connection.
///
/// # Errors
/// If it is nothing that can be done.
pub(super) fn frames(doing: &Value, stream: u32) -> Result<Option<Vec<Frame>>, String> {
    let text = |key: &str| doing.get(key).and_then(Value::as_str);
    if let Some(end) = text("end") {
        let (status, message) = end.split_once(' ').unwrap_or((end, ""));
        let mut trailers = vec![(b"grpc-status".to_vec(), status.as_bytes().to_vec())];
        if !message.is_empty() {
            trailers.push((b"grpc-message".to_vec(), message.as_bytes().to_vec()));
        }
        let flags = flag::END_HEADERS | flag::END_STREAM;
        let block = hpack::encode(&trailers);
        return Ok(Some(vec![Frame::new(kind::HEADERS, flags, stream, block)]));
    }
    if let Some(code) = doing.get("reset").and_then(Value::as_u64) {
        let code = u32::try_from(code).map_err(|_| "no code".to_owned())?;
        let payload = code.to_be_bytes().to_vec();
        return Ok(Some(vec![Frame::new(kind::RST_STREAM, 0, stream, payload)]));
    }
    if let Some(raw) = text("raw") {
        let frame = Frame::new(kind::DATA, 0, stream, from_text(raw));
        return Ok(Some(vec![frame]));
    }
    if doing.get("close").is_some() {
        return Ok(None);
    }
    let message = protobuf::message(doing)?;
    Ok(Some(message_frames(&message, stream)))
}
