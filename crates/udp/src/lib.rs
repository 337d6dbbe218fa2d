//! Datagrams: the listeners that take them, the UDP proxy, which sees each client's as a session, and the DNS filter.
#![forbid(unsafe_code)]

pub mod dns_filter;
pub mod listener;
pub mod proxy;
mod socket;

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::services::WorkerServices;
use nuncio_upstream::{ClusterManager, WorkerClusters};

/// Adds what the crate honours to the support table.
pub fn support(table: &mut SupportTable) {
    listener::config::UdpListenerConfig::support(table);
    listener::config::DefaultWriter::support(table);
    listener::config::GsoWriter::support(table);
    dns_filter::config::DnsFilterMessage::support(table);
    proxy::support(table);
}

/// What sessions take from their worker.
#[derive(Clone)]
pub struct Worker {
    /// Time and chance.
    pub services: Rc<dyn WorkerServices>,
    /// The worker's view of the clusters.
    pub clusters: Rc<WorkerClusters>,
    /// All clusters, for look-ups by name.
    pub manager: Arc<ClusterManager>,
}
