//! A request and its response while they are exchanged: both directions, each from one side through the filters
//! to the other, and what both have in common. The life of the request drives it, the router ends it.

mod account;
mod deadlines;
mod flush;
mod request;
mod response;
mod tunnel;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::local_reply::{Basis, LocalReply};
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_net::deadline::Deadlines;

pub(crate) use account::{Account, Budget, HostWishes, RetryCount};
pub use deadlines::{
    CONNECTION, DEADLINES, DRAINED, LOG, OVERLOADED, REQUEST, REQUEST_HEADERS, ROUTE,
    STREAM_DURATION, STREAM_IDLE,
};
pub use response::status_of;
pub(crate) use tunnel::{Tunnel, TunnelKind};

use crate::connection_manager::ConnectionManager;
use crate::downstream::{Downstream, DownstreamError};
use crate::filter_chain::Way;
use crate::filter_engine::Run;
use crate::stream::StreamState;

/// Work of filters on a body that is worth a turn of the others.
const GIVE_WAY_BYTES: usize = 16 * 1024;

/// A stream under way.
pub struct Exchange<'a, D> {
    /// The connection manager.
    pub manager: &'a ConnectionManager,
    /// The client's side.
    pub down: &'a D,
    /// The shared state; never borrowed over an await.
    pub state: RefCell<Box<StreamState>>,
    /// The connection's deadlines.
    pub deadlines: &'a Deadlines<DEADLINES>,
    /// What has been read of the request's body and passed the filters.
    pub(crate) body: RefCell<RequestBody>,
    pub(crate) response_begun: Cell<bool>,
    /// Whom the outcome is counted for, once the request has a cluster.
    pub(crate) account: RefCell<Option<Account>>,
    /// What the stream may become instead of a response.
    pub(crate) tunnel: Cell<Option<Tunnel>>,
    idle_timeout: Cell<Option<Duration>>,
    /// Whether the response is whole and waits for the client.
    pub(crate) is_flushing: Cell<bool>,
    /// Whether the response's head has been given to the filters.
    pub(crate) encoding_begun: Cell<bool>,
    /// Whether the request was answered before the end of its body counted, which may have come already.
    pub(crate) is_request_cut: Cell<bool>,
    /// What is noted when the stream is over.
    pub(crate) late_flags: Cell<ResponseFlags>,
    /// Details that come as late, in the place of the answer's.
    pub(crate) late_details: Cell<Option<Box<Cow<'static, str>>>>,
    /// Whether an answer of our own was there before anybody waited for anything.
    pub(crate) is_answered_at_once: Cell<bool>,
    /// What the host has sent and nobody has read, noted only where streams may be reset for what they hold.
    pub(crate) unread_bytes: Cell<usize>,
}

/// What has been read of the request's body and passed the filters.
#[derive(Default)]
pub struct RequestBody {
    /// Bytes that wait to be sent.
    pub data: Buffer,
    /// Whether nothing follows them but `trailers`.
    pub done: bool,
    /// Whether the head was all, so that there is not even an empty body.
    pub is_absent: bool,
    /// The trailers.
    pub trailers: Option<Box<HeaderMap>>,
}

/// Why the flow stopped short of a complete response.
pub enum Stop {
    /// An answer of our own is due.
    Reply(Box<LocalReply>),
    /// The route's own answer is due, with the route's header mutations.
    RouteReply(Box<LocalReply>),
    /// The client's side failed.
    Downstream(DownstreamError),
    /// The response broke off after it had begun.
    ResponseBroken,
    /// The request is to begin anew as another stream, with this for its body; nothing was answered yet.
    Anew(Buffer),
    /// It took too long after it had begun.
    ResponseOverdue,
    /// The client did not take a whole response in time.
    Unread,
    /// It holds too much while memory is short, or came behind too many others; which is noted.
    Overloaded,
}

impl From<Box<LocalReply>> for Stop {
    fn from(reply: Box<LocalReply>) -> Self {
        match reply.basis {
            Basis::Anew => Stop::Anew(Buffer::new()),
            _ => Stop::Reply(reply),
        }
    }
}

impl From<DownstreamError> for Stop {
    fn from(error: DownstreamError) -> Self {
        Stop::Downstream(error)
    }
}

