//! Connections of clients that carry many streams at a time: what HTTP/2 and HTTP/3 have in common.
//!
//! [`Course`] is how far a connection has come: its timeouts, its drain, the requests that it has had, and the streams
//! that ended before their time. [`Link`] is what binds a stream's task and the driver, whatever comes over it. [`end_life`]
//! is what follows a stream's life. What is said on the wire, and when a connection closes, is each protocol's
//! own affair.
//!
//! Defaults: those of the connection manager's timeouts; a connection keeps the deadlines of 32 streams for the streams
//! to come.

mod course;
mod life;
mod link;

pub(crate) use course::{
    CLOSING, Come, Course, HEAD, IDLE, KEEPALIVE, LIFE, Phase, StreamDeadlines,
};
pub(crate) use life::{Side, end_life};
pub(crate) use link::Link;
