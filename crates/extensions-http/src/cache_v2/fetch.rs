//! Asking a host for what is to be kept. It goes on by itself, so that no client that goes away takes it along; but
//! not before there is a head, or for what is not kept, once all of them have gone, and not where the host says nothing
//! for 5 minutes. Who does not read what is not kept, so that its host waits for half a minute, is left behind.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use nuncio_contract::calls::{CallEvent, Calls, HttpCall};
use nuncio_contract::headers::{HeaderMap, Known};

use super::flight::Flight;
use super::insertion::Insertion;
use super::sessions::{Landing, Session, State};
use crate::caching::storage::Storage;
use crate::caching::store::{Body, Entry, Head};
use crate::caching::vary::AllowList;
use crate::caching::{freshness, validation};

/// How long a host may say nothing in the midst of its answer.
const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// How long all may have to wait for one that does not read.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// An answer that is for the one who asked: its head, and what follows.
pub(super) struct Direct {
    pub(super) head: HeaderMap,
    pub(super) end_stream: bool,
    pub(super) call: Box<dyn HttpCall>,
}

/// Where the one who asked looks for it.
pub(super) type Handover = Rc<RefCell<Option<Direct>>>;

/// What is asked for.
pub(super) struct Fetch {
    pub(super) store: Arc<Storage>,
    pub(super) session: Arc<Session>,
    pub(super) key: Box<[u8]>,
    /// What is kept and may have changed.
    pub(super) kept: Option<Arc<Entry>>,
    pub(super) may_keep: bool,
    /// Whether the one who asked wants a part, and all was asked for.
    pub(super) is_ranged: bool,
    pub(super) asked: SystemTime,
    pub(super) max_body_bytes: usize,
    pub(super) handover: Handover,
}

/// The answer while it comes; it has failed unless it comes to its end.
struct Keeping(Arc<Insertion>);

/// The session while it waits; it rests in the end, unless something else was found out.
struct Waiting {
    session: Arc<Session>,
    /// None once it has landed: what it landed with is then gone with those who waited.
    flight: Option<Arc<Flight<Landing>>>,
    is_settled: bool,
}

impl Fetch {
    /// Begins; what comes of it lands in `flight`.
    pub(super) fn begin(
        self,
        call: Box<dyn HttpCall>,
        calls: &Calls,
        flight: Arc<Flight<Landing>>,
    ) {
        let waiting = Waiting {
            session: Arc::clone(&self.session),
            flight: Some(flight),
            is_settled: false,
        };
        let timers = calls.clone();
        calls.spawn(Box::pin(
            async move { self.run(call, waiting, &timers).await },
        ));
    }

    async fn run(self, mut call: Box<dyn HttpCall>, mut waiting: Waiting, timers: &Calls) {
        let event = poll_fn(|cx| match waiting.is_awaited(cx) {
            true => call.poll_next(cx).map(Some),
            false => Poll::Ready(None),
        })
        .await;
        let (headers, end_stream) = match event {
            Some(CallEvent::Head {
                headers,
                end_stream,
            }) => (headers, end_stream),
            Some(_) => return,
            None => return waiting.abandon(),
        };
        if let Some(kept) = &self.kept {
            if headers.get(Known::Status) == Some(b"304") {
                let entry = self.renew(kept, headers).await;
                waiting.settle(State::Idle);
                return waiting.land(Landing::Unchanged(entry));
            }
            self.store.forget(&self.key).await;
        }
        if !self.may_keep || !may_be_kept(&headers, self.max_body_bytes) {
            if !self.is_ranged || self.kept.is_some() {
                *self.handover.borrow_mut() = Some(Direct {
                    head: headers,
                    end_stream,
                    call,
                });
            }
            waiting.settle(State::Uncacheable);
            return waiting.land(Landing::Uncacheable);
        }
        let insertion = Insertion::new(self.store.memory(), Head::of(&headers), self.asked);
        let keeping = Keeping(Arc::clone(&insertion));
        let Some(beginning) = insertion.read(None).map(Arc::new) else {
            return;
        };
        if end_stream {
            self.complete(&insertion, None).await;
            waiting.settle(State::Idle);
            return waiting.land(Landing::Inserted(beginning));
        }
        self.session.set(State::Coming(Arc::clone(&insertion)));
        waiting.land(Landing::Inserted(beginning));
        self.keep(call, &keeping.0, &mut waiting, timers).await;
    }

