//! Sockets of datagrams: those of listeners, bound on the main thread, and what is read from and written to them.
//!
//! A read takes one datagram, or with GRO as many of one size as the kernel has joined, together with the address that
//! they were sent to; several of one size go out by one call where the kernel has GSO, else one by one. Longer
//! datagrams than the buffer takes are told as cut short, never handed out in part.
//!
//! Follows Envoy in its options: `IP_PKTINFO`, so that answers leave from the address that was asked, and
//! `SO_RXQ_OVFL`, which tells what the kernel had no room for.

mod bind;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod towards;

pub use bind::{bind, open, prepare, prepare_for_quic};
pub use receive::{MAX_DATAGRAM_BYTES, ReceiveBuffer, Received};
pub use send::{send, send_from, send_marked};
pub use towards::open_towards;
