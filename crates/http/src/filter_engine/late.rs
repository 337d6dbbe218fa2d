//! What comes of a body besides what the peer sends: bytes that filters took and give back later, a body that a filter
//! adds to a head that was all there was, trailers that filters add or that wait behind such bytes, and heads that filters
//! hold meanwhile.
//!
//! While there is any, whoever drives the direction asks for it whenever it is polled. Trailers go on when no filter has
//! bytes any more. A stream without such filters has no memory for it.

use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{AddedBody, Late, Then};
use nuncio_contract::local_reply::LocalReply;

use super::{Flow, Run};
use crate::filter_chain::{LateBody, Way};

/// The next that comes late.
pub enum LateStep {
    /// Bytes of the filter that runs as this step.
    Data(usize, Late),
    /// Trailers, and the step that is the next to see them.
    Trailers(usize, Box<HeaderMap>),
}

impl LateStep {
    /// How many bytes of a body come.
    pub fn bytes(&self) -> usize {
        match self {
            LateStep::Data(_, late) => late.data.len(),
            LateStep::Trailers(..) => 0,
        }
    }
}

/// What came out at the end of the filters.
pub struct Released {
    /// Whether the head came out, before all else; all there is, or not.
    pub head: Option<HeadIs>,
    /// Bytes of the body.
    pub data: Flow<Buffer>,
    /// The trailers behind them; the body ends with them.
    pub trailers: Option<Box<HeaderMap>>,
    /// Whether the body ends with the bytes.
    pub is_last: bool,
}

/// What there is behind a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadIs {
    /// Nothing.
    All,
    /// More.
    Begun,
}

