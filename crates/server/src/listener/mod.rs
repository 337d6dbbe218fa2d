//! Listeners: from the config to sockets, and from a socket to the filter chain of each connection.

mod accept;
mod compile;

pub use accept::serve;
pub use compile::{CompileContext, CompiledListener, socket_address};
