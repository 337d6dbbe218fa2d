//! The weights of weighted clusters, which runtime may change.
//!
//! Where their sum is 0, or more than 32 bits hold, the route does not match, as in Envoy.

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::Refused;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::stream_info::metadata::Struct;

use super::compile::balancing_metadata;
use super::forward::{ClusterSource, Forward, PickedBy, Weighted, WeightedTarget};
use super::{Level, RouteCompiler};
use crate::config::route as config;

/// The weight of one cluster.
#[derive(Clone)]
pub(super) struct Weight {
    /// As the configuration has it.
    pub(super) default: u64,
    /// `<runtime_key_prefix>.<cluster>`, or none.
    pub(super) key: RuntimeKey,
}

impl Weight {
    /// The weight in force.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.key.integer(self.default)
    }
}

/// The sum of weights; none if nothing can be picked by them.
pub(super) fn total<'a>(mut weights: impl Iterator<Item = &'a Weight>) -> Option<u64> {
    let sum = weights.try_fold(0_u64, |sum, weight| sum.checked_add(weight.now()))?;
    (1..=u64::from(u32::MAX)).contains(&sum).then_some(sum)
}

/// The weights of a route's clusters where runtime may change them; they are part of what it matches.
pub(super) struct RuntimeWeights(Box<[Weight]>);

impl RuntimeWeights {
    pub(super) fn of(forward: &Forward) -> Option<Self> {
        match &forward.cluster {
            ClusterSource::Weighted {
                total: None,
                clusters,
                ..
            } => {
                let weights = clusters.iter().map(|cluster| cluster.weight.clone());
                Some(RuntimeWeights(weights.collect()))
            }
            _ => None,
        }
    }

    /// Whether a cluster can be picked by them.
    pub(super) fn can_pick(&self) -> bool {
        total(self.0.iter()).is_some()
    }
}

/// The route's metadata match with that of one of its clusters, which wins.
fn merged(of_route: Option<&Struct>, own: Option<&MetadataMessage>) -> Option<Box<Struct>> {
    let own = balancing_metadata(own)?;
    let mut merged = of_route.cloned().unwrap_or_default();
    for (name, value) in own.fields() {
        merged.insert(name, value.clone());
    }
    Some(Box::new(merged))
}

impl RouteCompiler<'_> {
    pub(super) fn weighted(
        &mut self,
        weighted: &config::WeightedCluster,
        metadata_match: Option<&Struct>,
    ) -> Result<ClusterSource, Refused> {
        let clusters: Vec<_> = weighted
            .clusters
            .iter()
            .map(|cluster| {
                self.weighted_entry(cluster, &weighted.runtime_key_prefix, metadata_match)
            })
            .collect();
        let clusters: Box<[Weighted]> = clusters.into_iter().collect::<Result<_, _>>()?;
        let by = match &weighted.random_value_specifier {
            Some(config::RandomValue::Header(name)) if !name.value.is_empty() => {
                PickedBy::Header(HeaderName::to_look_up(&name.value))
            }
            Some(config::RandomValue::Hash(Some(true))) => PickedBy::Hash,
            _ => PickedBy::Chance,
        };
        let sum = |sum: u64, cluster: &Weighted| sum.saturating_add(cluster.weight.now());
        let total = clusters.iter().fold(0, sum);
        let fault = if total == 0 {
            Some("Sum of weights in the weighted_cluster must be greater than 0.".to_string())
        } else if total > u64::from(u32::MAX) {
            Some(
                "The sum of weights of all weighted clusters of route exceeds 4294967295"
                    .to_string(),
            )
        } else {
            None
        };
        match fault {
            None => Ok(ClusterSource::Weighted {
                by,
                total: weighted.runtime_key_prefix.is_empty().then_some(total),
                clusters,
            }),
            Some(text) => {
                self.ctx.error(weighted.span(), text);
                Err(Refused)
            }
        }
    }

    fn weighted_target(
        &mut self,
        cluster: &config::ClusterWeight,
    ) -> Result<WeightedTarget, Refused> {
        let (name, header) = (&cluster.name, &cluster.cluster_header);
        let text = match (name.value.is_empty(), header.value.is_empty()) {
            (true, true) => "At least one of name or cluster_header need to be specified",
            (false, false) => "Only one of name or cluster_header can be specified",
            (true, false) => {
                return Ok(WeightedTarget::Header(HeaderName::to_look_up(
                    &header.value,
                )));
            }
            (false, true) => {
                let id = self.cluster(name)?;
                return Ok(WeightedTarget::Named(id, name.value.as_str().into()));
            }
        };
        self.ctx.error(cluster.span(), text);
        Err(Refused)
    }

    fn weighted_entry(
        &mut self,
        cluster: &config::ClusterWeight,
        prefix: &str,
        metadata_match: Option<&Struct>,
    ) -> Result<Weighted, Refused> {
        let level = self.level(
            (
                &cluster.request_headers_to_add,
                &cluster.request_headers_to_remove,
            ),
            (
                &cluster.response_headers_to_add,
                &cluster.response_headers_to_remove,
            ),
            &cluster.typed_per_filter_config,
        );
        let target = self.weighted_target(cluster);
        let weight = cluster.weight.ok_or_else(|| {
            let text = format!(
                "Field 'weight' is missing in: name: \"{}\"",
                cluster.name.value
            );
            self.ctx.error(cluster.name.span, text);
            Refused
        });
        let key = match prefix {
            "" => RuntimeKey::default(),
            prefix => {
                let name = format!("{prefix}.{}", cluster.name.value);
                self.ctx.runtime.key(&name)
            }
        };
        Ok(Weighted {
            target: target?,
            metadata_match: merged(metadata_match, cluster.metadata_match.as_ref()),
            weight: Weight {
                default: weight?.into(),
                key,
            },
            level: Level {
                host: match &cluster.host_rewrite_specifier {
                    Some(config::ClusterHostRewrite::Literal(host)) if !host.is_empty() => {
                        Some(host.as_bytes().into())
                    }
                    _ => None,
                },
                ..level?
            },
        })
    }
}
