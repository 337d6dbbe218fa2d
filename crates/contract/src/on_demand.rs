//! Clusters, virtual hosts and routes of scopes that are asked for when somebody needs them: what filters see of it.
//!
//! The main thread asks ([`OnDemandClusters`] is how it is told), each cluster once, whoever waits for it. Who waits goes
//! on once the cluster is there and warm, its server says that there is none, or the time of the first who asked has
//! passed.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What came of a question for a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Available,
    /// There is none.
    Missing,
    /// Nothing was heard of it in time.
    TimedOut,
}

/// Whom to ask, and how long to wait.
#[derive(Clone, Debug)]
pub struct ClusterSource {
    /// Whom: a `ResourceSource` of clusters, the `RoutesWith` virtual hosts, or the `ScopesWith` routes; who asks' affair alone.
    pub whom: Arc<dyn Any + Send + Sync>,
    /// How long.
    pub timeout: Duration,
}

/// Asks for clusters, and for virtual hosts.
pub trait OnDemandClusters {
    /// Waits until the cluster of this name is there, or is not to be had. Asking goes on though nobody waits.
    fn find(&self, source: &Arc<ClusterSource>, name: &str)
    -> Pin<Box<dyn Future<Output = Found>>>;
}
