//! Frames that wait to be written, against peers that make us answer and do not read.
//!
//! Frames are counted off as their bytes are written, in groups of up to 16, so that a queue at its limit takes a few
//! kilobytes to keep count of.

use std::collections::VecDeque;

use super::error::ConnectionError;
use super::settings::Http2Settings;

const GROUP_FRAMES: u16 = 16;

#[derive(Clone, Copy)]
struct Group {
    /// How many bytes are written once all frames of the group are.
    end: u64,
    frames: u16,
    control: u16,
}

/// The frames that wait.
#[derive(Default)]
pub(super) struct Outbound {
    groups: VecDeque<Group>,
    appended: u64,
    written: u64,
    frames: u32,
    control: u32,
    /// DATA frames since the connection began.
    pub(super) data_frames: u64,
}

impl Outbound {
    /// A frame of this many bytes, its head included, was appended.
    #[inline]
    pub(super) fn appended(&mut self, bytes: usize, is_control: bool) {
        self.appended += bytes as u64;
        let control = u16::from(is_control);
        self.frames += 1;
        self.control += u32::from(control);
        match self.groups.back_mut() {
            Some(last) if last.frames < GROUP_FRAMES => {
                last.end = self.appended;
                last.frames += 1;
                last.control += control;
            }
            _ => self.groups.push_back(Group {
                end: self.appended,
                frames: 1,
                control,
            }),
        }
    }

    /// This many bytes were written.
    #[inline]
    pub(super) fn written(&mut self, bytes: usize) {
        self.written += bytes as u64;
        while let Some(first) = self.groups.front()
            && first.end <= self.written
        {
            self.frames -= u32::from(first.frames);
            self.control -= u32::from(first.control);
            self.groups.pop_front();
        }
    }

    /// How many frames wait, and how many of them are control frames.
    pub(super) fn waiting(&self) -> (u32, u32) {
        (self.frames, self.control)
    }

    #[inline]
    pub(super) fn check(&self, settings: &Http2Settings) -> Result<(), ConnectionError> {
        if self.frames > settings.max_outbound_frames {
            return Err(ConnectionError::OutboundFlood);
        }
        if self.control > settings.max_outbound_control_frames {
            return Err(ConnectionError::OutboundControlFlood);
        }
        Ok(())
    }
}
