//! The fields of a cluster itself that say how a host is chosen.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::tree::Json;
use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};

use super::messages::RuntimeDoubleMessage;
use crate::config::endpoints::HealthStatus;
use crate::config::messages::Percent;

enumeration! {
    /// The old names of policies.
    pub(crate) enum LbPolicyName: "envoy.config.cluster.v3.Cluster.LbPolicy" {
        ROUND_ROBIN => RoundRobin,
        LEAST_REQUEST => LeastRequest,
        RING_HASH => RingHash,
        RANDOM => Random,
        MAGLEV => Maglev,
        CLUSTER_PROVIDED => ClusterProvided,
        LOAD_BALANCING_POLICY_CONFIG => Extension,
    }
}

message! {
    /// What load balancers have in common.
    pub(crate) struct CommonLbConfig: "envoy.config.cluster.v3.Cluster.CommonLbConfig" {
        pub(crate) healthy_panic_threshold: Option<Percent>,
        pub(crate) oneof locality_config_specifier: Option<OldLocality>,
        pub(crate) close_connections_on_host_set_change: bool,
        pub(crate) consistent_hashing_lb_config: Option<OldConsistentHashing>,
        pub(crate) override_host_status: Option<HealthStatusSet>,
        pub(crate) update_merge_window: Option<Duration>,
        pub(crate) ignore_new_hosts_until_first_hc: bool,
    }
}

one_of! {
    /// What places mean.
    pub(crate) enum OldLocality {
        zone_aware_lb_config => ZoneAware(OldZoneAware),
        locality_weighted_lb_config => Weighted(()),
    }
}

message! {
    /// Preferring the own zone.
    pub(crate) struct OldZoneAware: "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig" {
        pub(crate) routing_enabled: Option<Percent>,
        pub(crate) min_cluster_size: Option<u64>,
        pub(crate) fail_traffic_on_panic: bool,
    }
}

message! {
    /// What consistent policies have in common.
    pub(crate) struct OldConsistentHashing: "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig" {
        pub(crate) use_hostname_for_hashing: bool,
        pub(crate) hash_balance_factor: Option<u32>,
    }
}

message! {
    /// Healths.
    pub(crate) struct HealthStatusSet: "envoy.config.core.v3.HealthStatusSet" {
        pub(crate) statuses: Vec<HealthStatus>,
    }
}

message! {
    /// Options of round robin.
    pub(crate) struct OldRoundRobin: "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig" {
        pub(crate) slow_start_config: Option<OldSlowStart>,
    }
}

message! {
    /// Options of least request.
    pub(crate) struct OldLeastRequest: "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig" {
        pub(crate) choice_count: Option<u32>,
        pub(crate) active_request_bias: Option<RuntimeDoubleMessage>,
        pub(crate) slow_start_config: Option<OldSlowStart>,
    }
}

message! {
    /// New hosts begin with little load.
    pub(crate) struct OldSlowStart: "envoy.config.cluster.v3.Cluster.SlowStartConfig" {
        pub(crate) slow_start_window: Option<Duration>,
        pub(crate) aggression: Option<RuntimeDoubleMessage>,
        pub(crate) min_weight_percent: Option<Percent>,
    }
}

message! {
    /// Options of the ring.
    pub(crate) struct OldRingHash: "envoy.config.cluster.v3.Cluster.RingHashLbConfig" {
        pub(crate) minimum_ring_size: Option<u64>,
        pub(crate) maximum_ring_size: Option<u64>,
        pub(crate) hash_function: OldHashFunction,
    }
}

enumeration! {
    /// What is hashed by.
    pub(crate) enum OldHashFunction: "envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction" {
        XX_HASH => XxHash,
        MURMUR_HASH_2 => MurmurHash2,
    }
}

message! {
    /// Options of the table.
    pub(crate) struct OldMaglev: "envoy.config.cluster.v3.Cluster.MaglevLbConfig" {
        pub(crate) table_size: Option<u64>,
    }
}

message! {
    /// Subsets, with the policy in the cluster's own fields.
    pub(crate) struct OldSubset: "envoy.config.cluster.v3.Cluster.LbSubsetConfig" {
        pub(crate) fallback_policy: OldFallbackPolicy,
        pub(crate) default_subset: Option<Arc<Json>>,
        pub(crate) subset_selectors: Vec<OldSubsetSelector>,
        pub(crate) locality_weight_aware: bool,
        pub(crate) scale_locality_weight: bool,
        pub(crate) panic_mode_any: bool,
        pub(crate) list_as_any: bool,
        pub(crate) metadata_fallback_policy: OldMetadataFallbackPolicy,
    }
}

enumeration! {
    /// For requests whose subset is not there.
    pub(crate) enum OldFallbackPolicy: "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetFallbackPolicy" {
        NO_FALLBACK => None,
        ANY_ENDPOINT => Any,
        DEFAULT_SUBSET => Default,
    }
}

enumeration! {
    /// Whether requests bring fallbacks.
    pub(crate) enum OldMetadataFallbackPolicy: "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetMetadataFallbackPolicy" {
        METADATA_NO_FALLBACK => None,
        FALLBACK_LIST => List,
    }
}

message! {
    /// Keys by which hosts are grouped.
    pub(crate) struct OldSubsetSelector: "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector" {
        pub(crate) keys: Vec<String>,
        pub(crate) single_host_per_subset: bool,
        pub(crate) fallback_policy: OldSelectorFallbackPolicy,
        pub(crate) fallback_keys_subset: Vec<Spanned<String>>,
    }
}

enumeration! {
    /// For requests that ask for these keys with other values.
    pub(crate) enum OldSelectorFallbackPolicy: "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy" {
        NOT_DEFINED => NotDefined,
        NO_FALLBACK => None,
        ANY_ENDPOINT => Any,
        DEFAULT_SUBSET => Default,
        KEYS_SUBSET => Keys,
    }
}
