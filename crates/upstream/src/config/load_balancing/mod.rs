//! How a host is chosen: of `load_balancing_policy` the first extension that Envoy knows, else the cluster's own fields.
//!
//! An extension that Envoy knows and Nuncio does not is refused, not passed over.

mod client_side;
pub(super) mod messages;
pub(super) mod old;
mod override_host;
mod subset;

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::hash_policy::HashPolicies;

use super::Cluster;
use super::messages::Percent;
use crate::load_balancing::{
    self as settings, ConsistentHashing, LbPolicy, LbSettings, LocalityBalancing, RuntimeDouble,
    SlowStart, SubsetSettings, ZoneKeys,
};
use crate::load_reports::LoadReports;
use crate::override_host::OverrideHosts;
use messages::{LoadBalancingPolicy, LocalityKind, SelectionMethod};
use old::{LbPolicyName, OldHashFunction, OldLocality};

const FAMILY: &str = "envoy.extensions.load_balancing_policies.";
const DEFAULT_MIN_RING_SIZE: u64 = 1024;
const DEFAULT_MAX_RING_SIZE: u64 = 8 << 20;
const DEFAULT_TABLE_SIZE: u64 = 65_537;

/// A policy, and what stands with it.
struct Chosen {
    policy: LbPolicy,
    locality: LocalityBalancing,
    subset: Option<SubsetSettings>,
    override_hosts: Option<OverrideHosts>,
    reports: Option<LoadReports>,
}

/// How the hosts of a cluster are chosen.
pub(super) fn read(cluster: &Cluster, ctx: &mut Ctx) -> Result<LbSettings, Refused> {
    let chosen = match &cluster.load_balancing_policy {
        Some(policies) => policies.chosen(&cluster.name, ctx)?,
        None => by_fields(cluster, ctx)?,
    };
    let common = cluster.common_lb_config.as_ref();
    let threshold = common.and_then(|common| common.healthy_panic_threshold.as_ref());
    let keys = ZoneKeys {
        enabled: ctx.runtime.key("upstream.zone_routing.enabled"),
        min_cluster_size: ctx.runtime.key("upstream.zone_routing.min_cluster_size"),
        force_local_zone_min_size: ctx
            .runtime
            .key("upstream.zone_routing.force_local_zone.min_size"),
    };
    Ok(LbSettings {
        policy: chosen.policy,
        panic_threshold_percent: threshold.map_or(50, Percent::rounded),
        panic_threshold_key: ctx.runtime.key("upstream.healthy_panic_threshold"),
        locality: match chosen.locality {
            LocalityBalancing::ZoneAware(zone) => {
                LocalityBalancing::ZoneAware(settings::ZoneAware { keys, ..zone })
            }
            weighted => weighted,
        },
        subset: chosen.subset.map(Arc::new),
        override_hosts: chosen.override_hosts.map(Arc::new),
        reports: chosen.reports.map(Arc::new),
    })
}

impl LoadBalancingPolicy {
    fn known(&self) -> Option<&Any> {
        let extensions = self
            .policies
            .iter()
            .map(|policy| &policy.typed_extension_config.typed_config);
        extensions.into_iter().find(|any| is_known_to_envoy(any))
    }

    /// Whether hosts are left to the cluster.
    pub(super) fn is_cluster_provided(&self) -> bool {
        let known = self.known().map(Any::type_name);
        known.and_then(|name| name.strip_prefix(FAMILY)) == Some(messages::CLUSTER_PROVIDED)
    }

    fn chosen(&self, cluster: &str, ctx: &mut Ctx) -> Result<Chosen, Refused> {
        if self.policies.is_empty() {
            ctx.error(self.span(), "a load balancing policy must be named");
            return Err(Refused);
        }
        match self.known() {
            Some(any) => by_extension(any, cluster, ctx),
            None => {
                let names = self.policies.iter();
                let names: Vec<_> = names
                    .map(|policy| policy.typed_extension_config.name.as_str())
                    .collect();
                let text = format!(
                    "cluster: didn't find a registered load balancer factory implementation for cluster: '{cluster}' with names from [{}]",
                    names.join(", ")
                );
                ctx.error(self.span(), text);
                Err(Refused)
            }
        }
    }
}

/// Extensions of others are for other proxies. What is wrapped up may be one that Envoy knows.
fn is_known_to_envoy(any: &Any) -> bool {
    any.type_name().starts_with(FAMILY) || any.type_name().ends_with(".TypedStruct")
}

