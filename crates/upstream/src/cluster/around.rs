//! What all clusters of a proxy share: where it stands, and how its workers learn that hosts have changed.

use std::sync::{Arc, OnceLock};

use nuncio_contract::stats::groups::ClusterManagerStats;
use tokio::sync::watch;

use super::Locality;

/// Where the proxy itself stands.
#[derive(Clone, Debug, Default)]
pub struct ProxyPlace {
    /// Its locality.
    pub locality: Locality,
    /// The name of the cluster whose hosts are the proxies, if there is one.
    pub local_cluster: Option<Box<str>>,
    /// How many threads have load balancers in Envoy: the workers and the main one. Each counts its subsets.
    pub threads: u64,
    /// Whether what clusters count of their traffic is listed once there is some.
    pub defers_stats: bool,
}

/// What all clusters of a proxy share.
#[derive(Debug, Default)]
pub struct AroundClusters {
    place: OnceLock<ProxyPlace>,
    /// A worker at rest takes changed hosts over by this, so that it closes its connections to those that are gone or
    /// bad; one that picks looks for itself.
    hosts_changed: watch::Sender<()>,
    /// Where changes of hosts are counted.
    pub(crate) stats: Arc<ClusterManagerStats>,
}

impl AroundClusters {
    /// Nobody knows yet where the proxy stands.
    pub(crate) fn new(stats: Arc<ClusterManagerStats>) -> Self {
        Self {
            stats,
            ..Self::default()
        }
    }

    /// Where the proxy stands, once that is known.
    pub(crate) fn place(&self) -> Option<&ProxyPlace> {
        self.place.get()
    }

    /// Says where the proxy stands; only the first call counts.
    pub(crate) fn stand_at(&self, place: ProxyPlace) {
        let _stood_before = self.place.set(place);
    }

    /// Has all workers look at the hosts of their clusters.
    pub(crate) fn tell_hosts_changed(&self) {
        self.hosts_changed.send_replace(());
    }

    /// Tells of changed hosts from now on.
    pub(crate) fn host_changes(&self) -> watch::Receiver<()> {
        self.hosts_changed.subscribe()
    }
}
