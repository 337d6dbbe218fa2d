//! What a compilation takes from the server.

use nuncio_config::typed::Ctx;
use nuncio_contract::access_log::AccessLogRooms;
use nuncio_contract::stats::StatsStore;
use nuncio_upstream::ClusterId;

/// What the compilation takes from the server.
pub struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// The kinds of access logs.
    pub access_loggers: AccessLogRooms,
    /// Gives the number of a cluster.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// Whether a cluster will be there once the configuration runs.
    pub known_clusters: &'a dyn Fn(&str) -> bool,
    /// The stats.
    pub stats: &'a StatsStore,
    /// `node.cluster`.
    pub service_cluster: &'a str,
}
