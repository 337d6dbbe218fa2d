//! The extensions that say how a host is chosen.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::hash_policy::HashPolicyMessage;

use crate::config::messages::Percent;
use crate::config::original_dst::MetadataKey;

message! {
    /// How a host is chosen, as extensions.
    pub(crate) struct LoadBalancingPolicy: "envoy.config.cluster.v3.LoadBalancingPolicy" {
        pub(crate) policies: Vec<LoadBalancingPolicyEntry>,
    }
}

message! {
    /// One of them.
    pub(crate) struct LoadBalancingPolicyEntry: "envoy.config.cluster.v3.LoadBalancingPolicy.Policy" {
        pub(crate) typed_extension_config: TypedExtensionConfig,
    }
}

message! {
    /// An extension by name and type.
    pub(crate) struct TypedExtensionConfig: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: String,
        pub(crate) typed_config: Any,
    }
}

message! {
    /// A number that runtime may change.
    pub(crate) struct RuntimeDoubleMessage: "envoy.config.core.v3.RuntimeDouble" {
        pub(crate) default_value: f64,
        pub(crate) runtime_key: RuntimeKey,
    }
}

message! {
    /// In turn, by weight.
    pub(crate) struct RoundRobin: "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin" {
        pub(crate) slow_start_config: Option<SlowStart>,
        pub(crate) locality_lb_config: Option<LocalityLbConfig>,
    }
}

message! {
    /// Fewest requests first.
    pub(crate) struct LeastRequest: "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest" {
        pub(crate) choice_count: Option<u32>,
        pub(crate) active_request_bias: Option<RuntimeDoubleMessage>,
        pub(crate) slow_start_config: Option<SlowStart>,
        pub(crate) locality_lb_config: Option<LocalityLbConfig>,
        pub(crate) enable_full_scan: Option<bool>,
        pub(crate) selection_method: SelectionMethod,
    }
}

enumeration! {
    /// How many hosts are looked at.
    pub(crate) enum SelectionMethod: "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.SelectionMethod" {
        N_CHOICES => Choices,
        FULL_SCAN => FullScan,
    }
}

message! {
    /// By chance.
    pub(crate) struct Random: "envoy.extensions.load_balancing_policies.random.v3.Random" {
        pub(crate) locality_lb_config: Option<LocalityLbConfig>,
    }
}

/// The end of its name.
pub(super) const CLUSTER_PROVIDED: &str = "cluster_provided.v3.ClusterProvided";

message! {
    /// The cluster chooses.
    pub(crate) struct ClusterProvided: "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided" {}
}

message! {
    /// New hosts begin with little load.
    pub(crate) struct SlowStart: "envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig" {
        pub(crate) slow_start_window: Option<Duration>,
        pub(crate) aggression: Option<RuntimeDoubleMessage>,
        pub(crate) min_weight_percent: Option<Percent>,
    }
}

message! {
    /// What places mean.
    pub(crate) struct LocalityLbConfig: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig" {
        pub(crate) oneof locality_config_specifier: LocalityKind,
    }
}

one_of! {
    /// What places mean.
    pub(crate) enum LocalityKind {
        zone_aware_lb_config => ZoneAware(ZoneAware),
        locality_weighted_lb_config => Weighted(()),
    }
}

message! {
    /// Places share the load by their weights.
    pub(crate) struct LocalityWeighted: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig" {}
}

message! {
    /// Preferring the own zone.
    pub(crate) struct ZoneAware: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig" {
        pub(crate) routing_enabled: Option<Percent>,
        pub(crate) min_cluster_size: Option<u64>,
        pub(crate) fail_traffic_on_panic: bool,
        pub(crate) force_locality_direct_routing: bool,
        pub(crate) force_local_zone: Option<ForceLocalZone>,
        pub(crate) locality_basis: LocalityBasis,
    }
}

message! {
    /// All requests stay in the own zone.
    pub(crate) struct ForceLocalZone: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone" {
        pub(crate) min_size: Option<u32>,
    }
}

enumeration! {
    /// What zones are compared by.
    pub(crate) enum LocalityBasis: "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.LocalityBasis" {
        HEALTHY_HOSTS_NUM => Number,
        HEALTHY_HOSTS_WEIGHT => Weight,
    }
}

message! {
    /// By hash, on a ring.
    pub(crate) struct RingHash: "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash" {
        pub(crate) hash_function: HashFunction,
        pub(crate) minimum_ring_size: Option<u64>,
        pub(crate) maximum_ring_size: Option<u64>,
        pub(crate) use_hostname_for_hashing: bool,
        pub(crate) hash_balance_factor: Option<u32>,
        pub(crate) consistent_hashing_lb_config: Option<ConsistentHashing>,
        pub(crate) locality_weighted_lb_config: Option<LocalityWeighted>,
    }
}