impl<'a, D: Downstream> Exchange<'a, D> {
    /// A stream whose head has been decoded into `state`.
    pub fn new(
        manager: &'a ConnectionManager,
        down: &'a D,
        state: Box<StreamState>,
        deadlines: &'a Deadlines<DEADLINES>,
    ) -> Self {
        Exchange {
            manager,
            down,
            state: RefCell::new(state),
            deadlines,
            body: RefCell::default(),
            response_begun: Cell::new(false),
            account: RefCell::default(),
            tunnel: Cell::default(),
            idle_timeout: Cell::new(manager.config.timeouts.stream_idle),
            is_flushing: Cell::new(false),
            encoding_begun: Cell::new(false),
            is_request_cut: Cell::new(false),
            late_flags: Cell::default(),
            late_details: Cell::default(),
            is_answered_at_once: Cell::new(false),
            unread_bytes: Cell::new(0),
        }
    }

    /// Gives the state up for another stream.
    pub fn into_state(self) -> Box<StreamState> {
        self.state.into_inner()
    }

    /// The route's idle timeout takes the place of the connection manager's; zero means none.
    pub(crate) fn override_idle_timeout(&self, idle: Duration) {
        self.idle_timeout.set((!idle.is_zero()).then_some(idle));
        if idle.is_zero() {
            self.deadlines.clear(STREAM_IDLE);
        }
        self.touch_idle();
    }

    /// The connection manager's idle timeout counts again, for a stream that begins anew.
    pub(crate) fn renew_idle_timeout(&self) {
        self.idle_timeout
            .set(self.manager.config.timeouts.stream_idle);
    }

    /// Puts the stream's idle deadline off.
    pub(crate) fn touch_idle(&self) {
        if let Some(idle) = self.idle_timeout.get() {
            self.deadlines
                .set(STREAM_IDLE, self.manager.worker.now() + idle);
        }
    }

    /// When the stream will have been idle for too long, as timeouts are now.
    pub(crate) fn scaled_idle_end(&self, timer: ScaledTimer) -> Option<Instant> {
        let end = self.deadlines.get(STREAM_IDLE)?;
        let idle = self.idle_timeout.get()?;
        Some(end - (idle - self.manager.scaled(timer, idle)))
    }

    /// Whether the stream is reset because it holds too much while memory is short; that is noted then.
    pub(crate) fn is_too_large_now(&self) -> bool {
        let (Some(overload), Some(held)) = (&self.manager.overload, self.down.weighed()) else {
            return false;
        };
        let by_filters = |way| self.state.borrow().filters.progress(way).held.len();
        let held = held
            + self.unread_bytes.get()
            + self.body.borrow().data.len()
            + by_filters(Way::Decode)
            + by_filters(Way::Encode);
        let is_reset = overload.resets(u64::try_from(held).unwrap_or(u64::MAX));
        if is_reset {
            let info = &mut self.state.borrow_mut().info;
            info.response_flags |= ResponseFlags::OVERLOAD_MANAGER;
            info.response_code_details = Some("overload".into());
        }
        is_reset
    }

    /// Whether the request has come to its end, as far as whoever counts cares.
    pub(crate) fn is_request_complete(&self) -> bool {
        self.down.request_done() && !self.is_request_cut.get()
    }

    /// Whether any filter takes part in the stream.
    pub(crate) fn has_filters(&self) -> bool {
        !self.state.borrow().filters.is_empty()
    }

    /// Lets the others have their turn where filters have worked on so much of a body. Between two peers that are
    /// quicker than the filters there is always more to do at once, and what a task may read in one turn, megabytes,
    /// can take a filter seconds.
    async fn give_way(&self, way: Way, work_bytes: usize) {
        let is_work = work_bytes >= GIVE_WAY_BYTES && self.state.borrow().filters.wants_body(way);
        if is_work {
            tokio::task::yield_now().await;
        }
    }

    /// One direction of the filters.
    pub(crate) fn run_filters(&self, way: Way) -> Run<'_> {
        Run {
            state: &self.state,
            worker: &self.manager.worker,
            routes: Some(&self.manager.routes),
            way,
            beneath: None,
        }
    }
}
