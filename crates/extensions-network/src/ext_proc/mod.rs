//! `envoy.filters.network.ext_proc`: what a connection carries, in either direction, is told to a service over one
//! stream of gRPC, which says what goes on in its place, or has the connection closed.
//!
//! What is told is held until it is answered; meanwhile nothing more is read from that side. What the service says
//! unasked goes on once that side waits for bytes. Defaults and limits: 200 ms for each answer, closed where the service
//! fails; 64 answers that wait to go on, and none more behind 1 MiB of them. Trust: the service is trusted with all that
//! the connection carries, and with the metadata of its namespaces.
//!
//! Different from Envoy, on purpose: where the connection goes on without the service (`failure_mode_allow`, an end of
//! the stream without an error), what was held goes on as it came, where Envoy loses it. There is no object in the
//! filter state. Refused as not supported yet: a chain that does not end in the TCP proxy, and `typed` namespaces.
//! Envoy's documentation: its API alone.

mod config;
mod filter;
mod session;

use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.ext_proc",
    message: "envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor",
    parse: config::parse,
    support: |table| config::NetworkExternalProcessor::support(table),
};
