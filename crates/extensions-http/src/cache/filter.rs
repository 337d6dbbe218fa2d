//! What the cache does to a stream: it serves it, or has it go on and keeps what comes of it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, Then, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{ChainConfig, Settings};
use super::kept::{self, Kept};
use crate::caching::control::RequestControl;
use crate::caching::files::FileStore;
use crate::caching::ranges::{self, Part};
use crate::caching::request::key_of;
use crate::caching::storage::BodyReader;
use crate::caching::store::{Body, Entry, Head, Pending};
use crate::caching::{freshness, validation, vary};

const FROM_CACHE: &str = "cache.response_from_cache_filter";
const FROM_HOST: &str = "via_upstream";
struct Factory(Option<Rc<Worker>>);

struct Worker {
    settings: Arc<Settings>,
    /// What is found and what is not, where it is counted.
    events: Option<FileEvents>,
}

struct FileEvents {
    hit: Arc<Counter>,
    miss: Arc<Counter>,
}

impl FileEvents {
    fn new(files: &FileStore, root: &Scope) -> Self {
        let path = files.path();
        let counter =
            |kind: &str| root.counter(&format!("cache.event.cache_path.{path}.event_type.{kind}"));
        FileEvents {
            hit: counter("hit"),
            miss: counter("miss"),
        }
    }
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let worker = self.0.as_ref().map(|settings| {
            settings.storage.begin(context.root);
            let files = settings.storage.files();
            Worker {
                settings: Arc::clone(settings),
                events: files.map(|files| FileEvents::new(files, context.root)),
            }
        });
        Box::new(Factory(worker.map(Rc::new)))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        let is_on = self.0.is_some();
        Interest {
            request_headers: is_on,
            response_headers: is_on,
            response_body: is_on,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(CacheFilter {
            worker: self.0.as_ref().map(Rc::clone),
            state: State::Passing,
        })
    }
}

struct CacheFilter {
    worker: Option<Rc<Worker>>,
    state: State,
}

enum State {
    /// The stream is none of ours.
    Passing,
    /// What is kept in files is looked for, and put there.
    Looking(Slot<Option<Kept>>),
    /// What is kept is the answer.
    Serving(Box<Serving>),
    /// The host is asked.
    Asking(Box<Asking>),
    /// The host's answer is to be kept.
    Keeping(Box<Keeping>),
    /// The host has found what is kept unchanged, and takes its time to say that this was all.
    Replacing { entry: Arc<Entry>, is_head: bool },
    /// It has said so, and the body is read from its file, and put there.
    Reading(Slot<Option<Vec<u8>>>),
}

/// Where a future puts what it comes to.
type Slot<T> = Rc<RefCell<Option<T>>>;

struct Serving {
    head: HeaderMap,
    /// What of the body is left to give.
    body: BodyReader,
    /// Whether the trailers belong to it.
    is_whole: bool,
    is_head_given: bool,
}

struct Asking {
    key: Vec<u8>,
    is_head: bool,
    may_keep: bool,
    /// The request as it was looked up, for `vary`.
    request: Option<HeaderMap>,
    /// What is kept, and its own key, where the host is asked whether it has changed.
    kept: Option<Kept>,
}

struct Keeping {
    key: Vec<u8>,
    request: Option<HeaderMap>,
    head: Head,
    names: vary::Names,
    body: Pending,
}

