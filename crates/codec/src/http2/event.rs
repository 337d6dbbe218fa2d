//! What one step over the peer's bytes gives.

use std::ops::Range;

use super::error::{ErrorCode, StreamError};
use super::stream_id::StreamId;
use crate::header_block::{BlockSize, HeadKind};

/// One step: what happened, and how many bytes at the start of the input it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bytes to take off the front of the input before the next step; may be more than 0 in every event.
    pub consumed: usize,
    /// What happened.
    pub event: Event,
}

/// What happened. Answers that the protocol alone demands are appended to `out` already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing more without further bytes; keep what is not consumed and call again with it and more.
    NeedMore,
    /// A head was decoded into `headers`; after [`HeadKind::Request`] the stream is new.
    Head {
        /// The stream.
        stream: StreamId,
        /// Which head it is.
        kind: HeadKind,
        /// Whether the message ends with it.
        end_stream: bool,
        /// How large it was.
        size: BlockSize,
    },
    /// A part of a body. Give its window back with `consumed` as it is used.
    Data {
        /// The stream.
        stream: StreamId,
        /// Where in the input it lies; empty only together with `end_stream`.
        data: Range<usize>,
        /// Whether the message ends with it.
        end_stream: bool,
        /// Bytes on the wire: the part itself, and with the first part of a frame its head and padding.
        wire: usize,
    },
    /// Trailers were decoded into `headers`; the message ends with them.
    Trailers {
        /// The stream.
        stream: StreamId,
        /// How large they were.
        size: BlockSize,
    },
    /// METADATA has come: `take_metadata` gives it.
    Metadata {
        /// The stream.
        stream: StreamId,
    },
    /// The peer reset a stream, which is forgotten now.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// The peer broke the rules on a stream; RST_STREAM is appended and the stream is forgotten. For one that the
    /// application has never heard of, only facts for an access log are lost.
    StreamError {
        /// The stream.
        stream: StreamId,
        /// Whether the application knows it: its head was told and its end was not.
        known: bool,
        /// What is wrong.
        error: StreamError,
    },
    /// There is more window: ask `next_ready` who may send.
    WindowOpened,
    /// The peer's SETTINGS are in force: how many streams may be open may have changed, and windows.
    SettingsChanged,
    /// The peer acknowledged a PING with this payload.
    PingAck(u64),
    /// The peer takes no streams above `last_stream`; those above it that were opened by us were not processed, and
    /// are forgotten by `take_unprocessed`.
    GoAway {
        /// The last stream that was or may be processed.
        last_stream: u32,
        /// Why.
        code: ErrorCode,
    },
}
