//! SETTINGS from the peer.

use super::super::error::{ConnectionError, ErrorCode};
use super::super::event::Event;
use super::super::frame::{FrameHead, MAX_PAYLOAD, flag, kind, parameter};
use super::super::streams::mark;
use super::{Connection, Expected, MAX_WINDOW, Role};

/// Most parameters of one frame; more are nothing but effort.
const MAX_PARAMETERS: usize = 32;

fn silent(code: ErrorCode, what: &'static str) -> ConnectionError {
    ConnectionError::Silent(code, what)
}

impl Connection {
    pub(super) fn settings_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ConnectionError> {
        let code = ErrorCode::PROTOCOL_ERROR;
        if head.stream != 0 {
            return Err(silent(code, "SETTINGS: stream_id != 0"));
        }
        if head.has(flag::ACK) {
            return match std::mem::take(&mut self.settings_unacknowledged) {
                true => {
                    self.decoder.settings_acknowledged();
                    Ok(None)
                }
                false => Err(silent(code, "SETTINGS: unexpected ACK")),
            };
        }
        self.expected = Expected::Frames;
        let (parameters, _) = payload.as_chunks::<6>();
        if parameters.len() > MAX_PARAMETERS {
            let code = ErrorCode::ENHANCE_YOUR_CALM;
            let what = "SETTINGS: too many setting entries";
            return Err(ConnectionError::GoAway(code, what));
        }
        for [a, b, value @ ..] in parameters {
            let id = u16::from_be_bytes([*a, *b]);
            self.parameter(id, u32::from_be_bytes(*value))?;
        }
        self.send_frame(kind::SETTINGS, flag::ACK, 0, &[], out);
        Ok(Some(Event::SettingsChanged))
    }

    fn parameter(&mut self, id: u16, value: u32) -> Result<(), ConnectionError> {
        let code = ErrorCode::PROTOCOL_ERROR;
        match id {
            parameter::HEADER_TABLE_SIZE => self.encoder.allow(value as usize),
            parameter::ENABLE_PUSH if value > 1 => {
                return Err(silent(code, "SETTINGS: invalid SETTINGS_ENABLE_PUSH"));
            }
            parameter::ENABLE_PUSH if value == 1 && self.role == Role::Client => {
                let what = "SETTINGS: server attempted to enable push";
                return Err(silent(code, what));
            }
            parameter::MAX_CONCURRENT_STREAMS => self.peer.max_concurrent_streams = value,
            parameter::INITIAL_WINDOW_SIZE => self.initial_window(value)?,
            parameter::MAX_FRAME_SIZE => {
                let size = value as usize;
                if !(MAX_PAYLOAD..1 << 24).contains(&size) {
                    return Err(silent(code, "SETTINGS: invalid SETTINGS_MAX_FRAME_SIZE"));
                }
                self.peer.max_frame_payload = size;
            }
            parameter::ENABLE_CONNECT_PROTOCOL => {
                if value > 1 {
                    let what = "SETTINGS: invalid SETTINGS_ENABLE_CONNECT_PROTOCOL";
                    return Err(silent(code, what));
                }
                self.peer.allows_extended_connect = value == 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// The windows of all streams change. They are kept relative to the initial one, so that this looks at streams only
    /// when one may exceed the largest window, or when some wait: each of those was looked at by its owner before.
    fn initial_window(&mut self, value: u32) -> Result<(), ConnectionError> {
        let code = ErrorCode::FLOW_CONTROL_ERROR;
        let window = i64::from(value);
        if window > MAX_WINDOW {
            let what = "SETTINGS: invalid SETTINGS_INITIAL_WINDOW_SIZE";
            return Err(silent(code, what));
        }
        if window + self.max_send_credit > MAX_WINDOW {
            let credits = self.streams.iter().map(|stream| stream.send_credit);
            self.max_send_credit = credits.max().unwrap_or_default().max(0);
            if window + self.max_send_credit > MAX_WINDOW {
                return Err(ConnectionError::GoAway(code, ""));
            }
        }
        let has_grown = value > self.peer.initial_window;
        self.peer.initial_window = value;
        if has_grown && self.blocked > 0 {
            for stream in self.streams.iter_mut() {
                if stream.is(mark::BLOCKED) && stream.send_credit + window > 0 {
                    stream.marks = stream.marks & !mark::BLOCKED | mark::QUEUED;
                    self.blocked -= 1;
                    self.ready.push_back(stream.id);
                }
            }
        }
        Ok(())
    }
}