impl HttpFilter for CacheFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let worker = self.worker.as_ref().filter(|_| end_stream);
        let Some((worker, key)) = worker.zip(key_of(context.request_headers)) else {
            return HeadersStatus::Continue;
        };
        let found = match (&self.state, worker.settings.storage.files()) {
            (State::Looking(slot), _) => {
                let found = slot.borrow_mut().take().flatten();
                worker.count(found.is_some());
                found
            }
            (_, Some(files)) => {
                let slot = Slot::default();
                let (files, settings) = (Arc::clone(files), Arc::clone(&worker.settings));
                let request = worker.request_for_vary(context.request_headers);
                self.state = State::Looking(Rc::clone(&slot));
                return HeadersStatus::Again(Box::pin(async move {
                    let found = kept::find_in_files(&files, &settings, key, request).await;
                    *slot.borrow_mut() = Some(found);
                }));
            }
            (_, None) => kept::find_in_memory(&worker.settings, &key, context.request_headers),
        };
        match worker.look_up(context, key, found) {
            State::Serving(serving) => {
                let status = serving.head.get_str(Known::Status);
                let status = status.and_then(|status| status.parse().ok()).unwrap_or(200);
                let reply = LocalReply::bare(status, FROM_CACHE)
                    .with_flags(ResponseFlags::RESPONSE_FROM_CACHE_FILTER);
                self.state = State::Serving(serving);
                HeadersStatus::Reply(Box::new(reply))
            }
            state => {
                self.state = state;
                HeadersStatus::Continue
            }
        }
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        match std::mem::replace(&mut self.state, State::Passing) {
            State::Serving(serving) => self.serve(serving, response),
            State::Asking(asking) => self.answered(*asking, context, response, end_stream),
            state => {
                self.state = state;
                HeadersStatus::Continue
            }
        }
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match &mut self.state {
            State::Keeping(keeping) => {
                if !keeping.body.take(data.readable()) {
                    self.state = State::Passing;
                } else if end_stream {
                    self.keep(None, context);
                }
            }
            State::Replacing { entry, is_head } => {
                data.clear();
                if end_stream && !*is_head && matches!(entry.body, Body::File(_)) {
                    let entry = Arc::clone(entry);
                    return DataStatus::Again(self.read_all(entry));
                }
                if end_stream {
                    if !*is_head {
                        data.extend(entry.body.at_hand());
                    }
                    self.state = State::Passing;
                }
            }
            State::Reading(slot) => {
                let bytes = slot.borrow_mut().take().flatten();
                self.state = State::Passing;
                let Some(bytes) = bytes else {
                    return DataStatus::Reply(unreadable());
                };
                data.clear();
                data.extend(&bytes);
            }
            State::Passing | State::Looking(_) | State::Serving(_) | State::Asking(_) => {}
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match &self.state {
            State::Keeping(_) => self.keep(Some(trailers), context),
            State::Replacing { entry, is_head }
                if !*is_head && matches!(entry.body, Body::File(_)) =>
            {
                let entry = Arc::clone(entry);
                return TrailersStatus::Again(self.read_all(entry));
            }
            State::Reading(slot) => {
                let bytes = slot.borrow_mut().take().flatten();
                self.state = State::Passing;
                let Some(bytes) = bytes else {
                    return TrailersStatus::Reply(unreadable());
                };
                let mut data = Buffer::default();
                data.extend(&bytes);
                return TrailersStatus::Append(data);
            }
            State::Replacing { entry, is_head } => {
                let mut data = Buffer::default();
                if !*is_head {
                    data.extend(entry.body.at_hand());
                }
                self.state = State::Passing;
                return TrailersStatus::Append(data);
            }
            State::Passing | State::Looking(_) | State::Serving(_) | State::Asking(_) => {}
        }
        TrailersStatus::Continue
    }

    fn poll_encode_late(
        &mut self,
        _context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match &mut self.state {
            State::Serving(serving) => serving.poll_next(cx),
            _ => Poll::Pending,
        }
    }

    fn on_destroy(&mut self) {
        self.state = State::Passing;
    }
}

impl CacheFilter {
    /// What is kept goes down in the place of `response`.
    fn serve(&mut self, mut serving: Box<Serving>, response: &mut HeaderMap) -> HeadersStatus {
        std::mem::swap(response, &mut serving.head);
        if !serving.has_more() {
            return HeadersStatus::Continue;
        }
        self.state = State::Serving(serving);
        HeadersStatus::Later
    }

