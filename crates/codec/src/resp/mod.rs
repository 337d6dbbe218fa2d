//! RESP, the protocol of Redis: values in bytes, both ways. Bytes in, values out; no clock, no sockets.
//!
//! Version 2 is read and written; values of version 3 are read too, and as in Envoy written as version 2 has them: truth
//! values as numbers, maps and sets as arrays, errors of several lines in one, other texts and numbers as bytes. A client
//! may send a command as a line of words ([`inline`]), as telnet does. Limits are those of [`Limits`]; a line has 1 MiB at
//! most, where Envoy knows no limit. As in Envoy arrays stand 127 deep in each other at most and have 4 Mi values
//! together, a number with a fraction has 64 bytes and one of any length 16 KiB. Nothing is allocated for what a length announces before it has come. Follows Envoy where it
//! differs from Redis: a null array is a null.

mod decode;
mod encode;
mod inline;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Limits, ProtocolError};
pub use encode::{encode, encode_command};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A short text, such as `OK`.
    Simple(Vec<u8>),
    /// What went wrong.
    Error(Vec<u8>),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Values in their order.
    Array(Vec<Value>),
    /// What only version 3 has, as clients of version 2 get it.
    Other(Box<Value>),
    /// What a host says unasked in version 3.
    Push,
}

impl Value {
    /// An error of our own.
    pub fn error(text: impl AsRef<[u8]>) -> Self {
        Value::Error(text.as_ref().to_vec())
    }

    /// A short text of our own.
    pub fn simple(text: &str) -> Self {
        Value::Simple(text.as_bytes().to_vec())
    }

    /// Bytes of our own.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Value::Bulk(bytes.as_ref().to_vec())
    }
}