enumeration! {
    /// What is hashed by.
    pub(crate) enum HashFunction: "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash.HashFunction" {
        DEFAULT_HASH => Default,
        XX_HASH => XxHash,
        MURMUR_HASH_2 => MurmurHash2,
    }
}

message! {
    /// By hash, in a table.
    pub(crate) struct Maglev: "envoy.extensions.load_balancing_policies.maglev.v3.Maglev" {
        pub(crate) table_size: Option<u64>,
        pub(crate) consistent_hashing_lb_config: Option<ConsistentHashing>,
        pub(crate) locality_weighted_lb_config: Option<LocalityWeighted>,
    }
}

message! {
    /// What consistent policies have in common.
    pub(crate) struct ConsistentHashing: "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig" {
        pub(crate) use_hostname_for_hashing: bool,
        pub(crate) hash_balance_factor: Option<u32>,
        pub(crate) hash_policy: Vec<HashPolicyMessage>,
    }
}

message! {
    /// Hosts weigh what they report.
    pub(crate) struct ClientSideWeightedRoundRobin: "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin" {
        pub(crate) enable_oob_load_report: Option<bool>,
        pub(crate) blackout_period: Option<Duration>,
        pub(crate) weight_expiration_period: Option<Duration>,
        pub(crate) weight_update_period: Option<Duration>,
        pub(crate) error_utilization_penalty: Option<f64>,
        pub(crate) metric_names_for_computing_utilization: Vec<String>,
        pub(crate) slow_start_config: Option<SlowStart>,
        pub(crate) oob_reporting_period: Option<Duration>,
        pub(crate) oob_reporting_config: Option<OutOfBandReporting>,
    }
}

message! {
    /// How hosts are reached that report out of band.
    pub(crate) struct OutOfBandReporting: "envoy.extensions.load_balancing_policies.common.v3.OrcaOobReportingConfig" {
        pub(crate) port_value: u16,
        pub(crate) authority: String,
        pub(crate) transport_socket_match_criteria: Option<Arc<Json>>,
    }
}

message! {
    /// Places share the load by their weights, with the policy below.
    pub(crate) struct WrrLocality: "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality" {
        pub(crate) endpoint_picking_policy: LoadBalancingPolicy,
    }
}

message! {
    /// Hosts that requests name, with the policy below them.
    pub(crate) struct OverrideHost: "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost" {
        pub(crate) override_host_sources: Vec<OverrideHostSource>,
        pub(crate) fallback_policy: LoadBalancingPolicy,
        pub(crate) selected_host_key: Option<MetadataKey>,
    }
}

message! {
    /// A place that may name hosts.
    pub(crate) struct OverrideHostSource: "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost.OverrideHostSource" {
        pub(crate) header: Spanned<String>,
        pub(crate) metadata: Option<MetadataKey>,
    }
}

message! {
    /// Subsets, with the policy below them.
    pub(crate) struct Subset: "envoy.extensions.load_balancing_policies.subset.v3.Subset" {
        pub(crate) fallback_policy: FallbackPolicy,
        pub(crate) default_subset: Option<Arc<Json>>,
        pub(crate) subset_selectors: Vec<SubsetSelector>,
        pub(crate) allow_redundant_keys: bool,
        pub(crate) locality_weight_aware: bool,
        pub(crate) scale_locality_weight: bool,
        pub(crate) panic_mode_any: bool,
        pub(crate) list_as_any: bool,
        pub(crate) metadata_fallback_policy: MetadataFallbackPolicy,
        pub(crate) subset_lb_policy: LoadBalancingPolicy,
    }
}

enumeration! {
    /// For requests whose subset is not there.
    pub(crate) enum FallbackPolicy: "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetFallbackPolicy" {
        NO_FALLBACK => None,
        ANY_ENDPOINT => Any,
        DEFAULT_SUBSET => Default,
    }
}

enumeration! {
    /// Whether requests bring fallbacks.
    pub(crate) enum MetadataFallbackPolicy: "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetMetadataFallbackPolicy" {
        METADATA_NO_FALLBACK => None,
        FALLBACK_LIST => List,
    }
}

message! {
    /// Keys by which hosts are grouped.
    pub(crate) struct SubsetSelector: "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetSelector" {
        pub(crate) keys: Vec<String>,
        pub(crate) single_host_per_subset: bool,
        pub(crate) fallback_policy: SelectorFallbackPolicy,
        pub(crate) fallback_keys_subset: Vec<Spanned<String>>,
    }
}

enumeration! {
    /// For requests that ask for these keys with other values.
    pub(crate) enum SelectorFallbackPolicy: "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetSelector.LbSubsetSelectorFallbackPolicy" {
        NOT_DEFINED => NotDefined,
        NO_FALLBACK => None,
        ANY_ENDPOINT => Any,
        DEFAULT_SUBSET => Default,
        KEYS_SUBSET => Keys,
    }
}
