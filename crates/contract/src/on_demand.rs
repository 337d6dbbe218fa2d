//! Clusters, and virtual hosts, that are asked for when somebody needs them: what filters see of it.
//!
//! The main thread asks ([`OnDemandClusters`] is how it is told), each cluster once, whoever waits for it. Who waits goes
//! on once the cluster is there and warm, its server says that there is none, or the time of the first who asked has
//! passed.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::config_source::ResourceSource;

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
    /// Whom: a [`ResourceSource`](crate::config_source::ResourceSource) of clusters, or [`RoutesWith`].
    pub whom: Arc<dyn Any + Send + Sync>,
    /// How long.
    pub timeout: Duration,
}

/// The route configuration whose virtual hosts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutesWith {
    /// Its name.
    pub name: Box<str>,
    /// Who has it, which need not be who has its hosts.
    pub source: ResourceSource,
}

impl RoutesWith {
    /// How long a request waits for a virtual host is its own affair.
    const NO_TIME_OF_ITS_OWN: Duration = Duration::from_secs(365 * 24 * 3600);

    /// As whom to ask.
    pub fn into_source(self) -> Arc<ClusterSource> {
        Arc::new(ClusterSource {
            whom: Arc::new(self),
            timeout: Self::NO_TIME_OF_ITS_OWN,
        })
    }
}

/// Asks for clusters, and for virtual hosts.
pub trait OnDemandClusters {
    /// Waits until the cluster of this name is there, or is not to be had. Asking goes on though nobody waits.
    fn find(&self, source: &Arc<ClusterSource>, name: &str)
    -> Pin<Box<dyn Future<Output = Found>>>;
}
