//! `envoy.filters.network.mongo_proxy`: reads what MongoDB clients and servers say to each other in the protocol before
//! `OP_MSG`, counts it by kind, command, collection and caller, tells of it in metadata, and may hold it back for a
//! while. The bytes pass as they are.
//!
//! `framing.rs` finds whole messages, `message.rs` and `bson.rs` read them, `query.rs` says what a query asks for,
//! `stats.rs` counts, `filter.rs` joins them. The first message that cannot be read, `OP_MSG` and what else Envoy does
//! not know among them, is an error and ends the reading of its connection.
//!
//! Limits beyond Envoy's: a message of more than 16 MiB (MongoDB's longest document) and 16 KiB is not read, nor what
//! follows it; nor are more than 1,000 messages in what is read at once, or a query of more than 1,000 fields that
//! matter, which are errors. A connection remembers 1,000 queries that are not answered; metadata tells of 100
//! collections; 1,000 commands, collections and callers of a worker have counters. Names of more than 255 bytes have
//! none and are not told of, and comments of more than 4 KiB name no caller. Defaults are Envoy's: `max_bson_depth` is 100, `commands` are `delete`, `insert` and `update`. Runtime: `mongo.proxy_enabled`,
//! `mongo.fault.fixed_delay.percent`, `mongo.fault.fixed_delay.duration_ms`. Trust: both sides are untrusted. Envoy's
//! documentation: network filters, Mongo proxy.
//!
//! Different from Envoy: `_` stands in names of stats for control characters, odd spaces, `|`, `#` and `@`; what comes
//! while something is held back is read only then, and may be held back in its turn; connections are not closed between
//! two queries while the server drains. Refused as not supported yet: `access_log`.

mod bson;
mod config;
mod filter;
mod framing;
mod message;
mod query;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// Reads bytes as one message, for the fuzz target.
pub fn fuzz_read(bytes: &[u8]) {
    if let Ok((_, left)) = message::read(bytes, config::DEFAULT_MAX_DEPTH as usize) {
        assert!(left <= bytes.len());
    }
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.mongo_proxy",
    message: "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy",
    parse: config::parse,
    support: |table| config::MongoProxy::support(table),
};
