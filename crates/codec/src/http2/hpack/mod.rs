//! HPACK, the compression of headers (RFC 7541), of our own.
//!
//! What is decoded is known to be valid or not, for the dynamic table keeps the verdict with the entry: a header that
//! is sent again as one byte costs neither a check of its characters nor a search for its name.
//!
//! Limits: integers of up to 32 bits in at most 6 bytes; a name and a value as configured; tables as configured and
//! as the peer allows, whichever is smaller; nothing is allocated before something is put into a table.

mod cache;
mod decoder;
mod encoder;
mod policy;
mod static_table;
mod table;
#[cfg(test)]
mod tests;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
