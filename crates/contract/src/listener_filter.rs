//! The interface of listener filters, the engine's side and the rooms' side.
//!
//! They look at a connection before it has a filter chain, which is chosen by what they find out. Made in three steps,
//! as other filters are. A filter sees all bytes that have come, from the first one, and says how many of them it
//! takes away; what it leaves is there for whoever comes after it.
//!
//! Follows Envoy's `Network::ListenerFilter`; the difference: a filter that wants bytes is called with all that there
//! are each time, and not with a buffer that it drains.

use std::net::SocketAddr;

use crate::services::WorkerServices;
use crate::stats::Scope;
use crate::stream_info::{ConnectionInfo, FilterState, Metadata};

/// The parsed configuration of a filter: immutable, shared by the workers.
pub trait ListenerFilterConfig: Send + Sync {
    /// Makes the worker's factory; counters are taken from `root`, the scope of all stats.
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory>;
}

/// Makes a filter for each connection of one worker.
pub trait ListenerFilterFactory {
    /// A filter for one connection.
    fn create(&self) -> Box<dyn ListenerFilter>;
    /// How many bytes its filters look at at most; 0: they look at none.
    fn most_bytes(&self) -> usize;
}

/// What listener filters found out beside what is known of every connection.
#[derive(Debug, Default)]
pub struct Inspected {
    /// `tls` or `raw_buffer`; empty: nobody looked, or nobody could tell.
    pub transport_protocol: &'static str,
    /// What the client offered by ALPN, or what it speaks.
    pub application_protocols: Vec<Vec<u8>>,
    /// What filters left for others.
    pub metadata: Metadata,
    /// Objects that filters left for others.
    pub filter_state: FilterState,
}

/// What a filter sees of its connection during a call.
pub struct ListenerContext<'a> {
    /// What is known of the connection.
    pub connection: &'a mut ConnectionInfo,
    /// What was found out before.
    pub inspected: &'a mut Inspected,
    /// Where the connection was going before it was redirected here, if the system knows.
    pub original_destination: &'a dyn Fn() -> Option<SocketAddr>,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerStatus {
    /// The next filter's turn, after so many bytes were taken away.
    Continue(usize),
    /// Call again when more has come.
    More,
    /// The connection is closed.
    Close,
}

/// A filter of one connection.
pub trait ListenerFilter {
    /// The connection is there. [`ListenerStatus::More`]: the filter wants to see bytes.
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus;

    /// All bytes that have come and were not taken away, up to what the factory wants; more than last time.
    fn on_data(&mut self, _context: &mut ListenerContext<'_>, _data: &[u8]) -> ListenerStatus {
        ListenerStatus::Continue(0)
    }
}
