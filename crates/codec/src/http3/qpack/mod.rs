//! QPACK, the compression of headers (RFC 9204), without dynamic tables: we allow none, and need none of the peer's. A
//! block of headers so depends on nothing but itself, and no stream waits for another.
//!
//! Limits: integers of up to 32 bits in at most 6 bytes; a name and a value no longer than all headers may be.

mod decoder;
mod encoder;
mod static_table;
#[cfg(test)]
mod tests;

pub(super) use decoder::{DecodeError, Decoder};
pub(super) use encoder::encode;

/// What every block of ours begins with: it needs no entry of a dynamic table, and counts from none.
pub(super) const PREFIX: [u8; 2] = [0, 0];
