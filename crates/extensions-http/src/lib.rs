//! HTTP filters, one room each. A room is a folder with the same files everywhere: `mod.rs` says what it is,
//! its limits and its trust; `config.rs` parses its messages once; `filter.rs` is what it does; `tests.rs`.
//! A new room is its folder and one line in [`ROOMS`].
#![forbid(unsafe_code)]

use nuncio_contract::registry::HttpFilterRoom;

pub mod buffer;
pub mod fault;
pub mod header_mutation;
#[cfg(test)]
mod tests;

/// Every room of the family.
pub static ROOMS: &[&HttpFilterRoom] = &[&buffer::ROOM, &fault::ROOM, &header_mutation::ROOM];
