//! `envoy.filters.network.zookeeper_proxy`: reads what ZooKeeper clients and servers say to each other, counts it by
//! kind, and leaves in metadata what the last bytes were about. The bytes pass as they are.
//!
//! `framing.rs` finds whole packets, `requests.rs` and `answers.rs` read them (`reader.rs`), `opcode.rs` and `stats.rs`
//! are the kinds and their counters, `filter.rs` joins them. What cannot be read is an error and is counted; what
//! follows in the same read is thrown away for the decoder. As in Envoy, packets are read one behind the other whatever
//! their lengths say, so that one that is shorter or longer than what it says is an error of the next, and metadata of
//! several packets of one read is that of the first.
//!
//! Limits: a packet has `max_packet_bytes` (1 MiB by default), of which a connection keeps a part of one each way;
//! beyond Envoy's, a connection remembers 10,000 requests that are not answered, and counts no latencies for more.
//! Trust: both sides are untrusted. Envoy's documentation: network filters, ZooKeeper proxy.
//!
//! Refused as not supported yet: `access_log`, with which Envoy does nothing.

mod answers;
mod config;
mod filter;
mod framing;
mod opcode;
mod outstanding;
mod reader;
mod requests;
mod stats;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// Reads bytes as requests one after another, for the fuzz target.
pub fn fuzz_read(bytes: &[u8]) {
    const MAX_BYTES: usize = 1 << 20;
    let mut reader = reader::Reader::new(bytes, MAX_BYTES);
    while reader.offset() < bytes.len() {
        let before = reader.offset();
        if requests::read(&mut reader, MAX_BYTES, &mut |_| {}).is_err() {
            return;
        }
        assert!(reader.offset() > before);
    }
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.zookeeper_proxy",
    message: "envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy",
    parse: config::parse,
    support: |table| config::ZooKeeperProxy::support(table),
};
