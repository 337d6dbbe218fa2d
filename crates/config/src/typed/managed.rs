//! Clusters that extensions need for themselves and that are in no configuration (the services that AWS' credentials
//! come from), and what goes on beside the streams because of them: what was compiled leaves both with
//! [`Channels`](super::Channels), and whoever runs the configuration makes the clusters and begins the rest.
//!
//! As in Envoy such a cluster is shown with all others and stays; a static one of its name takes its place. At most
//! [`MOST_MANAGED`] different ones are kept.

use std::sync::{Arc, Weak};

/// How many different clusters there may be.
pub const MOST_MANAGED: usize = 256;

/// A cluster that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedCluster {
    /// Its name.
    pub name: Box<str>,
    /// An address, or a name that is resolved.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// Whether the host is a name.
    pub is_resolved: bool,
    /// Whether its connections are encrypted.
    pub is_encrypted: bool,
}

/// What goes on beside the streams as long as it is wanted.
pub trait Background: Send + Sync {
    /// Begins it on this thread; once, however often this is called.
    fn begin(self: Arc<Self>);
}

/// What was left and not taken yet.
#[derive(Default)]
pub(super) struct Managed {
    pub(super) names: Vec<Box<str>>,
    pub(super) clusters: Vec<ManagedCluster>,
    pub(super) tasks: Vec<Weak<dyn Background>>,
}

impl std::fmt::Debug for Managed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = &self.names;
        formatter
            .debug_struct("Managed")
            .field("names", names)
            .finish_non_exhaustive()
    }
}
