//! Asking for the clusters that a cluster of `dynamic_forward_proxy` has for its hosts (`sub_clusters_config`).
//!
//! Limit: for hosts of more than 255 bytes, which no resolver knows, none is made.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::forward_proxy::{ForwardProxy, LookUp, NamePermit, SubCluster};
use nuncio_contract::on_demand::{ClusterSource, Found};

use crate::forward_proxy::{Asked, SubClusters, SubClustersWith};
use crate::manager::ClusterManager;

/// No name in DNS is longer.
const MOST_NAME_BYTES: usize = 255;

/// A cluster with such clusters as filters see it.
pub struct SubClustersOf {
    /// Where they are found.
    pub manager: Arc<ClusterManager>,
    /// They.
    pub all: Arc<SubClusters>,
    /// The port of hosts without one.
    pub default_port: u16,
}

impl ForwardProxy for SubClustersOf {
    fn admit(&self) -> Option<NamePermit> {
        Some(Box::new(()))
    }

    fn look_up(&self, _authority: &[u8]) -> LookUp {
        LookUp::Known(Err("no_host".into()))
    }

    fn sub_cluster(&self, authority: &[u8], most: Duration) -> Option<SubCluster> {
        let asked = Asked::of(authority, self.default_port);
        let Some(asked) = asked.filter(|asked| asked.name.len() <= MOST_NAME_BYTES) else {
            return Some(SubCluster::Ready);
        };
        let name = SubClusters::name_of(&asked);
        if self.manager.find(&name).is_some() && self.all.touch(&name) {
            return Some(SubCluster::Ready);
        }
        if !self.all.admit(&name) {
            return Some(SubCluster::Full);
        }
        let whom = SubClustersWith {
            all: Arc::clone(&self.all),
            host: asked.name,
            port: asked.port,
        };
        let source = ClusterSource {
            whom: Arc::new(whom),
            timeout: most,
        };
        let found = self.manager.ask(&Arc::new(source), &name);
        Some(SubCluster::Later(Box::pin(async move {
            found.await == Found::Available
        })))
    }
}
