//! What a configuration says of choosing hosts, ready-made. Defaults are Envoy's.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_contract::hash_policy::HashPolicies;

use super::subset::SubsetSettings;
use crate::load_reports::LoadReports;
use crate::override_host::OverrideHosts;

/// How a cluster's hosts are chosen.
#[derive(Clone, Debug)]
pub struct LbSettings {
    /// The policy; below subsets, where there are any.
    pub policy: LbPolicy,
    /// Share of available hosts below which health is ignored (50), in per cent; 0 for never.
    pub panic_threshold_percent: u64,
    /// `upstream.healthy_panic_threshold`.
    pub panic_threshold_key: RuntimeKey,
    /// What the places of hosts mean.
    pub locality: LocalityBalancing,
    /// Hosts weigh what they report.
    pub reports: Option<Arc<LoadReports>>,
    /// Requests name hosts before the policy is asked.
    pub override_hosts: Option<Arc<OverrideHosts>>,
    /// Hosts are chosen among those of a request's subset.
    pub subset: Option<Arc<SubsetSettings>>,
}

/// How a host is chosen among those that may be.
#[derive(Clone, Debug)]
pub enum LbPolicy {
    /// In turn, by weight.
    RoundRobin {
        /// New hosts begin with little load.
        slow_start: Option<SlowStart>,
    },
    /// The one with the fewest requests in flight.
    LeastRequest(LeastRequest),
    /// By chance.
    Random,
    /// By the request's hash, on a ring.
    RingHash(RingHash),
    /// By the request's hash, in a table.
    Maglev(Maglev),
    /// As the cluster itself says.
    ClusterProvided,
}

/// Fewest requests first.
#[derive(Clone, Debug)]
pub struct LeastRequest {
    /// How many hosts are drawn by chance to choose from (2).
    pub choice_count: u32,
    /// All hosts are looked at instead.
    pub full_scan: bool,
    /// How much requests in flight lessen a weight, where weights differ (1).
    pub active_request_bias: RuntimeDouble,
    /// New hosts begin with little load.
    pub slow_start: Option<SlowStart>,
}

/// New hosts begin with little load.
#[derive(Clone, Debug)]
pub struct SlowStart {
    /// For how long.
    pub window: Duration,
    /// How fast it grows (1).
    pub aggression: RuntimeDouble,
    /// The share of its weight that a host has from the beginning (0.1).
    pub min_weight_share: f64,
}

/// A number that runtime may change.
#[derive(Clone, Debug)]
pub struct RuntimeDouble {
    /// As configured.
    pub default: f64,
    /// What may change it.
    pub key: RuntimeKey,
}

impl RuntimeDouble {
    /// A number that stays.
    pub fn fixed(default: f64) -> Self {
        Self {
            default,
            key: RuntimeKey::default(),
        }
    }

    /// The number in force.
    pub fn now(&self) -> f64 {
        self.key.double(self.default)
    }
}

/// A ring of hashes.
#[derive(Clone, Debug)]
pub struct RingHash {
    /// Fewest entries (1024).
    pub min_size: u64,
    /// Most entries (8 Mi).
    pub max_size: u64,
    /// MurmurHash 2 instead of xxHash.
    pub murmur: bool,
    /// What both consistent policies have.
    pub common: ConsistentHashing,
}

/// A table that each host fills by its share.
#[derive(Clone, Debug)]
pub struct Maglev {
    /// Its size (65537), a prime number.
    pub table_size: u64,
    /// What both consistent policies have.
    pub common: ConsistentHashing,
}

/// What both consistent policies have.
#[derive(Clone, Debug, Default)]
pub struct ConsistentHashing {
    /// Hosts stand where their names hash to, not their addresses.
    pub by_hostname: bool,
    /// How many per cent of the average load a host takes at most; 0 for any.
    pub balance_factor_percent: u32,
    /// What of a request is hashed, instead of what its route says.
    pub hash_policies: Option<Arc<HashPolicies>>,
}

/// What the places of hosts mean.
#[derive(Clone, Debug)]
pub enum LocalityBalancing {
    /// Hosts in the proxy's own zone are preferred, where the local cluster is known.
    ZoneAware(ZoneAware),
    /// Places share the load by their weights.
    Weighted,
}

