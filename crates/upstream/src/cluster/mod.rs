//! Clusters as all threads share them: their settings, hosts and circuit breakers.
//!
//! A cluster that no worker has used yet costs its settings and hosts, nothing else.

mod around;
mod breaker_gauges;
mod breakers;
mod dropped;
mod even;
mod membership;
mod merge_window;
mod passthrough;
mod provided;
mod recent_requests;
mod settings;
mod shared;

pub use crate::host::{
    DiscoveredHealth, Health, HealthFlags, Host, HostCounters, HostPast, HostSet, HostTotals,
    LevelOptions, Locality, PriorityHosts, is_canary,
};
pub use breakers::{Breakers, Resource, RetryBudget, RuntimeLimits, Thresholds};
pub use dropped::Dropped;
pub(crate) use passthrough::metadata as passthrough_metadata;
pub use provided::{Provided, ProvidedSettings};
pub use settings::{
    AlternatesSettings, ClusterResilience, ClusterSettings, ClusterType, DropOverload, EdsSource,
    HappyEyeballs, HostStatuses, HttpSettings, Preconnect, RedisCredentials, RedisOptions,
    ThriftOptions, TrackedStats, UpstreamHttp3, UpstreamProtocol,
};

pub use crate::load_balancing::{LbPolicy, LbSettings, PriorityLoad};
pub use around::{AroundClusters, ProxyPlace};
pub(crate) use breaker_gauges::{left_gauge, open_gauge};
pub use shared::ClusterShared;
pub(crate) use shared::breaker_prefix;

/// Request priority of a route, which selects the circuit breakers and the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResourcePriority {
    /// `DEFAULT`.
    #[default]
    Default,
    /// `HIGH`.
    High,
}

impl ResourcePriority {
    /// Both priorities, in order.
    pub const ALL: [Self; 2] = [Self::Default, Self::High];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Default => 0,
            Self::High => 1,
        }
    }

    /// The name in stats and in `/clusters`: `default` or `high`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::High => "high",
        }
    }
}
