//! Listeners: from the config to sockets, and from a socket to the filter chain of each connection.

mod accept;
mod compile;

pub(crate) use accept::serve;
pub(crate) use compile::{CompileContext, CompiledListener, socket_address};
