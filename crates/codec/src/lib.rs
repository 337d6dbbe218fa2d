//! Protocol codecs without sockets and without a clock: bytes in, events and bytes out.
#![forbid(unsafe_code)]

pub mod capsule;
mod header_block;
pub mod http1;
pub mod http2;
pub mod http3;
pub mod resp;
pub mod thrift;
