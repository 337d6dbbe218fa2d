//! What a script can reach while it has its turn: the parts of the stream, which are moved here for the turn and back
//! after it, so that nothing that a script keeps refers to a stream.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::call_span::CallSpan;
use nuncio_contract::calls::{CallAnswer, Calls, HttpCall};
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Struct;

use super::script_stats::ScriptStats;

/// What there is to say of a body or of trailers; the same numbers are in `prelude.lua`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// They are here.
    Here = 0,
    /// There are none.
    None = 1,
    /// They are still to come.
    Later = 2,
    /// The body goes on chunk by chunk.
    Started = 3,
    /// The body has gone on.
    Streamed = 4,
}

/// How far a direction of a stream has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The direction is the response's.
    pub(super) is_response: bool,
    /// The head has gone on to the next filter.
    pub(super) head_is_gone: bool,
    /// All of the body has come.
    pub(super) has_ended: bool,
    /// Some of a body has come.
    pub(super) has_body: bool,
    /// The body is held, or was when it was complete.
    pub(super) holds_body: bool,
    /// The script takes chunks, or has let the body go.
    pub(super) streams: bool,
    /// A body is to be added to a head that is all there is.
    pub(super) adds_body: bool,
    /// The trailers have come.
    pub(super) has_trailers: bool,
    /// A chunk is in `body`.
    pub(super) has_chunk: bool,
}

/// The stream of the script that has its turn.
pub(super) struct Live {
    pub(super) headers: HeaderMap,
    pub(super) request_headers: HeaderMap,
    pub(super) trailers: HeaderMap,
    pub(super) info: StreamInfo,
    /// A chunk, or all of the body.
    pub(super) body: Buffer,
    pub(super) progress: Progress,
    pub(super) filter_context: Option<Arc<Struct>>,
    pub(super) calls: Option<Calls>,
    pub(super) now: SystemTime,
    pub(super) clears_route: bool,
    /// A header of the request was changed on its way up.
    pub(super) changes_request: bool,
    pub(super) drains: bool,
    /// What the turn ended with, if with a call.
    pub(super) call: Option<(Box<dyn HttpCall>, Option<CallSpan>)>,
    /// What came of the call before.
    pub(super) answer: Option<CallAnswer>,
    /// What the turn ended with, if with an answer.
    pub(super) reply: Option<Box<LocalReply>>,
    /// The filter's name in the chain.
    pub(super) name: Rc<str>,
    pub(super) stats: Rc<ScriptStats>,
}

/// Where the stream of the turn is, for all native functions of a script.
#[derive(Clone)]
pub(super) struct Slot(Rc<RefCell<Live>>);

impl Slot {
    /// Nobody's turn.
    pub(super) fn new(name: Rc<str>, stats: Rc<ScriptStats>) -> Self {
        let info = StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now());
        Slot(Rc::new(RefCell::new(Live {
            headers: HeaderMap::request(),
            request_headers: HeaderMap::request(),
            trailers: HeaderMap::new(MapKind::Request),
            info,
            body: Buffer::new(),
            progress: Progress::default(),
            filter_context: None,
            calls: None,
            now: SystemTime::UNIX_EPOCH,
            clears_route: false,
            changes_request: false,
            drains: false,
            call: None,
            answer: None,
            reply: None,
            name,
            stats,
        })))
    }

    /// The stream; only for as long as no other is asked for.
    pub(super) fn live(&self) -> RefMut<'_, Live> {
        self.0.borrow_mut()
    }
}

/// Which headers an object stands for; the same numbers are in `prelude.lua`.
const REQUEST: u8 = 1;
const TRAILERS: u8 = 2;

impl Live {
    /// The headers that an object stands for.
    pub(super) fn map(&mut self, of: u8) -> &mut HeaderMap {
        match of {
            REQUEST if self.progress.is_response => &mut self.request_headers,
            TRAILERS => &mut self.trailers,
            _ => &mut self.headers,
        }
    }

    /// The same, to be changed.
    pub(super) fn map_to_change(&mut self, of: u8) -> &mut HeaderMap {
        self.changes_request |= of != TRAILERS && !self.progress.is_response;
        self.map(of)
    }

    /// Whether they may be changed: those that have gone on may not, nor may the request's while the response passes.
    pub(super) fn may_change(&self, of: u8) -> bool {
        match of {
            TRAILERS => true,
            REQUEST if self.progress.is_response => true,
            _ => !self.progress.head_is_gone,
        }
    }

    /// What there is of the whole body.
    pub(super) fn whole_body(&mut self, always: bool) -> Presence {
        let progress = &mut self.progress;
        if !progress.has_ended {
            if progress.streams || progress.head_is_gone {
                return Presence::Started;
            }
            progress.holds_body = true;
            return Presence::Later;
        }
        if progress.holds_body {
            return Presence::Here;
        }
        if progress.has_body || progress.streams {
            return Presence::Streamed;
        }
        if !always {
            return Presence::None;
        }
        progress.holds_body = true;
        progress.adds_body = !progress.has_trailers;
        Presence::Here
    }

    /// What there is of trailers.
    pub(super) fn trailers_presence(&mut self) -> Presence {
        let progress = &mut self.progress;
        if progress.has_trailers {
            return Presence::Here;
        }
        if progress.has_ended {
            return Presence::None;
        }
        progress.streams = true;
        Presence::Later
    }
}
