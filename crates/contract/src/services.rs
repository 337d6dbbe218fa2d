//! What a worker offers to the rooms that run on it: time and chance, and what the process knows of its health.
//! Injected, so that rooms are tested under a manual clock and a seeded source.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::calls::Calls;
use crate::clock::Clock;
use crate::forward_proxy::ForwardProxy;
use crate::local_node::LocalNode;
use crate::on_demand::OnDemandClusters;
use crate::stream_info::ClusterDescription;

/// A future that stays on its worker.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Whether the process is to fail health checks: the admin says so, and all workers see it at once.
#[derive(Clone, Debug, Default)]
pub struct FailingHealth(Arc<AtomicBool>);

impl FailingHealth {
    /// Whether they are to fail.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Has them fail from now on, or no longer.
    pub fn set(&self, failing: bool) {
        self.0.store(failing, Ordering::Relaxed);
    }
}

/// The hosts of a cluster, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// All of them.
    pub total: usize,
    /// Those that are healthy.
    pub healthy: usize,
    /// Those that are degraded.
    pub degraded: usize,
}

/// One worker's services. Not `Send`: each worker has its own.
pub trait WorkerServices: Clock {
    /// The next number of the worker's random source.
    fn random_u64(&self) -> u64;
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> LocalFuture<()>;
    /// Whether the process is to fail health checks, as the admin was told.
    fn fails_health_checks(&self) -> bool {
        false
    }
    /// How many hosts a cluster has; none if there is no such cluster.
    fn membership(&self, _cluster: &str) -> Option<Membership> {
        None
    }
    /// A cluster whose hosts are whatever names requests ask for; none if it is another one or is not there.
    fn forward_proxy(&self, _cluster: &str) -> Option<Rc<dyn ForwardProxy>> {
        None
    }
    /// Who the process is for those that it reports to; none where nobody said it.
    fn local_node(&self) -> Option<Arc<LocalNode>> {
        None
    }
    /// Whether there is such a cluster.
    fn knows_cluster(&self, cluster: &str) -> bool {
        self.membership(cluster).is_some()
    }
    /// What is told of a cluster; none if there is no such cluster.
    fn describe_cluster(&self, _cluster: &str) -> Option<Rc<ClusterDescription>> {
        None
    }
    /// Asks for clusters that are not there; none where nobody can be asked.
    fn on_demand_clusters(&self) -> Option<Rc<dyn OnDemandClusters>> {
        None
    }
    /// The calls that this thread can make over the clusters; none where there are no clusters.
    fn calls(&self) -> Option<Calls> {
        None
    }
}

/// A version 4 UUID, the id of a stream that has no `x-request-id`.
pub fn stream_id(services: &dyn WorkerServices) -> Box<str> {
    let (high, low) = (services.random_u64(), services.random_u64());
    let high = high & !0xf000 | 0x4000;
    let low = low & !(3 << 62) | 1 << 63;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
    .into()
}
