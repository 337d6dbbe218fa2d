//! HTTP/2, both sides (RFC 9113), with the verdicts of Envoy 1.40.
//!
//! [`Connection::step`] looks at a borrowed slice of what was read and gives one [`Event`] at a time; answers that the
//! protocol demands, and all that is sent, are appended to a vector, so that what many streams have to say leaves in
//! one write. There are no sockets and no clock here.

mod characters;
mod connection;
mod counts;
mod error;
mod event;
mod frame;
mod hpack;
mod inbound;
mod keepalive;
mod message;
mod outbound;
mod settings;
mod stream_id;
mod streams;

pub use connection::{Connection, Role};
pub use counts::Http2Counts;
pub use error::{ConnectionError, ErrorCode, StreamError};
pub use event::{BlockSize, Event, HeadKind, Step};
pub use keepalive::{Keepalive, KeepaliveAction};
pub use settings::{Http2Settings, KeepaliveSettings};
pub use stream_id::StreamId;
