//! Listeners: from the config to sockets, and from a socket to the filter chain of each connection.

mod accept;
mod balance;
mod chain;
mod chain_matcher;
mod compile;
mod datagrams;
mod directory;
mod discovered;
mod door;
mod former;
mod gate;
mod inspect;
mod internal;
mod limits;
mod listener_id;
mod log;
mod on_worker;
mod place;
mod quic;
mod selection;
#[cfg(test)]
mod tests;
mod transport_socket;

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_http::route::RouteTable;
use nuncio_http::worker::Worker;

pub(crate) use accept::serve;
pub(crate) use chain::CompiledChain;
pub(crate) use compile::{CompileContext, CompiledListener, ip_and_port};
pub(crate) use discovered::{DiscoveredListenerFilter, DiscoveredNetworkFilter};
pub(crate) use former::{ChainIdentities, InPlace};
pub(crate) use inspect::Inspection;
pub(crate) use internal::buffer_bytes;
pub(crate) use limits::ConnectionLimits;
pub(crate) use listener_id::ListenerId;
pub(crate) use on_worker::{ListenerCommand, SocketEnd, WorkerListeners};
pub(crate) use place::pipe;
pub(crate) use selection::Selection;
pub(crate) use transport_socket::DownstreamSocket;

/// The route table of each filter chain; an empty one for those without a connection manager.
pub(crate) type Routes = Arc<[Arc<RouteTable>]>;

/// The route tables of some chains of a listener, with the places of those.
pub(crate) type ChainRoutes = Arc<[(usize, Arc<RouteTable>)]>;

/// Adds the messages that stand behind an `Any` in listeners, or concern all of them.
pub(crate) fn support(table: &mut SupportTable) {
    transport_socket::StartTls::support(table);
    transport_socket::TcpStats::support(table);
    transport_socket::Tap::support(table);
    transport_socket::QuicDownstreamTransport::support(table);
    chain_matcher::support(table);
    internal::InternalListener::support(table);
}

/// The thread that accepts.
pub(crate) struct OnThread {
    worker: Rc<Worker>,
    /// `worker_<n>` or `main_thread`.
    name: String,
    /// Its listeners, for those that hand connections over.
    directory: Rc<directory::Directory>,
}
