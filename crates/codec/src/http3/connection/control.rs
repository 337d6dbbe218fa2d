//! The peer's control stream.

use super::super::error::ConnectionError;
use super::super::event::{UniEvent, UniStep};
use super::super::frame::{FrameHead, HeadReader, kind};
use super::super::message_reader::of_http2;
use super::super::problem::Problem;
use super::super::stream_id::StreamId;
use super::super::varint;
use super::{Connection, settings};
use crate::http2::Role;

/// Most bytes of a frame that is looked at.
const MAX_PAYLOAD_BYTES: u64 = 4096;

/// How far the control stream was read.
#[derive(Default)]
pub(super) struct Control {
    head: HeadReader,
    /// The frame that is being read, and how much of it is still to come.
    frame: Option<(FrameHead, u64)>,
    payload: Vec<u8>,
}

impl Connection {
    pub(super) fn control_step(
        &mut self,
        control: &mut Control,
        input: &[u8],
    ) -> Result<UniStep, ConnectionError> {
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let (head, left) = match control.frame {
                Some(frame) => frame,
                None => {
                    let (taken, head) = control.head.take(rest);
                    consumed += taken;
                    let Some(head) = head else {
                        let event = UniEvent::NeedMore;
                        return Ok(UniStep { consumed, event });
                    };
                    self.check_control(head)?;
                    (head, head.len)
                }
            };
            let rest = input.get(consumed..).unwrap_or_default();
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            consumed += len;
            if is_looked_at(head.kind) {
                let bytes = rest.get(..len).unwrap_or_default();
                control.payload.extend_from_slice(bytes);
            }
            let left = left - len as u64;
            if left > 0 {
                control.frame = Some((head, left));
                let event = UniEvent::NeedMore;
                return Ok(UniStep { consumed, event });
            }
            control.frame = None;
            let payload = std::mem::take(&mut control.payload);
            if let Some(event) = self.control_frame(head.kind, &payload)? {
                return Ok(UniStep { consumed, event });
            }
        }
    }

    /// Whether a frame may come now.
    fn check_control(&self, head: FrameHead) -> Result<(), ConnectionError> {
        let frame = head.kind;
        if kind::is_of_http2(frame) {
            return Err(of_http2(frame));
        }
        let (problem, text) = match frame {
            kind::PUSH_PROMISE => (Problem::Frame, "PUSH_PROMISE frame received."),
            kind::CANCEL_PUSH => (Problem::Frame, "CANCEL_PUSH frame received."),
            kind::SETTINGS if self.peer.is_some() => (
                Problem::OrderOnControl,
                "SETTINGS frame can only be received once.",
            ),
            _ if is_looked_at(frame) && head.len > MAX_PAYLOAD_BYTES => {
                (Problem::TooLarge, "Frame is too large.")
            }
            _ if frame != kind::SETTINGS && self.peer.is_none() => {
                let text = format!(
                    "First frame received on control stream is type {frame}, but it must be SETTINGS."
                );
                return Err(ConnectionError::told(Problem::NoSettings, text));
            }
            kind::DATA | kind::HEADERS => return Err(unexpected(frame)),
            kind::MAX_PUSH_ID if self.role == Role::Client => return Err(unexpected(frame)),
            _ => return Ok(()),
        };
        Err(ConnectionError::new(problem, text))
    }

    /// A whole frame.
    fn control_frame(
        &mut self,
        frame: u64,
        payload: &[u8],
    ) -> Result<Option<UniEvent>, ConnectionError> {
        match frame {
            kind::SETTINGS => {
                self.peer = Some(settings::read(payload)?);
                Ok(Some(UniEvent::Settings))
            }
            kind::GOAWAY => {
                let missing = "Unable to read GOAWAY ID.";
                let number = number(payload, missing, "Superfluous data in GOAWAY frame.")?;
                self.check_go_away(StreamId(number))
            }
            kind::MAX_PUSH_ID => {
                let missing = "Unable to read MAX_PUSH_ID push_id.";
                number(payload, missing, "Superfluous data in MAX_PUSH_ID frame.").map(|_| None)
            }
            _ => Ok(None),
        }
    }

    fn check_go_away(&mut self, from: StreamId) -> Result<Option<UniEvent>, ConnectionError> {
        if self.role == Role::Client && !from.is_request() {
            let text = "GOAWAY with invalid stream ID";
            return Err(ConnectionError::new(Problem::GoAwayOfNothing, text));
        }
        if let Some(before) = self.peer_goes_away
            && from > before
        {
            let text = format!(
                "GOAWAY received with ID {from} greater than previously received ID {before}"
            );
            return Err(ConnectionError::told(Problem::GoAwayGrows, text));
        }
        self.peer_goes_away = Some(from);
        Ok(Some(UniEvent::GoAway(from)))
    }
}

fn unexpected(frame: u64) -> ConnectionError {
    let text = format!("Invalid frame type {frame} received on control stream.");
    ConnectionError::told(Problem::OnControl, text)
}

/// Frames whose payload counts; that of all others is skipped.
fn is_looked_at(frame: u64) -> bool {
    matches!(frame, kind::SETTINGS | kind::GOAWAY | kind::MAX_PUSH_ID)
}

/// The number that is all of a payload.
fn number(
    payload: &[u8],
    missing: &'static str,
    too_much: &'static str,
) -> Result<u64, ConnectionError> {
    match varint::read(payload) {
        Some((number, taken)) if taken == payload.len() => Ok(number),
        Some(_) => Err(ConnectionError::new(Problem::Frame, too_much)),
        None => Err(ConnectionError::new(Problem::Frame, missing)),
    }
}
