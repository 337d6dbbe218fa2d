//! Listeners: from the config to sockets, and from a socket to the filter chain of each connection.

mod accept;
mod chain;
mod compile;
mod on_worker;
#[cfg(test)]
mod tests;
mod transport_socket;

use std::rc::Rc;

use nuncio_http::worker::Worker;

pub(crate) use accept::{serve, serve_pipe};
pub(crate) use chain::CompiledChain;
pub(crate) use compile::{CompileContext, CompiledListener, ip_and_port};
pub(crate) use on_worker::{ListenerCommand, ListenerId, SocketEnd, WorkerListeners};
pub(crate) use transport_socket::DownstreamSocket;

/// The thread that accepts.
pub(crate) struct OnThread {
    worker: Rc<Worker>,
    /// `worker_<n>` or `main_thread`.
    name: String,
    /// The distance between connection ids of one worker, so that no two workers give the same.
    id_step: u64,
}
