//! Connections that carry no HTTP, or whatever they carry before a filter lets them through: the network filters of a
//! connection, and the TCP proxy.
#![forbid(unsafe_code)]

pub mod client;
pub mod connection;
pub mod filters;
pub mod proxy;

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::services::WorkerServices;
use nuncio_upstream::{ClusterManager, WorkerClusters};

/// Adds what the crate honours to the support table.
pub fn support(table: &mut SupportTable) {
    proxy::config::TcpProxy::support(table);
}

/// What connections take from their worker.
#[derive(Clone)]
pub struct Worker {
    /// Time and chance.
    pub services: Rc<dyn WorkerServices>,
    /// The worker's view of the clusters.
    pub clusters: Rc<WorkerClusters>,
    /// All clusters, for look-ups by name.
    pub manager: Arc<ClusterManager>,
}