fn by_extension(any: &Any, cluster: &str, ctx: &mut Ctx) -> Result<Chosen, Refused> {
    let plain = |policy, locality| {
        Ok(Chosen {
            policy,
            locality,
            subset: None,
            override_hosts: None,
            reports: None,
        })
    };
    match any.type_name().strip_prefix(FAMILY) {
        Some("round_robin.v3.RoundRobin") => {
            let message: messages::RoundRobin = any.decode(ctx)?;
            let slow_start = message.slow_start_config.as_ref();
            let slow_start = slow_start.and_then(messages::SlowStart::compile);
            let locality = locality(message.locality_lb_config.as_ref());
            plain(LbPolicy::RoundRobin { slow_start }, locality)
        }
        Some("least_request.v3.LeastRequest") => {
            let message: messages::LeastRequest = any.decode(ctx)?;
            let locality = locality(message.locality_lb_config.as_ref());
            plain(LbPolicy::LeastRequest(message.compile(ctx)?), locality)
        }
        Some("random.v3.Random") => {
            let message: messages::Random = any.decode(ctx)?;
            let locality = locality(message.locality_lb_config.as_ref());
            plain(LbPolicy::Random, locality)
        }
        Some(messages::CLUSTER_PROVIDED) => {
            let _it_says_no_more: messages::ClusterProvided = any.decode(ctx)?;
            plain(LbPolicy::ClusterProvided, weighted_or_not(false))
        }
        Some("ring_hash.v3.RingHash") => {
            let message: messages::RingHash = any.decode(ctx)?;
            let weighted = message.locality_weighted_lb_config.is_some();
            plain(
                LbPolicy::RingHash(message.compile(any.span, ctx)?),
                weighted_or_not(weighted),
            )
        }
        Some("maglev.v3.Maglev") => {
            let message: messages::Maglev = any.decode(ctx)?;
            let weighted = message.locality_weighted_lb_config.is_some();
            plain(
                LbPolicy::Maglev(message.compile(any.span, ctx)?),
                weighted_or_not(weighted),
            )
        }
        Some("subset.v3.Subset") => {
            let message: messages::Subset = any.decode(ctx)?;
            let below = message.subset_lb_policy.chosen(cluster, ctx)?;
            if below.subset.is_some() || below.override_hosts.is_some() {
                let what = "subsets of what chooses hosts otherwise";
                return Err(ctx.unsupported_here(any.span, what));
            }
            let subset = message.compile(ctx)?;
            Ok(Chosen {
                subset: Some(subset),
                ..below
            })
        }
        Some(client_side::NAME) => client_side::read(any, ctx),
        Some("wrr_locality.v3.WrrLocality") => client_side::read_by_locality(any, cluster, ctx),
        Some("override_host.v3.OverrideHost") => override_host::read(any, cluster, ctx),
        _ => {
            let what = format!("load balancing policy `{}`", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}

fn by_fields(cluster: &Cluster, ctx: &mut Ctx) -> Result<Chosen, Refused> {
    let common = cluster.common_lb_config.as_ref();
    let locality = common.and_then(|common| common.locality_config_specifier.as_ref());
    let locality = match locality {
        None => LocalityBalancing::ZoneAware(settings::ZoneAware::default()),
        Some(OldLocality::Weighted(_)) => LocalityBalancing::Weighted,
        Some(OldLocality::ZoneAware(zone)) => LocalityBalancing::ZoneAware(zone.compile()),
    };
    let hashing = common.and_then(|common| common.consistent_hashing_lb_config.as_ref());
    let hashing = ConsistentHashing {
        by_hostname: hashing.is_some_and(|hashing| hashing.use_hostname_for_hashing),
        balance_factor_percent: hashing
            .and_then(|hashing| hashing.hash_balance_factor)
            .unwrap_or(0),
        hash_policies: None,
    };
    let policy = match cluster.lb_policy {
        LbPolicyName::RoundRobin => LbPolicy::RoundRobin {
            slow_start: cluster
                .round_robin_lb_config
                .as_ref()
                .and_then(|config| config.slow_start_config.as_ref()?.compile()),
        },
        LbPolicyName::LeastRequest => {
            let config = cluster.least_request_lb_config.as_ref();
            LbPolicy::LeastRequest(config.map_or_else(least_request, |config| config.compile()))
        }
        LbPolicyName::Random => LbPolicy::Random,
        LbPolicyName::RingHash => {
            let config = cluster.ring_hash_lb_config.as_ref();
            let min = config.and_then(|config| config.minimum_ring_size);
            let max = config.and_then(|config| config.maximum_ring_size);
            LbPolicy::RingHash(settings::RingHash {
                min_size: min.unwrap_or(DEFAULT_MIN_RING_SIZE),
                max_size: max.unwrap_or(DEFAULT_MAX_RING_SIZE),
                murmur: config
                    .is_some_and(|config| config.hash_function == OldHashFunction::MurmurHash2),
                common: hashing,
            })
        }
        LbPolicyName::Maglev => LbPolicy::Maglev(settings::Maglev {
            table_size: cluster
                .maglev_lb_config
                .as_ref()
                .and_then(|config| config.table_size)
                .unwrap_or(DEFAULT_TABLE_SIZE),
            common: hashing,
        }),
        LbPolicyName::ClusterProvided => LbPolicy::ClusterProvided,
        LbPolicyName::Extension => {
            ctx.error(
                cluster.name.span,
                "cluster: field load_balancing_policy need to be set",
            );
            return Err(Refused);
        }
    };
    let subset = cluster.lb_subset_config.as_ref();
    let subset = subset.filter(|subset| !subset.subset_selectors.is_empty());
    Ok(Chosen {
        policy,
        locality,
        subset: subset.map(|subset| subset.compile(ctx)).transpose()?,
        override_hosts: None,
        reports: None,
    })
}

impl old::CommonLbConfig {
    /// Whether places share the load by their weights.
    pub(super) fn weighs_localities(&self) -> bool {
        matches!(
            self.locality_config_specifier,
            Some(OldLocality::Weighted(_))
        )
    }
}

fn weighted_or_not(weighted: bool) -> LocalityBalancing {
    match weighted {
        true => LocalityBalancing::Weighted,
        false => LocalityBalancing::ZoneAware(settings::ZoneAware::default()),
    }
}

fn locality(message: Option<&messages::LocalityLbConfig>) -> LocalityBalancing {
    match message.map(|message| &message.locality_config_specifier) {
        None => LocalityBalancing::ZoneAware(settings::ZoneAware::default()),
        Some(LocalityKind::Weighted(_)) => LocalityBalancing::Weighted,
        Some(LocalityKind::ZoneAware(zone)) => LocalityBalancing::ZoneAware(zone.compile()),
    }
}

impl Percent {
    /// As Envoy rounds it.
    fn rounded(&self) -> u64 {
        let rounded = self.value.clamp(0.0, 100.0).round();
        (0..=100_u32)
            .rev()
            .find(|percent| f64::from(*percent) <= rounded)
            .map_or(0, u64::from)
    }
}

fn slow_start(
    window: Option<Duration>,
    aggression: Option<&messages::RuntimeDoubleMessage>,
    min_weight: Option<&Percent>,
) -> Option<SlowStart> {
    let window = window.filter(|window| window.as_millis() > 0)?;
    Some(SlowStart {
        window,
        aggression: aggression.map_or_else(|| RuntimeDouble::fixed(1.0), |one| one.compile()),
        min_weight_share: min_weight.map_or(0.1, |percent| percent.value / 100.0),
    })
}

fn least_request() -> settings::LeastRequest {
    settings::LeastRequest {
        choice_count: 2,
        full_scan: false,
        active_request_bias: RuntimeDouble::fixed(1.0),
        slow_start: None,
    }
}

impl messages::RuntimeDoubleMessage {
    fn compile(&self) -> RuntimeDouble {
        RuntimeDouble {
            default: self.default_value,
            key: self.runtime_key.clone(),
        }
    }
}

impl messages::SlowStart {
    fn compile(&self) -> Option<SlowStart> {
        slow_start(
            self.slow_start_window,
            self.aggression.as_ref(),
            self.min_weight_percent.as_ref(),
        )
    }
}

impl old::OldSlowStart {
    fn compile(&self) -> Option<SlowStart> {
        slow_start(
            self.slow_start_window,
            self.aggression.as_ref(),
            self.min_weight_percent.as_ref(),
        )
    }
}

impl messages::LeastRequest {
    fn compile(&self, ctx: &mut Ctx) -> Result<settings::LeastRequest, Refused> {
        if self.enable_full_scan == Some(true) {
            let text = "enable_full_scan is ignored; set `selection_method: FULL_SCAN`";
            ctx.warning(self.span(), text);
        }
        let bias = self.active_request_bias.as_ref();
        let default = least_request();
        Ok(settings::LeastRequest {
            choice_count: self.choice_count.unwrap_or(default.choice_count),
            full_scan: self.selection_method == SelectionMethod::FullScan,
            active_request_bias: bias.map_or(default.active_request_bias, |bias| bias.compile()),
            slow_start: self
                .slow_start_config
                .as_ref()
                .and_then(messages::SlowStart::compile),
        })
    }
}

impl old::OldLeastRequest {
    fn compile(&self) -> settings::LeastRequest {
        let default = least_request();
        settings::LeastRequest {
            choice_count: self.choice_count.unwrap_or(default.choice_count),
            active_request_bias: self
                .active_request_bias
                .as_ref()
                .map_or(default.active_request_bias, |bias| bias.compile()),
            slow_start: self
                .slow_start_config
                .as_ref()
                .and_then(old::OldSlowStart::compile),
            full_scan: false,
        }
    }
}

impl messages::ZoneAware {
    fn compile(&self) -> settings::ZoneAware {
        let forced = self.force_local_zone.as_ref();
        settings::ZoneAware {
            force_local_zone_min_size: match forced {
                Some(forced) => Some(forced.min_size.unwrap_or(1)),
                None => self.force_locality_direct_routing.then_some(1),
            },
            by_host_weight: self.locality_basis == messages::LocalityBasis::Weight,
            ..zone_aware(
                self.routing_enabled.as_ref(),
                self.min_cluster_size,
                self.fail_traffic_on_panic,
            )
        }
    }
}

impl old::OldZoneAware {
    fn compile(&self) -> settings::ZoneAware {
        zone_aware(
            self.routing_enabled.as_ref(),
            self.min_cluster_size,
            self.fail_traffic_on_panic,
        )
    }
}

fn zone_aware(
    routing_enabled: Option<&Percent>,
    min_cluster_size: Option<u64>,
    fail_traffic_on_panic: bool,
) -> settings::ZoneAware {
    let default = settings::ZoneAware::default();
    settings::ZoneAware {
        routing_enabled_percent: routing_enabled
            .map_or(default.routing_enabled_percent, Percent::rounded),
        min_cluster_size: min_cluster_size.unwrap_or(default.min_cluster_size),
        fail_traffic_on_panic,
        ..default
    }
}

impl messages::RingHash {
    fn compile(&self, span: Span, ctx: &mut Ctx) -> Result<settings::RingHash, Refused> {
        let common = match &self.consistent_hashing_lb_config {
            Some(common) => common.compile(ctx)?,
            None => ConsistentHashing {
                by_hostname: self.use_hostname_for_hashing,
                balance_factor_percent: self.hash_balance_factor.unwrap_or(0),
                hash_policies: None,
            },
        };
        let min_size = self.minimum_ring_size.unwrap_or(DEFAULT_MIN_RING_SIZE);
        let max_size = self.maximum_ring_size.unwrap_or(DEFAULT_MAX_RING_SIZE);
        if min_size > max_size {
            let text = format!(
                "ring hash: minimum_ring_size ({min_size}) > maximum_ring_size ({max_size})"
            );
            ctx.error(span, text);
            return Err(Refused);
        }
        Ok(settings::RingHash {
            min_size,
            max_size,
            murmur: self.hash_function == messages::HashFunction::MurmurHash2,
            common,
        })
    }
}

impl messages::Maglev {
    fn compile(&self, span: Span, ctx: &mut Ctx) -> Result<settings::Maglev, Refused> {
        let common = match &self.consistent_hashing_lb_config {
            Some(common) => common.compile(ctx)?,
            None => ConsistentHashing::default(),
        };
        let table_size = self.table_size.unwrap_or(DEFAULT_TABLE_SIZE);
        if !is_prime(table_size) {
            ctx.error(span, "The table size of maglev must be prime number");
            return Err(Refused);
        }
        Ok(settings::Maglev { table_size, common })
    }
}

fn is_prime(number: u64) -> bool {
    let divides = |divisor: u64| number.is_multiple_of(divisor);
    number > 1
        && !(2..)
            .take_while(|divisor| divisor * divisor <= number)
            .any(divides)
}

impl messages::ConsistentHashing {
    fn compile(&self, ctx: &mut Ctx) -> Result<ConsistentHashing, Refused> {
        let policies = HashPolicies::compile(&self.hash_policy, ctx)?;
        Ok(ConsistentHashing {
            by_hostname: self.use_hostname_for_hashing,
            balance_factor_percent: self.hash_balance_factor.unwrap_or(0),
            hash_policies: (!self.hash_policy.is_empty()).then(|| Arc::new(policies)),
        })
    }
}

/// The extensions.
pub(super) fn support(table: &mut SupportTable) {
    messages::RoundRobin::support(table);
    messages::LeastRequest::support(table);
    messages::Random::support(table);
    messages::ClusterProvided::support(table);
    messages::RingHash::support(table);
    messages::Maglev::support(table);
    messages::Subset::support(table);
    messages::OverrideHost::support(table);
    messages::ClientSideWeightedRoundRobin::support(table);
    messages::WrrLocality::support(table);
}
