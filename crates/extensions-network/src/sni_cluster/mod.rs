//! `envoy.filters.network.sni_cluster`: the server name that the client asked for (SNI) is the name of the cluster.
//!
//! The name is known where a TLS inspector saw it or TLS ends here; without one the TCP proxy's own cluster counts.
//! Trust: the client chooses among all clusters, so that this is for meshes whose clients may. Envoy's documentation:
//! network filters, Upstream cluster from SNI.

mod filter;

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::FromValue;
use nuncio_contract::registry::NetworkFilterRoom;

message! {
    /// It has no fields.
    struct SniCluster: "envoy.extensions.filters.network.sni_cluster.v3.SniCluster" {}
}

/// The room.
pub static ROOM: NetworkFilterRoom = NetworkFilterRoom {
    name: "envoy.filters.network.sni_cluster",
    message: "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
    parse: |any, ctx| {
        any.decode::<SniCluster>(ctx)?;
        Ok(Arc::new(filter::Naming))
    },
    support: |table| SniCluster::support(table),
};
