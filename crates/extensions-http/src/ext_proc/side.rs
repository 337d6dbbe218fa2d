//! One direction of a stream: what of it has come, what the processor was told, and what may go on.
//!
//! Bytes go from `came` to `told`, where each piece waits for its answer, and from there to `ready`. What the processor
//! does not see goes to `ready` at once. Heads wait until the filter lets them go.

use std::collections::VecDeque;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{Late, Then};
use nuncio_contract::services::LocalFuture;
use nuncio_service_messages::common::HeaderList;
use nuncio_service_messages::ext_proc::{HeaderMutation, ProcessingResponse};

use super::heads::length_of;
use super::modes::{BodyMode, SideModes};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Response,
}

/// A piece of the body whose answer is awaited.
pub(super) struct Told {
    pub(super) bytes: Buffer,
}

/// Trailers on their way.
#[derive(Default)]
pub(super) enum Trailers {
    /// None have come.
    #[default]
    None,
    /// They have, and may have to be told.
    Came(Option<HeaderList>),
    /// Their answer is awaited.
    Told,
    /// They go on, changed so.
    Settled(Option<HeaderMutation>),
}

/// A direction.
#[derive(Default)]
pub(super) struct Side {
    pub(super) modes: SideModes,
    /// The processor sees nothing more of it.
    pub(super) is_over: bool,
    /// The head waits in the filter.
    pub(super) holds_head: bool,
    pub(super) awaits_head: bool,
    /// The head was all there was.
    pub(super) is_bare: bool,
    /// The head may go on.
    pub(super) lets_head_go: bool,
    /// The processor has put another body in the place of what comes.
    pub(super) is_replaced: bool,
    pub(super) came: Buffer,
    pub(super) came_all: bool,
    pub(super) told: VecDeque<Told>,
    pub(super) told_all: bool,
    pub(super) ready: Buffer,
    /// How many bytes that were taken are done with, and the engine does not know yet.
    pub(super) settled_bytes: usize,
    /// The rest of a body that was told in part goes by.
    pub(super) is_partly_told: bool,
    /// The processor has sent the last piece of a body that comes from it.
    pub(super) duplex_ended: bool,
    /// Some of such a body was sent to it.
    pub(super) is_duplex_told: bool,
    /// Bytes that are on their way to the processor and come back from it.
    pub(super) duplex_unsent: usize,
    pub(super) trailers: Trailers,
    /// The engine asks for what comes late.
    pub(super) is_kept: bool,
    /// Answers that came while the other direction was asked.
    pub(super) inbox: VecDeque<Box<ProcessingResponse>>,
    pub(super) timer: Option<LocalFuture<()>>,
    /// The processor has asked for more time for this answer.
    pub(super) took_more_time: bool,
    /// The head has no length, as the processor may change its body.
    pub(super) is_length_removed: bool,
    /// The length in the head before the processor changed it.
    pub(super) length_before: Option<Option<Vec<u8>>>,
    /// How much of the body is to come by the head, where the processor may change it.
    pub(super) length_left: Option<u64>,
}

impl Side {
    /// Whether the body, as it comes, is the processor's.
    pub(super) fn shows_body(&self) -> bool {
        !self.is_over && !self.is_partly_told && self.modes.body != BodyMode::None
    }

    /// Whether an answer is awaited.
    pub(super) fn awaits(&self) -> bool {
        self.awaits_head || !self.told.is_empty() || matches!(self.trailers, Trailers::Told)
    }

    /// The head goes on: the body must be as long as it says, if the processor may change it.
    pub(super) fn keep_to_length(&mut self, headers: &HeaderMap) {
        let is_changed = self.modes.body != BodyMode::None || self.is_replaced;
        if is_changed && !self.is_bare {
            let length = headers.get(Known::ContentLength);
            self.length_left = length.and_then(length_of);
        }
    }

    /// Counts bytes that go on; whether the head is still true.
    pub(super) fn count(&mut self, bytes: usize, is_last: bool) -> bool {
        let Some(left) = self.length_left else {
            return true;
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.length_left = left.checked_sub(bytes);
        match self.length_left {
            None => false,
            Some(left) => left == 0 || !is_last,
        }
    }

    /// Whether some of the body is with the processor alone, so that the stream cannot go on without it.
    pub(super) fn is_body_lost(&self) -> bool {
        let is_duplex = self.shows_body() && self.modes.body == BodyMode::FullDuplex;
        let is_back = self.duplex_ended || matches!(self.trailers, Trailers::Settled(_));
        is_duplex && self.is_duplex_told && !is_back
    }

    /// Nothing of it is told any more: all goes on as it came.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
        self.awaits_head = false;
        self.timer = None;
        for told in std::mem::take(&mut self.told) {
            self.settled_bytes += told.bytes.len();
            self.ready.append(told.bytes);
        }
        if matches!(self.trailers, Trailers::Told | Trailers::Came(_)) {
            self.trailers = Trailers::Settled(None);
        }
        self.lets_head_go |= self.holds_head;
        self.pass();
    }

    /// What has come goes on.
    pub(super) fn pass(&mut self) {
        let came = std::mem::take(&mut self.came);
        self.settled_bytes += came.len();
        if !self.is_replaced {
            self.ready.append(came);
        }
    }

    /// What the engine may have next.
    pub(super) fn next(&mut self) -> Option<Late> {
        if std::mem::take(&mut self.lets_head_go) {
            self.holds_head = false;
            let end_stream = self.is_bare && self.ready.is_empty() && !self.is_replaced;
            self.is_kept &= !end_stream;
            return Some(late(Buffer::default(), 0, Then::Head { end_stream }));
        }
        if self.holds_head || !self.is_kept || self.waits_for_trailers() {
            return None;
        }
        let data = std::mem::take(&mut self.ready);
        let taken = std::mem::take(&mut self.settled_bytes);
        match self.end() {
            Some(then) => {
                self.is_kept = false;
                Some(late(data, taken, then))
            }
            None if data.is_empty() && taken == 0 => None,
            None => Some(late(data, taken, Then::More)),
        }
    }

    /// A body that goes on as a whole does so with its trailers.
    fn waits_for_trailers(&self) -> bool {
        let is_whole = matches!(self.modes.body, BodyMode::Buffered | BodyMode::Partial);
        is_whole && !self.is_over && matches!(self.trailers, Trailers::Came(_) | Trailers::Told)
    }

    /// What is behind all that is ready; none if more is to come from here.
    fn end(&self) -> Option<Then> {
        if self.awaits() || !self.came.is_empty() {
            return None;
        }
        if matches!(self.trailers, Trailers::Settled(_)) {
            return Some(Then::Nothing);
        }
        let is_duplex = self.shows_body() && self.modes.body == BodyMode::FullDuplex;
        let is_all = match is_duplex {
            true => self.duplex_ended && self.came_all,
            false => self.came_all && (self.told_all || !self.shows_body()),
        };
        if is_all {
            return Some(Then::End);
        }
        let goes_by = !self.shows_body() && !self.is_replaced && self.length_left.is_none();
        let has_trailers = !matches!(self.trailers, Trailers::None);
        (goes_by && !has_trailers).then_some(Then::Nothing)
    }
}

fn late(data: Buffer, taken_bytes: usize, then: Then) -> Late {
    Late {
        data,
        taken_bytes,
        then,
    }
}
