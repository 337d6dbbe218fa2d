//! HTTP/2, both sides (RFC 9113), with the verdicts of Envoy 1.40.
//!
//! [`Connection::step`] looks at a borrowed slice of what was read and gives one [`Event`] at a time; answers that the
//! protocol demands, and all that is sent, are appended to a vector, so that what many streams have to say leaves in
//! one write. There are no sockets and no clock here; [`Keepalive`] is told the time.
//!
//! | limit | default | when exceeded |
//! | --- | --- | --- |
//! | names and values of a head or of trailers | 60 KiB | stream reset, `http2.header_list_size_too_large` |
//! | headers of a head or of trailers, crumbs one by one | 100 | stream reset, `http2.header_overflow` |
//! | one name, one value, as they are coded | 64 KiB | GOAWAY, COMPRESSION_ERROR |
//! | frames of a header block; its bytes | 1024; 16 x the limit on headers | GOAWAY, ENHANCE_YOUR_CALM |
//! | parameters of SETTINGS | 32 | GOAWAY, ENHANCE_YOUR_CALM |
//! | payload of a frame | 16 KiB | GOAWAY, FRAME_SIZE_ERROR |
//! | streams at once | 1024 | stream reset, REFUSED_STREAM |
//! | window of a stream, of the connection | 16 MiB, 24 MiB | stream reset, GOAWAY: FLOW_CONTROL_ERROR |
//! | PRIORITY, WINDOW_UPDATE, frames without payload | by Envoy's formulas | cut off |
//! | METADATA on a stream, where it is allowed | 1 MiB | cut off |
//! | frames, control frames that wait to be written | 10,000, 1000 | cut off |
//!
//! What we hold of a peer's: a block that is not complete (its limits hold while it is decoded), tables of HPACK, 64
//! bytes or so for each open stream, and the numbers of the last 32 that ended. Bodies are never held.
//!
//! Different from Envoy, which takes no notice of these:
//! - DATA and HEADERS on a stream that has ended, other than by our reset: reset, or GOAWAY with STREAM_CLOSED;
//! - HEADERS with a number below one before, that was never used: GOAWAY;
//! - PRIORITY with number 0 or that makes a stream depend on itself: GOAWAY, or reset of an open stream.
//!
//! And otherwise:
//! - a request beyond the limit of streams is refused alone also when SETTINGS were acknowledged, where Envoy ends the
//!   connection;
//! - white space around values is cut off, where Envoy passes it on;
//! - METADATA is limited more, where it is allowed (`connection/metadata.rs`);
//! - never indexed are `set-cookie` and `proxy-authorization` as well as `authorization` and short cookies.

mod connection;
mod counts;
mod error;
mod event;
mod frame;
mod hpack;
mod inbound;
mod keepalive;
mod outbound;
mod settings;
mod stream_id;
mod streams;
mod upgrade;

pub use crate::header_block::{BlockSize, HeadKind, Violation};
pub use connection::{Connection, Metadata, Role};
pub use counts::Http2Counts;
pub use error::{ConnectionError, ErrorCode, StreamError};
pub use event::{Event, Step};
pub use keepalive::{Keepalive, KeepaliveAction};
pub use settings::{Http2Settings, KeepaliveSettings};
pub use stream_id::StreamId;
pub use upgrade::{
    is_extended_connect, upgrade_request_from_http2, upgrade_request_to_http2,
    upgrade_response_from_http2, upgrade_response_to_http2,
};