    /// The host has answered.
    fn answered(
        &mut self,
        asking: Asking,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let Some(worker) = self.worker.as_ref().map(Rc::clone) else {
            return HeadersStatus::Continue;
        };
        let details = context.stream_info.response_code_details.as_deref();
        if details != Some(FROM_HOST) {
            return HeadersStatus::Continue;
        }
        if let Some(Kept { own_key, entry }) = &asking.kept
            && response.get(Known::Status) == Some(b"304")
        {
            worker.found_unchanged(own_key, entry, context, response);
            return self.serve_unchanged(Arc::clone(entry), asking.is_head, response, end_stream);
        }
        let may_keep = asking.may_keep && !asking.is_head;
        if may_keep && freshness::is_kept(response, &worker.settings.allowed_vary) {
            self.state = State::Keeping(Box::new(Keeping {
                key: asking.key,
                request: asking.request,
                head: Head::of(response),
                names: vary::names(response),
                body: Pending::new(
                    worker.settings.storage.memory(),
                    worker.settings.max_body_bytes,
                ),
            }));
            if end_stream {
                self.keep(None, context);
            }
        }
        HeadersStatus::Continue
    }

    fn serve_unchanged(
        &mut self,
        entry: Arc<Entry>,
        is_head: bool,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        if !end_stream {
            self.state = State::Replacing { entry, is_head };
            return HeadersStatus::Continue;
        }
        let Some(worker) = &self.worker else {
            return HeadersStatus::Continue;
        };
        let left = if is_head { 0..0 } else { 0..entry.body.len() };
        let head = std::mem::replace(response, HeaderMap::response());
        let serving = Serving {
            head,
            body: BodyReader::new(&worker.settings.storage, &entry, left),
            is_whole: !is_head,
            is_head_given: false,
        };
        self.serve(Box::new(serving), response)
    }

    /// The answer that is to be kept is there.
    fn keep(&mut self, trailers: Option<&HeaderMap>, context: &FilterContext<'_>) {
        let state = std::mem::replace(&mut self.state, State::Passing);
        let (State::Keeping(keeping), Some(worker)) = (state, &self.worker) else {
            return;
        };
        let (body, counted) = keeping.body.finish();
        let entry = Entry {
            head: keeping.head,
            body,
            trailers: trailers.map(|trailers| Arc::new(Head::of(trailers))),
            came: context.services.wall(),
        };
        let request = keeping.request.as_ref();
        let answer = kept::Answer {
            key: &keeping.key,
            names: keeping.names,
            request,
            entry,
        };
        answer.keep(&worker.settings, counted);
    }

    /// Reads a whole body from its file, for the call that is made again then.
    fn read_all(&mut self, entry: Arc<Entry>) -> LocalFuture<()> {
        let slot = Slot::default();
        self.state = State::Reading(Rc::clone(&slot));
        let storage = self.worker.as_ref();
        let storage = storage.map(|worker| Arc::clone(&worker.settings.storage));
        Box::pin(async move {
            let Some(storage) = storage else { return };
            let mut reader = BodyReader::new(&storage, &entry, 0..entry.body.len());
            let mut body = Vec::new();
            while !reader.is_through() {
                match poll_fn(|cx| reader.poll_next(cx)).await {
                    Some(bytes) => body.extend_from_slice(&bytes),
                    None => return,
                }
            }
            *slot.borrow_mut() = Some(Some(body));
        })
    }
}

/// What is kept cannot be read.
fn unreadable() -> Box<LocalReply> {
    Box::new(LocalReply::new(503, b"".as_slice(), "cache.unreadable"))
}

impl Serving {
    fn has_more(&self) -> bool {
        !self.body.is_through() || self.has_trailers()
    }

    fn has_trailers(&self) -> bool {
        self.is_whole && self.body.entry().trailers.is_some()
    }

    /// The next of it, when it comes.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        let late = |data, then| {
            Poll::Ready(Late {
                data,
                taken_bytes: 0,
                then,
            })
        };
        let mut data = Buffer::default();
        if !self.is_head_given {
            self.is_head_given = true;
            return late(data, Then::Head { end_stream: false });
        }
        let Some(bytes) = ready!(self.body.poll_next(cx)) else {
            return late(data, Then::Reply(unreadable()));
        };
        data.extend(&bytes);
        let trailers = self.body.entry().trailers.as_ref();
        let then = match (self.body.is_through(), trailers.filter(|_| self.is_whole)) {
            (false, _) => Then::More,
            (true, None) => Then::End,
            (true, Some(kept)) => {
                let mut trailers = Box::new(HeaderMap::new(MapKind::ResponseTrailers));
                kept.append_to(&mut trailers);
                Then::Trailers(trailers)
            }
        };
        late(data, then)
    }
}

