//! `envoy.router.cluster_specifier_plugin.priority_group`: groups of weighted clusters, one for each try of a request, the
//! last for all that are left.
//!
//! Which of a group's clusters it is, a random number says that a request keeps for all its tries, or a header
//! (`header_name`) if it is a number. Other tries go to other groups with `refresh_cluster_on_retry` alone. Not supported:
//! `override_metadata_namespace` and `use_hash_policy`. Follows
//! `envoy.extensions.router.cluster_specifiers.priority_group.v3`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::cluster_specifier::{ClusterSpecifier, ClusterSpecifierRoom};
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::stream_info::StreamInfo;

/// The room.
pub static ROOM: ClusterSpecifierRoom = ClusterSpecifierRoom {
    name: "envoy.router.cluster_specifier_plugin.priority_group",
    message: "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier",
    parse,
    support: PriorityGroupClusterSpecifier::support,
};

message! {
    /// The plugin's config.
    struct PriorityGroupClusterSpecifier: "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier" {
        priority_groups: Vec<PriorityGroup>,
        oneof random_value_specifier: Option<RandomValue>,
    }
}

one_of! {
    /// Where the number comes from that chooses.
    enum RandomValue {
        header_name => Header(Spanned<String>),
    }
}

message! {
    /// A group.
    struct PriorityGroup: "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroup" {
        inert name = "only what overrides groups names them",
        clusters: Vec<ClusterWeight>,
    }
}

message! {
    /// A cluster of a group.
    struct ClusterWeight: "envoy.extensions.router.cluster_specifiers.priority_group.v3.ClusterWeight" {
        cluster_name: String,
        weight: u32,
    }
}

/// The plugin, compiled.
struct Plugin {
    groups: Box<[Group]>,
    header: Option<HeaderName>,
    seed: RandomState,
}

/// A group, compiled.
struct Group {
    /// The clusters, and the sum of all weights up to each.
    clusters: Box<[(Box<str>, u64)]>,
    total: u64,
}

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ClusterSpecifier>, Refused> {
    let message: PriorityGroupClusterSpecifier = any.decode(ctx)?;
    let header = message.random_value_specifier.as_ref();
    Ok(Arc::new(Plugin {
        groups: message.priority_groups.iter().map(Group::of).collect(),
        // A name that no header can have is never there.
        header: header.and_then(|RandomValue::Header(name)| HeaderName::parse(&name.value).ok()),
        seed: RandomState::new(),
    }))
}

impl Group {
    fn of(message: &PriorityGroup) -> Self {
        let mut total = 0;
        let clusters = message.clusters.iter().map(|cluster| {
            total += u64::from(cluster.weight);
            (cluster.cluster_name.as_str().into(), total)
        });
        Group {
            clusters: clusters.collect(),
            total,
        }
    }

    /// The cluster that a number falls to.
    fn choose(&self, number: u64) -> Option<&str> {
        let number = number.checked_rem(self.total)?;
        let mut clusters = self.clusters.iter();
        let (name, _) = clusters.find(|(_, up_to)| number < *up_to)?;
        Some(name)
    }
}

impl Plugin {
    /// The number of a request, the same for all its tries.
    fn number(&self, request: &HeaderMap, info: &StreamInfo) -> u64 {
        let value = self.header.as_ref().and_then(|name| request.get(name));
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        let told = text.and_then(|text| text.parse().ok());
        told.unwrap_or_else(|| self.seed.hash_one((info.connection.id, info.start)))
    }
}

impl ClusterSpecifier for Plugin {
    fn choose(&self, request: &HeaderMap, info: &StreamInfo) -> Vec<u8> {
        let earlier = info.attempt_count.unwrap_or(1).saturating_sub(1);
        let earlier = usize::try_from(earlier).unwrap_or(usize::MAX);
        let group = self.groups.get(earlier).or(self.groups.last());
        let cluster = group.and_then(|group| group.choose(self.number(request, info)));
        cluster.map_or_else(Vec::new, |name| name.as_bytes().to_vec())
    }

    fn chooses_again(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_falls_to_clusters_by_their_weights() {
        let group = Group {
            clusters: [("a".into(), 1), ("b".into(), 4)].into(),
            total: 4,
        };
        let chosen: Vec<_> = (0..5).map(|number| group.choose(number)).collect();
        assert_eq!(chosen, ["a", "b", "b", "b", "a"].map(Some));
    }
}
