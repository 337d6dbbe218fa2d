//! Thrift: messages in bytes, both ways, in the transports and protocols that Envoy knows. Bytes in, messages out; no
//! clock, no sockets.
//!
//! A message is read in two steps ([`Decoder`]): its head as soon as it is there, then its payload. What a payload holds
//! is read value by value ([`walk`]) and kept as the binary protocol writes it, whatever it came in, so that it can be
//! written in any ([`encode`]); or it is taken unread, where the frame says how long it is.
//!
//! Limits, where Envoy has none but that of frames (16,384,000 bytes): a message has no more than a frame may, values
//! stand 1,024 deep in each other at most. Nothing is allocated for what a length announces before it has come.
//! Different from Envoy: names of negative length are an error; nothing is done about the upgrade that clients of
//! Twitter's protocol ask for, which is a message like others here.

mod auto;
mod decoder;
mod encode;
mod exception;
mod find;
mod head;
mod header;
mod input;
#[cfg(test)]
mod tests;
mod values;
pub mod walk;

pub use decoder::{Decoder, DecoderSettings};
pub use encode::{ReplyKind, encode, payload_as, reply_kind, values_of};
pub use exception::{AppException, ExceptionKind};
pub use find::find_fields;
pub use head::{Head, MessageKind};

/// The most bytes that a frame, and here a message, may have.
pub const MAX_FRAME_BYTES: usize = 0xfa_0000;

/// How messages are told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Each has its length before it.
    Framed,
    /// They are told by their content.
    Unframed,
    /// Each has its length, and headers, before it.
    Header,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Big-endian numbers.
    Binary,
    /// The same, with heads of the old form.
    LaxBinary,
    /// Numbers of varying length.
    Compact,
}

impl Transport {
    /// As Envoy calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Framed => "framed",
            Transport::Unframed => "unframed",
            Transport::Header => "header",
        }
    }
}

impl Protocol {
    /// As Envoy calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Binary => "binary",
            Protocol::LaxBinary => "binary/non-strict",
            Protocol::Compact => "compact",
        }
    }
}

/// Why bytes are no message, in Envoy's words; what a peer may be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub text: String,
    /// What kind of an exception it is.
    pub kind: ExceptionKind,
}

impl DecodeError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        DecodeError {
            text: text.into(),
            kind: ExceptionKind::ProtocolError,
        }
    }
}

/// What comes of reading: none if more bytes are needed.
pub(crate) type Read<T> = Result<Option<T>, DecodeError>;
