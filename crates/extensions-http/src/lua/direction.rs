//! A script's run over one direction of a stream: what it waits for, and what comes of each part of the stream.

use std::cell::RefCell;
use std::mem::{swap, take};
use std::rc::Rc;

use nuncio_contract::application_log::{self, Severity};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::call_span::collect_in_span;
use nuncio_contract::calls::CallAnswer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::LocalFuture;

use super::live::{Live, Progress};
use super::native::LOGGER;
use super::vm::{Running, Turn};
use super::worker::Worker;

/// A direction.
#[derive(Default)]
pub(super) struct Direction {
    running: Option<Running>,
    waits: Waits,
    pub(super) progress: Progress,
    /// The body, as far as it has come, where the script wants it whole.
    pub(super) body: Buffer,
    /// What came of the call that the script waits for.
    answer: Rc<RefCell<Option<CallAnswer>>>,
}

/// What a script waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Waits {
    /// Nothing: it has not begun, or is done.
    #[default]
    Not,
    /// The whole body.
    Body,
    /// The next chunk.
    Chunk,
    /// The trailers.
    Trailers,
    /// A call.
    Call,
}

/// The parts of a stream that are here while a script has its turn.
pub(super) struct Parts<'a, 'c> {
    pub(super) context: &'a mut FilterContext<'c>,
    /// The response's head, if the response has just come.
    pub(super) head: Option<&'a mut HeaderMap>,
    /// The chunk that has just come.
    pub(super) chunk: Option<&'a mut Buffer>,
    /// The trailers that have just come.
    pub(super) trailers: Option<&'a mut HeaderMap>,
}

/// What comes of the stream after a turn.
pub(super) enum Next {
    /// The script is done.
    Done,
    /// It waits for what comes by itself.
    Wait(Waits),
    /// It waits for this.
    Call(LocalFuture<()>),
    /// It has answered.
    Reply(Box<LocalReply>),
}

impl Direction {
    /// What the script waits for.
    pub(super) fn waits(&self) -> Waits {
        self.waits
    }

    /// Begins to run the script of the route, if it has something to do.
    pub(super) fn begin(&mut self, worker: &Worker, parts: &mut Parts<'_, '_>) -> Next {
        let is_response = self.progress.is_response;
        let script = worker.script(parts.context);
        let Some(script) = script.filter(|script| script.hooks(is_response)) else {
            return Next::Done;
        };
        worker.stats.executions.inc();
        self.enter(&mut script.slot.live(), worker, parts);
        let begun = script.start(is_response);
        self.leave(&mut script.slot.live(), worker, parts);
        match begun {
            Some((running, turn)) => {
                self.running = Some(running);
                self.after(turn, worker)
            }
            None => self.after(Turn::Failed(String::new()), worker),
        }
    }

    /// Goes on with the script.
    pub(super) fn go_on(&mut self, worker: &Worker, parts: &mut Parts<'_, '_>) -> Next {
        let Some(running) = self.running.take() else {
            return Next::Done;
        };
        self.enter(&mut running.slot().live(), worker, parts);
        let turn = running.step();
        self.leave(&mut running.slot().live(), worker, parts);
        self.running = Some(running);
        self.after(turn, worker)
    }

    fn after(&mut self, turn: Turn, worker: &Worker) -> Next {
        let waits = match turn {
            Turn::Body => Waits::Body,
            Turn::Chunk => Waits::Chunk,
            Turn::Trailers => Waits::Trailers,
            Turn::Call => Waits::Call,
            Turn::Done | Turn::Respond => Waits::Not,
            Turn::Failed(why) => {
                worker.stats.errors.inc();
                let text = format!("script log: {why}");
                application_log::write(Severity::Error, LOGGER, &text);
                Waits::Not
            }
        };
        self.waits = waits;
        match waits {
            Waits::Not => match self.taken(|live| live.reply.take()) {
                Some(reply) => {
                    self.running = None;
                    Next::Reply(reply)
                }
                None => {
                    self.running = None;
                    Next::Done
                }
            },
            Waits::Call => self.await_call(),
            other => Next::Wait(other),
        }
    }

    fn taken<T>(&self, take: impl FnOnce(&mut Live) -> Option<T>) -> Option<T> {
        let running = self.running.as_ref()?;
        take(&mut running.slot().live())
    }

    fn await_call(&mut self) -> Next {
        let Some((call, span)) = self.taken(|live| live.call.take()) else {
            return Next::Done;
        };
        let place = Rc::clone(&self.answer);
        Next::Call(Box::pin(async move {
            *place.borrow_mut() = collect_in_span(call, span).await;
        }))
    }

    /// Gives the stream to the script.
    fn enter(&mut self, live: &mut Live, worker: &Worker, parts: &mut Parts<'_, '_>) {
        self.exchange(live, parts);
        live.progress = self.progress;
        live.filter_context = worker.filter_context(parts.context);
        live.calls = parts.context.services.calls();
        live.now = parts.context.services.wall();
        live.answer = self.answer.borrow_mut().take();
        live.reply = None;
        live.call = None;
        live.clears_route = false;
        live.changes_request = false;
        live.drains = false;
    }

    /// Takes it back.
    fn leave(&mut self, live: &mut Live, worker: &Worker, parts: &mut Parts<'_, '_>) {
        self.exchange(live, parts);
        self.progress = live.progress;
        live.calls = None;
        let is_stale = live.clears_route || live.changes_request && worker.settings.clears_route;
        if is_stale {
            parts.context.route_is_stale.set(true);
        }
        if live.drains {
            parts.context.stream_info.drains_connection = true;
        }
    }

    fn exchange(&mut self, live: &mut Live, parts: &mut Parts<'_, '_>) {
        let context = &mut *parts.context;
        match self.progress.is_response {
            false => swap(&mut live.headers, context.request_headers),
            true => {
                swap(&mut live.request_headers, context.request_headers);
                let head = parts
                    .head
                    .as_deref_mut()
                    .or(context.response.as_deref_mut());
                if let Some(head) = head {
                    swap(&mut live.headers, head);
                }
            }
        }
        swap(&mut live.info, context.stream_info);
        if let Some(trailers) = &mut parts.trailers {
            swap(&mut live.trailers, trailers);
        }
        match (&mut parts.chunk, self.progress.has_chunk) {
            (Some(chunk), true) => swap(&mut live.body, chunk),
            _ => swap(&mut live.body, &mut self.body),
        }
    }

    /// Keeps a chunk with the rest; whether that is more than may be held.
    pub(super) fn keep(&mut self, data: &mut Buffer, context: &FilterContext<'_>) -> bool {
        self.body.append(take(data));
        let held = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        held > *context.buffer_limit_bytes
    }
}
