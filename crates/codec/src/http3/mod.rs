//! HTTP/3, both sides (RFC 9114, 9204, 9220), with the verdicts of Envoy 1.40.
//!
//! QUIC's streams are the caller's. Each request has a [`MessageReader`], to which its stream's bytes are shown as they
//! come; it needs nothing of the connection, as there are no dynamic tables. [`Connection`] has what belongs to all:
//! the streams that go one way, SETTINGS and GOAWAY. What is sent is appended by `write_*`; a message ends with
//! the stream, so these know nothing of ends.
//!
//! | limit | default | when exceeded |
//! | --- | --- | --- |
//! | names and values of a head or of trailers | 60 KiB | stream reset, `http3.headers_too_large` |
//! | headers of a head or of trailers, crumbs one by one | 100 | stream reset, `http3.too_many_headers` |
//! | one name, one value, as they are coded | as all of them | stream reset, `http3.headers_too_large` |
//! | a frame of the control stream that is looked at; settings | 4 KiB; 64 | connection, EXCESSIVE_LOAD |
//! | streams whose type has not come | 16 | connection, EXCESSIVE_LOAD |
//!
//! What we hold of a peer's: of each request a block of headers that is not complete, of which at most one header waits
//! as bytes. Bodies and what means nothing to us (frames and streams of other types, priorities) are never held.
//!
//! Different from Envoy:
//! - we allow no dynamic table, Envoy one of 64 KiB: what a peer inserts, and a block that needs entries, ends the
//!   connection;
//! - a stream that ends within a frame ends the connection (RFC 9114 section 7.1); Envoy takes a body that was cut off for
//!   whole, or waits;
//! - an empty `:authority`, a `:scheme` that is none and an empty `:method` are malformed, and so are a `content-length`
//!   in trailers beside one in the head or beside another body;
//! - a `host` that says the same as `:authority` is dropped, where Envoy's authority becomes both with a comma between;
//! - trailers with pseudo-headers or bad names end the connection as other malformed messages do, not with a code of QUIC;
//! - white space around values is cut off, where Envoy passes it on.

mod connection;
mod error;
mod event;
mod frame;
mod message_reader;
mod problem;
mod qpack;
mod settings;
mod stream_id;
mod varint;
mod write;

pub use crate::header_block::{BlockSize, HeadKind, Violation};
pub use crate::http2::Role;
pub use connection::{Connection, OwnStream};
pub use error::{ConnectionError, ErrorCode, Http3Error, StreamError};
pub use event::{Event, Step, UniEvent, UniStep};
pub use message_reader::MessageReader;
pub use problem::Problem;
pub use settings::Http3Settings;
pub use stream_id::StreamId;
pub use write::{write_data_head, write_head, write_trailers};
