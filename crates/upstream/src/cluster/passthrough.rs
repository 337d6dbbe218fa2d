//! `internal_upstream`: what connections to listeners inside of the process take along, to be found there in the
//! metadata of the connection: namespaces of the host's metadata, and of the cluster's.
//!
//! Objects of the filter state that are shared with upstream connections do not go along: no filter here shares any.

use nuncio_contract::stream_info::Metadata;

use super::{ClusterSettings, Host};
use crate::transport_socket::Passthrough;

/// The metadata of a connection to this host.
pub(crate) fn metadata(
    passed_on: &Passthrough,
    host: &Host,
    cluster: &ClusterSettings,
) -> Metadata {
    let mut passed = Metadata::default();
    let sources = [
        (&passed_on.of_host, host.metadata.as_deref()),
        (&passed_on.of_cluster, cluster.metadata.as_deref()),
    ];
    for (names, metadata) in sources {
        for name in names {
            if let Some(fields) = metadata.and_then(|metadata| metadata.namespace(name)) {
                passed.merge(name, fields.clone());
            }
        }
    }
    passed
}