/// Preferring the own zone.
#[derive(Clone, Debug)]
pub struct ZoneAware {
    /// For how many requests (100), in per cent.
    pub routing_enabled_percent: u64,
    /// Fewest healthy hosts (6).
    pub min_cluster_size: u64,
    /// Requests fail in a panic.
    pub fail_traffic_on_panic: bool,
    /// All go to the own zone if it has so many healthy hosts.
    pub force_local_zone_min_size: Option<u32>,
    /// Zones are compared by the weights of their hosts, not their number.
    pub by_host_weight: bool,
    /// What runtime may change.
    pub keys: ZoneKeys,
}

/// The runtime keys of zone aware routing.
#[derive(Clone, Debug, Default)]
pub struct ZoneKeys {
    /// `upstream.zone_routing.enabled`.
    pub enabled: RuntimeKey,
    /// `upstream.zone_routing.min_cluster_size`.
    pub min_cluster_size: RuntimeKey,
    /// `upstream.zone_routing.force_local_zone.min_size`.
    pub force_local_zone_min_size: RuntimeKey,
}

impl Default for ZoneAware {
    fn default() -> Self {
        Self {
            routing_enabled_percent: 100,
            min_cluster_size: 6,
            fail_traffic_on_panic: false,
            force_local_zone_min_size: None,
            by_host_weight: false,
            keys: ZoneKeys::default(),
        }
    }
}

impl Default for LbSettings {
    fn default() -> Self {
        Self {
            policy: LbPolicy::RoundRobin { slow_start: None },
            panic_threshold_percent: 50,
            panic_threshold_key: RuntimeKey::default(),
            locality: LocalityBalancing::ZoneAware(ZoneAware::default()),
            subset: None,
            reports: None,
            override_hosts: None,
        }
    }
}

impl LbSettings {
    /// The panic threshold in force.
    pub fn panic_threshold_percent(&self) -> u64 {
        self.panic_threshold_key
            .integer(self.panic_threshold_percent)
            .min(100)
    }

    /// Whether places share the load by their weights.
    pub fn weighs_localities(&self) -> bool {
        matches!(self.locality, LocalityBalancing::Weighted)
    }

    /// Whether a panic fails requests.
    pub(super) fn fails_on_panic(&self) -> bool {
        matches!(&self.locality, LocalityBalancing::ZoneAware(zone) if zone.fail_traffic_on_panic)
    }

    /// Whether requests in flight are counted for each host over all workers.
    pub fn looks_at_active_requests(&self) -> bool {
        match &self.policy {
            LbPolicy::LeastRequest(_) => true,
            LbPolicy::RingHash(_) | LbPolicy::Maglev(_) => self
                .policy
                .consistent()
                .is_some_and(|common| common.balance_factor_percent > 0),
            LbPolicy::RoundRobin { .. } | LbPolicy::Random | LbPolicy::ClusterProvided => false,
        }
    }

    /// Whether it counts what the request says.
    #[inline]
    pub fn looks_at_requests(&self) -> bool {
        use LbPolicy::{ClusterProvided, Maglev, RingHash};
        self.override_hosts.is_some()
            || matches!(self.policy, RingHash(_) | Maglev(_) | ClusterProvided)
    }
}

impl LbPolicy {
    /// What the consistent policies have in common; none for the others.
    #[inline]
    pub fn consistent(&self) -> Option<&ConsistentHashing> {
        match self {
            LbPolicy::RingHash(ring) => Some(&ring.common),
            LbPolicy::Maglev(maglev) => Some(&maglev.common),
            _ => None,
        }
    }

    /// Its old name.
    pub fn name(&self) -> &'static str {
        match self {
            LbPolicy::RoundRobin { .. } => "ROUND_ROBIN",
            LbPolicy::LeastRequest(_) => "LEAST_REQUEST",
            LbPolicy::Random => "RANDOM",
            LbPolicy::RingHash(_) => "RING_HASH",
            LbPolicy::Maglev(_) => "MAGLEV",
            LbPolicy::ClusterProvided => "CLUSTER_PROVIDED",
        }
    }

    pub(super) fn slow_start(&self) -> Option<&SlowStart> {
        match self {
            LbPolicy::RoundRobin { slow_start } => slow_start.as_ref(),
            LbPolicy::LeastRequest(least) => least.slow_start.as_ref(),
            _ => None,
        }
    }
}
