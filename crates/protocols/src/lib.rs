//! Filters that read other protocols than HTTP while their bytes pass, one room each: `mod.rs` says what it is, its
//! limits and its trust, `config.rs` parses its message, the rest reads and counts. A new room is its folder and one
//! line in [`ROOMS`].
#![forbid(unsafe_code)]

use nuncio_contract::registry::NetworkFilterRoom;

pub mod mongo_proxy;
pub mod zookeeper_proxy;

/// Every room.
pub static ROOMS: &[&NetworkFilterRoom] = &[&mongo_proxy::ROOM, &zookeeper_proxy::ROOM];