    async fn keep(
        &self,
        mut call: Box<dyn HttpCall>,
        insertion: &Arc<Insertion>,
        waiting: &mut Waiting,
        timers: &Calls,
    ) {
        let mut is_kept = true;
        loop {
            if !is_kept && !has_room(insertion, timers).await {
                return;
            }
            match next_of(&mut *call, insertion, is_kept, timers).await {
                CallEvent::Data { data, end_stream } => {
                    let still_kept = insertion.add(data.readable(), self.max_body_bytes);
                    if is_kept && !still_kept {
                        is_kept = false;
                        waiting.settle(State::Uncacheable);
                    }
                    if end_stream {
                        self.complete(insertion, None).await;
                        break;
                    }
                }
                CallEvent::Trailers(trailers) => {
                    let trailers = Arc::new(Head::of(&trailers));
                    self.complete(insertion, Some(trailers)).await;
                    break;
                }
                CallEvent::Head { .. } | CallEvent::Reset => return,
            }
        }
        if is_kept {
            waiting.settle(State::Idle);
        }
    }

    async fn complete(&self, insertion: &Insertion, trailers: Option<Arc<Head>>) {
        if let Some(body) = insertion.complete(trailers.clone()) {
            let entry = Entry {
                head: insertion.head.clone(),
                body: Body::Memory(body),
                trailers,
                came: insertion.came,
            };
            self.store.keep(&self.key, &Arc::new(entry)).await;
        }
    }

    /// What is kept has not changed; if its host does not want it kept any more, it is served for the last time.
    async fn renew(&self, kept: &Entry, answer: HeaderMap) -> Arc<Entry> {
        let (entry, is_kept) = renewed(kept, answer, self.asked, self.max_body_bytes);
        let entry = Arc::new(entry);
        match is_kept {
            true => self.store.keep(&self.key, &entry).await,
            false => self.store.forget(&self.key).await,
        }
        entry
    }
}

/// Waits until there is room for more of what is not kept; false where nobody reads it.
async fn has_room(insertion: &Insertion, timers: &Calls) -> bool {
    loop {
        let mut stalled = timers.sleep(STALL_LIMIT);
        let room = poll_fn(|cx| match insertion.poll_room(cx) {
            Poll::Ready(room) => Poll::Ready(Some(room)),
            Poll::Pending => stalled.as_mut().poll(cx).map(|()| None),
        });
        match room.await {
            Some(room) => return room,
            None => insertion.leave_slowest(),
        }
    }
}

/// What comes next; it broke off where nothing does in time, or nobody reads what is not kept.
async fn next_of(
    call: &mut dyn HttpCall,
    insertion: &Insertion,
    is_kept: bool,
    timers: &Calls,
) -> CallEvent {
    let mut idle = timers.sleep(IDLE_LIMIT);
    poll_fn(|cx| {
        if !is_kept && !insertion.is_read(cx) {
            return Poll::Ready(CallEvent::Reset);
        }
        match call.poll_next(cx) {
            Poll::Pending => idle.as_mut().poll(cx).map(|()| CallEvent::Reset),
            event => event,
        }
    })
    .await
}

impl Waiting {
    /// Whether somebody waits for the answer; if so, `cx` is woken when nobody does any more.
    fn is_awaited(&self, cx: &Context<'_>) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.is_awaited(cx))
    }

    /// Nobody waits.
    fn abandon(mut self) {
        self.settle(State::Idle);
        self.land(Landing::Abandoned);
    }

    /// The session is known to be this.
    fn settle(&mut self, state: State) {
        self.is_settled = true;
        self.session.set(state);
    }

    fn land(&mut self, landing: Landing) {
        if let Some(flight) = self.flight.take() {
            flight.land(landing);
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_settled {
            self.session.set(State::Idle);
        }
        self.land(Landing::Failed);
    }
}

/// What is kept with the head of an answer without changes, and what this leaves out; and whether it may be kept on.
pub(super) fn renewed(
    kept: &Entry,
    mut answer: HeaderMap,
    asked: SystemTime,
    max_body_bytes: usize,
) -> (Entry, bool) {
    let mut head = HeaderMap::response();
    kept.head.append_to(&mut head);
    validation::complete(&mut answer, &head);
    let entry = Entry {
        head: Head::of(&answer),
        body: kept.body.clone(),
        trailers: kept.trailers.clone(),
        came: asked,
    };
    (entry, may_be_kept(&answer, max_body_bytes))
}

/// Whether an answer may be kept.
pub(super) fn may_be_kept(response: &HeaderMap, max_body_bytes: usize) -> bool {
    let length = response.get_str(Known::ContentLength);
    let length = length.and_then(|length| length.parse::<usize>().ok());
    let varies = response.get_all(Known::Vary).any(|value| !value.is_empty());
    !varies
        && length.is_none_or(|length| length <= max_body_bytes)
        && freshness::is_kept(response, &AllowList(Vec::new()))
}
