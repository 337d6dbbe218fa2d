//! The interface of network filters, the engine's side and the rooms' side.
//!
//! Made in three steps, as HTTP filters are: a room parses the message into a [`NetworkFilterConfig`] (once at load,
//! shared by all workers), which makes a [`NetworkFilterFactory`] for each worker, which makes a [`NetworkFilter`]
//! for each connection. A filter is dropped when its connection is over.
//!
//! Calls are synchronous and say what comes next. The filters of a chain see a new connection one after another, before
//! its TLS handshake, and what comes from the client before whoever stands behind them does. Those that ask for it
//! ([`sees_answers`]) see what a host answers before the client gets it, where the TCP proxy stands behind them. There
//! filters may have other bytes go on than those that came ([`NetworkStatus::Shape`]). What a filter writes as a client's bytes come goes to the
//! client. The last filter of a chain may be one of these ([`is_terminal`]), or the engine's: the connection manager, the
//! TCP proxy.
//!
//! Follows Envoy's `Network::ReadFilter` and `Network::WriteFilter`; the difference: a wait is a future instead of a
//! call from outside.
//!
//! [`is_terminal`]: NetworkFilterConfig::is_terminal
//! [`sees_answers`]: NetworkFilterConfig::sees_answers

use std::borrow::Cow;
use std::task::{Context, Poll};

use crate::services::{LocalFuture, WorkerServices};
use crate::stats::Scope;
use crate::stream_info::StreamInfo;

/// The parsed configuration of a filter in a chain: immutable, shared by the workers.
pub trait NetworkFilterConfig: Send + Sync {
    /// Makes the worker's factory; counters are taken from `root`, the scope of all stats.
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory>;

    /// Whether it leaves objects for those behind it, which a connection manager does not look for.
    fn leaves_filter_state(&self) -> bool {
        false
    }

    /// Whether it ends a chain.
    fn is_terminal(&self) -> bool {
        false
    }

    /// Whether its filters want to see what hosts answer.
    fn sees_answers(&self) -> bool {
        false
    }
}

/// Makes a filter for each connection of one worker.
pub trait NetworkFilterFactory {
    /// Whether its filters want to see what comes from the client.
    fn wants_data(&self) -> bool;
    /// The same of what hosts answer.
    fn sees_answers(&self) -> bool {
        false
    }
    /// A filter for one connection.
    fn create(&self) -> Box<dyn NetworkFilter>;
}

/// What a filter sees of its connection during a call.
pub struct NetworkContext<'a> {
    /// What is known of the connection.
    pub stream_info: &'a mut StreamInfo,
    /// What is to be written to the client, behind what was written before.
    pub out: &'a mut Vec<u8>,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

/// What a filter sees of its connection while it only looks on.
pub struct LookingOn<'a> {
    /// What is known of the connection.
    pub stream_info: &'a mut StreamInfo,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

impl NetworkContext<'_> {
    /// The same without a way to write.
    pub fn looking_on(&mut self) -> LookingOn<'_> {
        LookingOn {
            stream_info: self.stream_info,
            services: self.services,
        }
    }
}

/// What comes next.
pub enum NetworkStatus {
    /// The next filter's turn.
    Continue,
    /// Nothing for those behind; more may come from the client.
    Stop,
    /// The connection waits here until the future is done.
    Wait(LocalFuture<NetworkResume>),
    /// What came is held until the future says what goes on in its place; only before the TCP proxy, which the filter
    /// makes sure of by asking to see answers.
    Shape(LocalFuture<Shaped>),
    /// The connection is closed.
    Close(NetworkClose),
}

/// What goes on of bytes that were held, in either direction.
pub struct Shaped {
    /// In their place; none if they go on as they came.
    pub instead: Option<Vec<u8>>,
    /// Whether no more will come.
    pub end_stream: bool,
    /// Whether the filter keeps more of it; it is asked for that, without new bytes, before any more is read.
    pub is_part: bool,
    /// To be noted before they go on.
    pub conclusion: Option<Conclusion>,
}

impl Shaped {
    /// These bytes, and more follows.
    pub fn part(bytes: Vec<u8>) -> Self {
        Shaped {
            instead: Some(bytes),
            end_stream: false,
            is_part: true,
            conclusion: None,
        }
    }
}

/// The outcome of a wait.
pub enum NetworkResume {
    /// Go on behind the filter that waited.
    Continue,
    /// The connection is closed.
    Close(NetworkClose),
    /// Note this of the connection, which says what comes next.
    Then(Conclusion),
}

/// What a wait has to note of its connection; a reason to close it may come of that.
pub type Conclusion = Box<dyn FnOnce(&mut StreamInfo, &dyn WorkerServices) -> Option<NetworkClose>>;

/// How a filter has a connection closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkClose {
    /// What it says of it in the log, such as `rbac_deny_close`; may be empty.
    pub reason: Cow<'static, str>,
    /// Whether the client gets what is written before, and time to read it.
    pub flushes: bool,
    /// Whether the client sees a reset.
    pub resets: bool,
}

/// Why connections close that are left when their listener goes, in Envoy's words.
pub const LISTENER_GONE: &str = "purging_socket_that_have_not_progressed_to_connections";

impl NetworkClose {
    /// At once, for this reason.
    pub const fn now(reason: &'static str) -> Self {
        NetworkClose {
            reason: Cow::Borrowed(reason),
            flushes: false,
            resets: false,
        }
    }

    /// After all that was written, for this reason.
    pub const fn after_flush(reason: &'static str) -> Self {
        NetworkClose {
            reason: Cow::Borrowed(reason),
            flushes: true,
            resets: false,
        }
    }

    /// At once, by a reset, for this reason.
    pub const fn by_reset(reason: &'static str) -> Self {
        NetworkClose {
            reason: Cow::Borrowed(reason),
            flushes: false,
            resets: true,
        }
    }
}

/// A filter of one connection.
pub trait NetworkFilter {
    /// The connection is there; its filters see it in the order of the chain.
    fn on_new_connection(&mut self, _context: &mut NetworkContext<'_>) -> NetworkStatus {
        NetworkStatus::Continue
    }

    /// The client's TLS handshake is over; without TLS there is none, and this comes right behind the begin.
    fn on_handshake(&mut self, _context: &mut NetworkContext<'_>) {}

    /// Bytes have come, and no more will if `end_stream`.
    fn on_data(
        &mut self,
        _context: &mut NetworkContext<'_>,
        _data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        NetworkStatus::Continue
    }

    /// A host has answered this, which the client gets next, and no more will if `end_stream`.
    fn on_answer(&mut self, _context: &mut LookingOn<'_>, _data: &[u8], _end_stream: bool) {}

    /// The same for a filter that may have other bytes go on; none if these do at once.
    fn shape_answer(
        &mut self,
        context: &mut LookingOn<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Option<LocalFuture<Shaped>> {
        self.on_answer(context, data, end_stream);
        None
    }

    /// Ready once the filter has something to go on in a direction, or closes, though nothing new has come; it is then
    /// asked without new bytes. Of filters that see answers alone, while that direction waits for bytes.
    fn poll_unasked(&mut self, _of_answers: bool, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    /// The connection is over: closed by the client, or by this side.
    fn on_end(&mut self, _by_client: bool) {}
}
