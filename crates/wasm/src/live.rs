//! What a plugin can reach of a stream: its parts are moved here while the plugin has its turn and back after it, so that
//! nothing in a VM refers to a stream. What may be seen depends on where the stream stands ([`Sight`]).

use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::StreamInfo;

use crate::pairs::Pairs;

/// The parts of the stream whose turn it is.
pub(crate) struct Live {
    /// Whose they are; 0 for nobody's.
    pub(crate) context: u32,
    pub(crate) info: StreamInfo,
    pub(crate) request: HeaderMap,
    pub(crate) request_trailers: HeaderMap,
    pub(crate) response: HeaderMap,
    pub(crate) response_trailers: HeaderMap,
    /// Of the request, of the response.
    pub(crate) bodies: [Buffer; 2],
    /// Bytes that come from the client, or go to it.
    pub(crate) data: [Vec<u8>; 2],
    /// Whether what comes may be changed.
    pub(crate) data_is_fixed: bool,
    /// What the response has gone on with, while the stream is logged.
    pub(crate) clears_route: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Live {
            context: 0,
            info: StreamInfo::new(Rc::default(), SystemTime::UNIX_EPOCH, Instant::now()),
            request: HeaderMap::request(),
            request_trailers: HeaderMap::new(MapKind::RequestTrailers),
            response: HeaderMap::response(),
            response_trailers: HeaderMap::new(MapKind::ResponseTrailers),
            bodies: [Buffer::new(), Buffer::new()],
            data: [Vec::new(), Vec::new()],
            data_is_fixed: false,
            clears_route: false,
        }
    }
}

/// What a stream's plugin sees now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) request: bool,
    pub(crate) request_trailers: bool,
    pub(crate) response: bool,
    pub(crate) response_trailers: bool,
    pub(crate) bodies: [bool; 2],
    pub(crate) data: [bool; 2],
    /// The call's part was the last of its direction.
    pub(crate) is_end: bool,
    /// The stream is over and only looked at.
    pub(crate) is_logged: bool,
    /// Trailers that there were not may be added, of the request and of the response.
    pub(crate) adds_trailers: [bool; 2],
}

/// What a plugin has decided of a stream; carried out after the call.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) resumes: [bool; 2],
    pub(crate) reply: Option<Box<LocalReply>>,
    /// The stream, or the connection, is to be closed, for this reason.
    pub(crate) closes: Option<&'static str>,
}

impl Outcome {
    pub(crate) fn is_none(&self) -> bool {
        self.resumes == [false; 2] && self.reply.is_none() && self.closes.is_none()
    }
}

/// What comes to a context from outside its stream.
pub(crate) enum Delivery {
    /// The answer to a call over HTTP; none where it broke off.
    Answer(u32, Option<Box<Answer>>),
    /// A message of gRPC.
    Message(u32, Vec<u8>),
    /// The head of an answer of gRPC.
    InitialMetadata(u32, Box<HeaderMap>),
    /// Its trailers.
    TrailingMetadata(u32, Box<HeaderMap>),
    /// Its end: the status and what was said.
    Close(u32, u32, Vec<u8>),
}

/// An answer to a call over HTTP.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

/// Who waits for a stream to go on.
#[derive(Default)]
pub(crate) struct Waiting {
    /// How many turns of the stream wait; while any does, what comes is delivered in its turn.
    pub(crate) turns: u32,
    pub(crate) wakers: Vec<Waker>,
    pub(crate) inbox: Vec<Delivery>,
    pub(crate) is_woken: bool,
}

impl Waiting {
    pub(crate) fn wake(&mut self) {
        self.is_woken = true;
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// A map in the form in which plugins get it.
pub(crate) fn pairs_of(map: &HeaderMap) -> Pairs {
    let all = map.iter();
    all.map(|header| (header.name.to_vec(), header.value.to_vec()))
        .collect()
}

/// A VM, as what comes to it from outside of a call sees it.
pub(crate) trait Outside {
    /// Takes what came for a plugin: in the turn of the stream that asked for it if that waits, else now.
    fn deliver(&self, root: u32, origin: u32, delivery: Delivery);
    /// When a plugin has its next tick, and by which setting; nothing for none.
    fn next_tick(&self, root: u32) -> Option<(Duration, u32)>;
    /// Whether it still awaits one by this setting; when it does not, the task of this waker is woken.
    fn awaits_tick(&self, root: u32, times: u32, waker: &Waker) -> bool;
    /// A tick of a plugin.
    fn tick(&self, root: u32);
    /// A call of gRPC is over.
    fn forget_call(&self, token: u32);
}
