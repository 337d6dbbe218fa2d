//! HTTP/1.0 and HTTP/1.1, both sides (RFC 9112), with the verdicts of Envoy 1.40.
//!
//! Decoding looks at a borrowed slice of what was read and either wants more,
//! gives a head or a part of a body, or refuses with an [`Error`] that knows the
//! status to answer and Envoy's response code details. Encoding appends to a
//! vector, so that a head and a small body leave in one write.
//!
//! | limit | default | when exceeded |
//! | --- | --- | --- |
//! | head or trailers, bytes on the wire | 60 KiB, of hosts 80 KiB | 431, `http1.headers_too_large` |
//! | headers in a head or trailers | 100 | 431, `http1.too_many_headers` |
//! | names in `Connection` of a request | 9 | 400, `http1.connection_header_rejected` |
//! | value of a `TE` that `Connection` names | 255 bytes | the same |
//! | chunk size, content length | 2^64 - 1 | 400, `http1.codec_error` |
//!
//! A chunk extension has no limit of its own: it is consumed as it arrives and
//! never kept.
//!
//! Different from Envoy, all on the strict side:
//! - bytes between the data of a chunk and its line feed are refused, not skipped;
//! - a CR before the name of a trailer is refused, not skipped;
//! - empty lines before a request count towards the limit of its head;
//! - a status outside 100 to 999 is refused, not passed on;
//! - a response is taken for the answer to an upgrade only with status 101.

mod body;
mod case;
mod chunked;
mod connection;
mod encode;
mod error;
mod fields;
mod first_line;
mod framing;
mod head;
mod ignored_upgrades;
mod method;
mod refused;
mod request;
mod response;
mod scan;
mod settings;
mod target;
mod trailers;
mod version;

pub use body::{BodyDecoder, Step};
pub use connection::{has_token, is_upgrade, sanitize_connection, sanitize_te, should_close};
pub use encode::{
    BodyEncoding, RequestEncoding, ResponseTo, encode_chunk_end, encode_chunk_start,
    encode_continue, encode_data, encode_end, encode_informational, encode_request_head,
    encode_response_head, encode_trailers,
};
pub use error::Error;
pub use framing::BodyFraming;
pub use head::{HeadScan, received_header_bytes, sent_header_bytes};
pub use ignored_upgrades::IgnoredUpgrades;
pub use method::Method;
pub use nuncio_contract::reason_phrase::reason_phrase;
pub use refused::{refused_header_bytes, refused_response_header_bytes};
pub use request::{RequestHead, decode_request_head};
pub use response::{RequestSent, ResponseHead, decode_response_head};
pub use settings::{HeaderCase, Http1Settings, UnderscoresAction};
pub use version::Version;
