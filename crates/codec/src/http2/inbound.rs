//! Frames that cost the peer next to nothing, counted against what it has opened and what we have sent.

use super::error::ConnectionError;
use super::frame::{FrameHead, flag, kind};
use super::settings::Http2Settings;

/// What was counted of one connection.
#[derive(Default)]
pub(super) struct Inbound {
    /// Streams that were ever begun, by whichever side. Not only those that are open: a client that asks one after the
    /// other sends such frames for each.
    streams: u64,
    empty_in_a_row: u32,
    priority: u64,
    window_updates: u64,
}

impl Inbound {
    /// A stream was begun.
    #[inline]
    pub(super) fn stream_begun(&mut self) {
        self.streams += 1;
    }

    /// HEADERS, CONTINUATION or DATA whose payload without padding has this many bytes.
    #[inline]
    pub(super) fn payload(
        &mut self,
        settings: &Http2Settings,
        head: FrameHead,
        payload_bytes: usize,
    ) -> Result<(), ConnectionError> {
        let ends = head.kind != kind::CONTINUATION && head.has(flag::END_STREAM);
        if payload_bytes > 0 || ends {
            self.empty_in_a_row = 0;
            return Ok(());
        }
        self.empty_in_a_row += 1;
        match self.empty_in_a_row > settings.max_consecutive_inbound_frames_with_empty_payload {
            true => Err(ConnectionError::EmptyFramesFlood),
            false => Ok(()),
        }
    }

    pub(super) fn priority(&mut self, settings: &Http2Settings) -> Result<(), ConnectionError> {
        self.priority += 1;
        let per_stream = u64::from(settings.max_inbound_priority_frames_per_stream);
        match self.priority > per_stream.saturating_mul(1 + self.streams) {
            true => Err(ConnectionError::PriorityFramesFlood),
            false => Ok(()),
        }
    }

    #[inline]
    pub(super) fn window_update(
        &mut self,
        settings: &Http2Settings,
        data_frames_sent: u64,
    ) -> Result<(), ConnectionError> {
        self.window_updates += 1;
        let per_data_frame =
            u64::from(settings.max_inbound_window_update_frames_per_data_frame_sent);
        let allowed = per_data_frame
            .saturating_mul(data_frames_sent)
            .saturating_add(self.streams)
            .saturating_mul(2)
            .saturating_add(5);
        match self.window_updates > allowed {
            true => Err(ConnectionError::WindowUpdateFramesFlood),
            false => Ok(()),
        }
    }
}
