//! What one step over the peer's bytes gives.

use std::ops::Range;

use super::error::ErrorCode;
use super::stream_id::StreamId;
use crate::header_block::{BlockSize, HeadKind};

/// One step on the stream of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bytes to take off the front of the input before the next step; all of it with [`Event::NeedMore`].
    pub consumed: usize,
    /// What happened.
    pub event: Event,
}

/// What happened on the stream of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more without further bytes, or at all after the end. The whole input was taken.
    NeedMore,
    /// A head was decoded into `headers`.
    Head {
        /// Which head it is.
        kind: HeadKind,
        /// Whether the message ends with it.
        end_stream: bool,
        /// How large it was.
        size: BlockSize,
    },
    /// A part of a body.
    Data {
        /// Where in the input it lies; never empty.
        data: Range<usize>,
        /// Whether the message ends with it.
        end_stream: bool,
        /// Bytes on the wire: the part itself, and with the first part of a frame its head.
        wire: usize,
    },
    /// Trailers were decoded into `headers`; the message ends with them.
    Trailers {
        /// How large they were.
        size: BlockSize,
    },
    /// The message has ended without more to tell.
    End,
}

/// One step on a stream that goes one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniStep {
    /// How many bytes to take off the front of the input before the next step; all of it with [`UniEvent::NeedMore`].
    pub consumed: usize,
    /// What happened.
    pub event: UniEvent,
}

/// What happened on a stream that goes one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniEvent {
    /// Nothing more without further bytes. The whole input was taken.
    NeedMore,
    /// The stream is of a kind that is known; go on.
    Begun,
    /// The peer's SETTINGS have come.
    Settings,
    /// The peer goes away. A server takes no request with this number or above it: those that were opened were not
    /// processed. At a server the number is of no consequence.
    GoAway(StreamId),
    /// The stream is of no kind that is known: stop the peer's sending with this code and forget it.
    StopReading(ErrorCode),
}
