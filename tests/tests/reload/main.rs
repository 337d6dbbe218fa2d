//! Reloads of the real binary over real sockets: what changes, what does not, and that nobody notices.
#![forbid(unsafe_code)]

mod certificates;
mod changes;
mod load;
mod refusals;
mod server;
