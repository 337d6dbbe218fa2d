//! HTTP/3, both sides (RFC 9114, 9204, 9220), with the verdicts of Envoy 1.40.
//!
//! QUIC's streams are the caller's. Each request has a [`MessageReader`], to which its stream's bytes are shown as they
//! come; it needs nothing of the connection, as there are no dynamic tables. [`Connection`] has what belongs to all:
//! the streams that go one way, SETTINGS and GOAWAY. What is sent is appended by `write_*`; a message ends with
//! the stream, so these know nothing of ends.

mod connection;
mod error;
mod event;
mod message_reader;
mod settings;
mod stream_id;
mod write;

pub use connection::{Connection, OwnStream};
pub use error::{ConnectionError, ErrorCode, Http3Error, StreamError};
pub use event::{Event, Step, UniEvent, UniStep};
pub use message_reader::MessageReader;
pub use settings::Http3Settings;
pub use stream_id::StreamId;
pub use write::{write_data_head, write_head, write_trailers};

pub use crate::http2::{BlockSize, HeadKind, Violation};
