//! Protocol codecs without sockets and without a clock: bytes in, events and bytes out.
#![forbid(unsafe_code)]

pub mod capsule;
pub mod http1;
pub mod http2;
pub mod resp;
