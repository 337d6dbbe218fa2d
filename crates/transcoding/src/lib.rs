//! Between JSON over HTTP and protobuf: descriptors as compilers write them, the bindings of `google.api.http`, and
//! messages from JSON and to JSON. Bytes in, bytes out; no streams, no clock.
//!
//! Limits: messages nest [`MAX_DEPTH`] deep, on both sides; whoever calls bounds the size of what is held. Follows the
//! JSON mapping of proto3 and the comments of `google/api/http.proto`; words of errors are those that Envoy answers with.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod json;
mod number;
pub mod request;
pub mod response;
pub mod template;
#[cfg(test)]
mod tests;
pub mod wire;

/// How deep messages may nest.
pub const MAX_DEPTH: usize = 64;