impl Run<'_> {
    /// Whether anything comes late.
    pub fn is_late(&self) -> bool {
        self.state.borrow().filters.has_late_body(self.way)
    }

    /// Whether filters have taken no more than may be held back, so that more may be read.
    pub fn takes_more(&self) -> bool {
        let state = self.state.borrow();
        let progress = state.filters.progress(self.way);
        let kept = progress.late.as_ref().map_or(0, |late| late.kept_bytes);
        u64::try_from(kept).unwrap_or(u64::MAX) < progress.limit_bytes
    }

    /// The next that comes late, when it comes.
    pub fn poll_late(&self, cx: &mut Context<'_>) -> Poll<LateStep> {
        if let Some((step, data)) = self.with_late(|late| late.added.take()) {
            let waits = self.awaits_trailers();
            let then = if waits { Then::Nothing } else { Then::End };
            let late = Late {
                data,
                taken_bytes: 0,
                then,
            };
            return Poll::Ready(LateStep::Data(step, late));
        }
        let mut at = self.keeper_count();
        while let Some(place) = at.checked_sub(1) {
            at = place;
            let Some(step) = self.with_late(|late| late.keepers.get(place).copied()) else {
                continue;
            };
            let polled = self.with_filter(step, |active, context, response, way| match way {
                Way::Decode => active.filter.poll_decode_late(context, cx),
                Way::Encode => active.filter.poll_encode_late(context, response, cx),
            });
            if let Some(Poll::Ready(late)) = polled {
                self.note_given_back(place, &late);
                return Poll::Ready(LateStep::Data(step, late));
            }
        }
        if self.keeper_count() > 0 {
            return Poll::Pending;
        }
        match self.with_late(|late| late.trailers.take()) {
            Some((step, trailers)) => Poll::Ready(LateStep::Trailers(step, trailers)),
            None => Poll::Pending,
        }
    }

    /// Runs it through the filters behind.
    pub async fn release(&self, step: LateStep) -> Result<Released, Box<LocalReply>> {
        let released = match step {
            LateStep::Data(step, late) => match late.then {
                Then::Reply(reply) => return Err(reply),
                Then::Head { end_stream } => self.release_head(step, end_stream).await?,
                _ => self.release_data(step, late).await?,
            },
            LateStep::Trailers(step, mut trailers) => {
                let data = Box::pin(self.trailers(step, &mut trailers)).await?;
                Released {
                    head: None,
                    data,
                    trailers: (!self.awaits_trailers()).then_some(trailers),
                    is_last: false,
                }
            }
        };
        let is_late = self.settle();
        Ok(Released {
            is_last: released.is_last && !is_late,
            ..released
        })
    }

    /// Bytes go on behind the filter that gave them back.
    async fn release_data(&self, step: usize, late: Late) -> Result<Released, Box<LocalReply>> {
        let is_last = matches!(late.then, Then::End);
        if let Then::Trailers(trailers) = late.then {
            self.await_trailers(step + 1, trailers);
        }
        Ok(Released {
            head: None,
            data: Box::pin(self.data(step + 1, late.data, is_last)).await?,
            trailers: None,
            is_last,
        })
    }

    /// The head goes on behind the filter that held it.
    async fn release_head(
        &self,
        step: usize,
        end_stream: bool,
    ) -> Result<Released, Box<LocalReply>> {
        let is_held_here = self.take_held_headers(step);
        let flow = match is_held_here {
            true => Box::pin(self.headers(step + 1, end_stream)).await?,
            false => Flow::Held,
        };
        let is_all = end_stream && !self.settle();
        let head = match is_all {
            true => HeadIs::All,
            false => HeadIs::Begun,
        };
        Ok(Released {
            head: matches!(flow, Flow::Through(())).then_some(head),
            data: Flow::Held,
            trailers: None,
            is_last: false,
        })
    }

    /// Notes that a filter holds the head, and says when it goes on.
    pub(super) fn hold_head(&self, step: usize) {
        let mut state = self.state.borrow_mut();
        state.filters.progress_mut(self.way).headers_held_at = Some(step);
        drop(state);
        self.keep(step, 0);
    }

    /// Notes that a filter has taken a chunk.
    pub(super) fn keep(&self, step: usize, chunk_bytes: usize) {
        let mut state = self.state.borrow_mut();
        let late = &mut state.filters.progress_mut(self.way).late;
        let late = late.get_or_insert_default();
        late.kept_bytes = late.kept_bytes.saturating_add(chunk_bytes);
        if let Err(place) = late.keepers.binary_search(&step) {
            late.keepers.insert(place, step);
        }
    }

    /// Keeps trailers until nothing is to come before them.
    pub(super) fn await_trailers(&self, step: usize, trailers: Box<HeaderMap>) {
        let mut state = self.state.borrow_mut();
        let late = &mut state.filters.progress_mut(self.way).late;
        late.get_or_insert_default().trailers = Some((step, trailers));
    }

    /// Keeps a body that a filter adds.
    pub(super) fn await_added(&self, step: usize, added: AddedBody) {
        if let Some(trailers) = added.trailers {
            self.await_trailers(step + 1, trailers);
        }
        let mut state = self.state.borrow_mut();
        let late = &mut state.filters.progress_mut(self.way).late;
        late.get_or_insert_default().added = Some((step, added.data));
    }

    /// Whether trailers have not come to the end of the filters.
    pub fn awaits_trailers(&self) -> bool {
        self.with_late(|late| late.trailers.as_ref().map(|_| ()))
            .is_some()
    }

    fn with_late<T>(&self, look: impl FnOnce(&mut LateBody) -> Option<T>) -> Option<T> {
        let mut state = self.state.borrow_mut();
        let late = state.filters.progress_mut(self.way).late.as_mut();
        late.and_then(|late| look(late))
    }

    fn keeper_count(&self) -> usize {
        self.with_late(|late| Some(late.keepers.len())).unwrap_or(0)
    }

    fn note_given_back(&self, place: usize, late: &Late) {
        let mut state = self.state.borrow_mut();
        let Some(body) = &mut state.filters.progress_mut(self.way).late else {
            return;
        };
        body.kept_bytes = body.kept_bytes.saturating_sub(late.taken_bytes);
        let has_more = matches!(late.then, Then::More | Then::Head { end_stream: false });
        if !has_more {
            body.keepers.remove(place);
        }
    }

    /// Whether there is still something to come; gives the memory back if not.
    fn settle(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let late = &mut state.filters.progress_mut(self.way).late;
        if late.as_ref().is_some_and(|late| late.is_over()) {
            *late = None;
        }
        late.is_some()
    }
}
