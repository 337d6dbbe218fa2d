//! One direction of a stream through a plugin: what it holds, and what it waits for.

use std::mem::take;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::local_reply::LocalReply;

/// A direction.
#[derive(Default)]
pub(super) struct Side {
    /// What the plugin has let go on before what is held.
    pub(super) before: Buffer,
    /// What is held of the body.
    pub(super) held: Buffer,
    /// Whether the plugin sees what is held, with what comes next behind it.
    pub(super) buffers: bool,
    /// Whether it waits for the plugin to let it go on.
    pub(super) waits: bool,
}

/// What a plugin says of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadSays {
    Continue,
    /// The body comes to the plugin meanwhile.
    Stop,
    StopAll,
}

impl HeadSays {
    /// By what it returned, and whether the host stops the stream whatever that is.
    pub(super) fn of(returned: u32, stops: bool, holds_heads: bool) -> Self {
        match returned {
            _ if stops => HeadSays::StopAll,
            0 | 2 => HeadSays::Continue,
            1 if holds_heads => HeadSays::Stop,
            _ => HeadSays::StopAll,
        }
    }
}

/// What a plugin says of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataSays {
    Continue,
    /// Held, and seen again with the next one.
    Buffer,
    /// Held.
    Watermark,
    /// Not held: the plugin has what it wants of it.
    Drop,
}

impl DataSays {
    pub(super) fn of(returned: u32, stops: bool) -> Self {
        match returned {
            _ if stops => DataSays::Drop,
            0 => DataSays::Continue,
            1 => DataSays::Buffer,
            2 => DataSays::Watermark,
            _ => DataSays::Drop,
        }
    }
}

impl Side {
    /// What the plugin sees of a chunk that has come; what it does not see stays held.
    pub(super) fn take_seen(&mut self, data: &mut Buffer) -> Buffer {
        let chunk = take(data);
        if !self.buffers {
            return chunk;
        }
        let mut seen = take(&mut self.held);
        seen.append(chunk);
        seen
    }

    /// Keeps what the plugin saw; whether that is more than may be held.
    pub(super) fn keep(
        &mut self,
        seen: Buffer,
        says: DataSays,
        context: &FilterContext<'_>,
    ) -> bool {
        if says != DataSays::Drop {
            self.held.append(seen);
        }
        self.buffers = says == DataSays::Buffer;
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        held > *context.buffer_limit_bytes
    }

    /// All that is held, with this behind it.
    pub(super) fn release(&mut self, behind: Buffer) -> Buffer {
        self.buffers = false;
        let mut all = take(&mut self.before);
        all.append(take(&mut self.held));
        all.append(behind);
        all
    }
}

/// The answer where a plugin has failed.
pub(super) fn failed() -> Box<LocalReply> {
    let mut reply = LocalReply::new(503, b"".as_slice(), "wasm_fail_stream");
    reply.grpc_status = Some(14);
    Box::new(reply)
}

/// The answer where a plugin closes the stream.
pub(super) fn closed(reason: &'static str) -> Box<LocalReply> {
    Box::new(LocalReply::new(503, b"".as_slice(), reason))
}

/// The answer where more would have to be held than may be.
pub(super) fn too_large(direction: usize) -> Box<LocalReply> {
    match direction {
        0 => Box::new(LocalReply::too_much()),
        _ => {
            let body = b"Internal Server Error".as_slice();
            Box::new(LocalReply::new(500, body, "response_payload_too_large"))
        }
    }
}
