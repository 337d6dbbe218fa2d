//! Which frames may come on the stream of a request, and when.

use super::super::error::ConnectionError;
use super::super::frame::{FrameHead, kind};
use super::super::problem::Problem;
use super::Phase;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Body,
    Headers,
    /// It means nothing to us.
    Skip,
}

/// Judges the head of a frame, in Envoy's words.
pub(super) fn judge(head: FrameHead, phase: Phase) -> Result<Use, ConnectionError> {
    let (problem, text) = match head.kind {
        kind::DATA if phase == Phase::Body => return Ok(Use::Body),
        kind::HEADERS if phase != Phase::Over => return Ok(Use::Headers),
        kind::DATA => (Problem::OrderOnRequest, "Unexpected DATA frame received."),
        kind::HEADERS => (
            Problem::OrderOnRequest,
            "HEADERS frame received after trailing HEADERS.",
        ),
        kind::CANCEL_PUSH => (Problem::Frame, "CANCEL_PUSH frame received."),
        kind::PUSH_PROMISE => (Problem::Frame, "PUSH_PROMISE frame received."),
        kind::SETTINGS => (Problem::OnRequest, "Settings frame received on data stream"),
        kind::GOAWAY => (Problem::OnRequest, "Goaway frame received on data stream"),
        kind::MAX_PUSH_ID => (
            Problem::OnRequest,
            "Max Push Id frame received on data stream",
        ),
        kind::PRIORITY_UPDATE => (
            Problem::OnRequest,
            "Priority update frame received on data stream",
        ),
        old if kind::is_of_http2(old) => return Err(of_http2(old)),
        _ => return Ok(Use::Skip),
    };
    Err(ConnectionError::new(problem, text))
}

/// A frame that only HTTP/2 has.
pub(in crate::http3) fn of_http2(kind: u64) -> ConnectionError {
    let text = format!("HTTP/2 frame received in a HTTP/3 connection: {kind}");
    ConnectionError::told(Problem::OldFrame, text)
}