impl Worker {
    fn count(&self, is_there: bool) {
        if let Some(events) = &self.events {
            let event = if is_there { &events.hit } else { &events.miss };
            event.inc();
        }
    }

    /// The request, where what is kept may depend on it.
    fn request_for_vary(&self, request: &HeaderMap) -> Option<HeaderMap> {
        (!self.settings.allowed_vary.is_empty()).then(|| request.clone())
    }

    /// What becomes of a request without a body, for which this is kept.
    fn look_up(&self, context: &mut FilterContext<'_>, key: Vec<u8>, found: Option<Kept>) -> State {
        let settings = &self.settings;
        let request = &mut *context.request_headers;
        let is_head = request.get(Known::Method) == Some(b"HEAD");
        let control = match settings.ignores_request_control {
            true => RequestControl::default(),
            false => {
                RequestControl::of(request.get(Known::CacheControl), request.get(Known::Pragma))
            }
        };
        let kept_request = self.request_for_vary(request);
        let now = context.services.wall();
        let mut kept = None;
        if let Some(found) = found {
            let entry = &found.entry;
            let mut head = HeaderMap::response();
            entry.head.append_to(&mut head);
            let age = freshness::age(&head, entry.came, now);
            head.set_integer(Known::Age, u64::try_from(age).unwrap_or(0));
            if !freshness::needs_validation(&head, age, &control) {
                let range = request.get(Known::Range);
                let serving = self.hit(entry, head, range, is_head);
                return State::Serving(Box::new(serving));
            }
            validation::ask(request, &head);
            kept = Some(found);
        }
        State::Asking(Box::new(Asking {
            key,
            is_head,
            may_keep: !control.no_store,
            request: kept_request,
            kept,
        }))
    }

    /// The host says that what is kept has not changed: `response` becomes its head, and what is kept is as of now.
    fn found_unchanged(
        &self,
        own_key: &[u8],
        entry: &Arc<Entry>,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
    ) {
        let mut kept = HeaderMap::response();
        entry.head.append_to(&mut kept);
        let is_same = validation::is_same(response, &kept);
        validation::complete(response, &kept);
        if is_same {
            let new = validation::renewed(entry, kept, response, context.services.wall());
            kept::renew(&self.settings, own_key, entry, new);
        }
        let info = &mut *context.stream_info;
        info.response_flags |= ResponseFlags::RESPONSE_FROM_CACHE_FILTER;
        info.response_code_details = Some(FROM_CACHE.into());
    }

    /// What of an answer is served for a `range`; its length and status follow from that.
    fn hit(
        &self,
        entry: &Arc<Entry>,
        mut head: HeaderMap,
        range: Option<&[u8]>,
        is_head: bool,
    ) -> Serving {
        let length = entry.body.len();
        let part = ranges::part(range, length);
        let is_whole = part == Part::Whole;
        let left = match part {
            Part::Whole => 0..length,
            Part::Bytes(bytes) => {
                let (first, last) = (bytes.start, bytes.end.saturating_sub(1));
                let content_range = format!("bytes {first}-{last}/{length}");
                set_part(&mut head, b"206", bytes.len(), &content_range);
                bytes
            }
            Part::Nothing => {
                set_part(&mut head, b"416", 0, &format!("bytes */{length}"));
                0..0
            }
        };
        Serving {
            head,
            body: BodyReader::new(
                &self.settings.storage,
                entry,
                if is_head { 0..0 } else { left },
            ),
            is_whole: is_whole && !is_head,
            is_head_given: false,
        }
    }
}

fn set_part(head: &mut HeaderMap, status: &[u8], length: usize, content_range: &str) {
    head.set(Known::Status, status);
    head.append(Known::ContentRange, content_range.as_bytes());
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    head.set_integer(Known::ContentLength, length);
}
