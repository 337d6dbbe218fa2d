//! What is told of bodies and trailers, and when.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::stream_info::Protocol;
use nuncio_service_messages::ext_proc::Part;

use super::fail::Failure;
use super::filter::Filter;
use super::modes::BodyMode;
use super::side::{Told, Trailers, Way};
use super::told;

/// Pieces that wait for an answer, behind which others are put together.
const MOST_PIECES: usize = 64;

/// So many bytes wait for the processor at most before its side of a stream is held back.
const UNSENT_BYTES: usize = 64 * 1024;

impl Filter {
    /// Tells what is to be told by now. Where `is_fresh`, it has just come.
    pub(super) fn tell_more(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        is_fresh: bool,
    ) -> Result<(), Failure> {
        if !self.side(way).shows_body() {
            if !self.side(way).awaits_head {
                self.side_mut(way).pass();
            }
            return self.tell_trailers(way, context);
        }
        let does_not_wait = self.worker.settings.bodies_do_not_wait;
        let side = self.side(way);
        let is_streamed = side.modes.body == BodyMode::Streamed;
        let is_duplex = side.modes.body == BodyMode::FullDuplex;
        let may_tell = is_duplex || is_streamed && does_not_wait;
        if side.awaits_head && !may_tell {
            return Ok(());
        }
        match side.modes.body {
            BodyMode::None => {}
            BodyMode::Streamed | BodyMode::FullDuplex => self.tell_piece(way, context, is_fresh)?,
            BodyMode::Buffered | BodyMode::Partial => self.tell_whole(way, context)?,
        }
        self.tell_trailers(way, context)
    }

    fn tell_piece(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        is_fresh: bool,
    ) -> Result<(), Failure> {
        let side = self.side_mut(way);
        let is_last = side.came_all && !side.told_all;
        // Small pieces behind many that are not answered yet come together: each one takes a block of memory.
        let is_behind = side.told.len() >= MOST_PIECES && !is_last;
        if side.came.is_empty() && !is_last || is_behind {
            return Ok(());
        }
        let bytes = std::mem::take(&mut side.came);
        // As Envoy's codec of HTTP/1 tells the end of a body by itself.
        if is_last && is_fresh && !bytes.is_empty() && is_http1(way, context) {
            self.tell_bytes(way, context, bytes, false)?;
            return self.tell_bytes(way, context, Buffer::default(), true);
        }
        self.tell_bytes(way, context, bytes, is_last)
    }

    /// A body as a whole, or as much of it as may be kept.
    fn tell_whole(&mut self, way: Way, context: &FilterContext<'_>) -> Result<(), Failure> {
        let limit_bytes = self.limit_bytes;
        let side = self.side_mut(way);
        if side.told_all || !side.told.is_empty() {
            return Ok(());
        }
        if side.modes.body == BodyMode::Buffered && side.came.len() > limit_bytes {
            return Err(Failure::too_large());
        }
        let has_trailers = !matches!(side.trailers, Trailers::None);
        let is_full = side.modes.body == BodyMode::Partial && side.came.len() >= limit_bytes;
        let is_whole = side.came_all || has_trailers;
        if !is_whole && !is_full || side.came.is_empty() && has_trailers {
            return Ok(());
        }
        side.is_partly_told = !is_whole;
        let is_last = side.came_all;
        let bytes = std::mem::take(&mut side.came);
        self.tell_bytes(way, context, bytes, is_last)
    }

    fn tell_bytes(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        bytes: Buffer,
        is_last: bool,
    ) -> Result<(), Failure> {
        let part = told::body(way, bytes.readable(), is_last);
        let is_duplex = self.side(way).modes.body == BodyMode::FullDuplex;
        self.tell(way, part, context)?;
        let side = self.side_mut(way);
        side.told_all |= is_last;
        match is_duplex {
            true => {
                side.is_duplex_told = true;
                side.duplex_unsent += bytes.len();
            }
            false => {
                side.told.push_back(Told { bytes });
                self.await_answer(way, context);
            }
        }
        Ok(())
    }

    fn tell_trailers(&mut self, way: Way, context: &FilterContext<'_>) -> Result<(), Failure> {
        let side = self.side_mut(way);
        let Trailers::Came(list) = &mut side.trailers else {
            return Ok(());
        };
        let is_duplex = side.modes.body == BodyMode::FullDuplex;
        let waits = side.awaits_head && !is_duplex || !side.told.is_empty();
        if waits || !side.came.is_empty() {
            return Ok(());
        }
        let list = list.take();
        if side.is_over || !side.modes.trailers {
            side.trailers = Trailers::Settled(None);
            return Ok(());
        }
        self.tell(way, told::trailers(way, list), context)?;
        self.side_mut(way).trailers = Trailers::Told;
        if !is_duplex {
            self.await_answer(way, context);
        }
        Ok(())
    }

    /// What the processor has of a body that comes back from it is not kept here any more.
    pub(super) fn settle_duplex(&mut self) {
        if self.session.unsent_bytes() > UNSENT_BYTES {
            return;
        }
        for side in [&mut self.request, &mut self.response] {
            side.settled_bytes += std::mem::take(&mut side.duplex_unsent);
        }
    }

    /// A message to the processor.
    pub(super) fn tell(
        &mut self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
    ) -> Result<(), Failure> {
        self.tell_with(way, part, context, None)
    }
}

/// Whether the body comes by HTTP/1.
fn is_http1(way: Way, context: &FilterContext<'_>) -> bool {
    let protocol = match way {
        Way::Request => context.stream_info.protocol,
        Way::Response => context.stream_info.upstream.protocol,
    };
    matches!(protocol, Some(Protocol::Http10 | Protocol::Http11))
}
