//! Forwarding: which cluster, and what becomes of host and path.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::cluster_specifier::ClusterSpecifier;
use nuncio_contract::cors::CorsPolicy;
use nuncio_contract::formatter::Format;
use nuncio_contract::hash_policy::HashPolicies;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::matching::RegexRewrite;
use nuncio_contract::matching::uri_template::TemplateRewrite;
use nuncio_contract::rate_limit::RateLimitPolicy;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::ClusterId;
use nuncio_upstream::cluster::ResourcePriority;

use super::resilience::{Resilience, StreamTimes};
use super::weight::{self, Weight};
use super::{Level, RouteUpgrades, without_query};

/// A forwarding action.
pub struct Forward {
    pub(super) cluster: ClusterSource,
    /// The status of the answer where the cluster does not exist.
    pub cluster_not_found_status: u16,
    pub(super) path: PathRewrite,
    pub(super) host: Option<HostRewrite>,
    /// Whether the old host is appended to `x-forwarded-host`.
    pub append_x_forwarded_host: bool,
    /// The whole response's timeout; none for no limit. Envoy's default: 15 s.
    pub timeout: Option<Duration>,
    /// The stream's idle timeout, instead of the connection manager's.
    pub idle_timeout: Option<Duration>,
    /// Upgrades that the route allows or forbids; none if it has no word on any.
    pub upgrades: Option<Box<RouteUpgrades>>,
    /// What of a request is hashed for its host, where the cluster's policy goes by that; none if nothing is.
    pub hash_policies: Option<Box<HashPolicies>>,
    /// Metadata that the host has to have, where the cluster has subsets.
    pub(super) metadata_match: Option<Box<Struct>>,
    /// The route's policy in its deprecated `cors` field.
    pub cors: Option<Box<CorsPolicy>>,
    /// What filters limit requests by; none if nothing is said of it.
    pub rate_limits: Option<Box<RateLimits>>,
    /// Which circuit breakers and connections requests use.
    pub priority: ResourcePriority,
    /// What is said of failures, by the route or its virtual host; none if nothing is.
    pub resilience: Option<Box<Resilience>>,
    /// How long streams and gRPC's calls may take; none if nothing is said of it.
    pub times: Option<Box<StreamTimes>>,
}

/// What filters limit a route's requests by.
#[derive(Debug)]
pub struct RateLimits {
    /// The route's own descriptors.
    pub policy: RateLimitPolicy,
    /// Whether its virtual host's count as well, whatever a filter says.
    pub includes_host: bool,
}

pub(super) enum ClusterSource {
    One(ClusterId, Box<str>),
    Header(HeaderName),
    /// A plugin, and its name.
    Plugin(Box<str>, Arc<dyn ClusterSpecifier>),
    Weighted {
        by: PickedBy,
        /// The sum of the weights; none where runtime may change it.
        total: Option<u64>,
        clusters: Box<[Weighted]>,
    },
}

/// What one of several clusters is picked by.
pub(super) enum PickedBy {
    Chance,
    /// The number in this header.
    Header(HeaderName),
    /// The hash that the route's policies make of the request.
    Hash,
}

pub(super) struct Weighted {
    pub(super) target: WeightedTarget,
    pub(super) weight: Weight,
    pub(super) level: Level,
    /// The route's metadata match with this cluster's.
    pub(super) metadata_match: Option<Box<Struct>>,
}

pub(super) enum WeightedTarget {
    Named(ClusterId, Box<str>),
    Header(HeaderName),
}

pub(super) enum PathRewrite {
    None,
    Prefix(Box<[u8]>),
    Regex(RegexRewrite),
    Template(TemplateRewrite),
    Format(Format),
}

pub(super) enum HostRewrite {
    Literal(Box<[u8]>),
    /// The upstream host's own name, known once it is chosen.
    Auto,
    Header(HeaderName),
    PathRegex(RegexRewrite),
    Format(Format),
}

/// The cluster of one request.
pub enum ClusterChoice<'a> {
    /// A cluster that the config names.
    Named {
        /// Its slot.
        id: ClusterId,
        /// Its name.
        name: &'a str,
    },
    /// The value of a header, to be looked up.
    ByName(&'a [u8]),
    /// The header that should name it is missing.
    Missing,
}

/// How a forwarding action chooses its cluster.
pub enum SourceOfCluster<'a> {
    /// The config names it.
    Named,
    /// A header names it.
    Header(&'a HeaderName),
    /// The plugin of this name.
    Plugin(&'a str),
    /// By chance, each by its weight.
    Weighted(Vec<(String, u64)>),
}

/// What the host rewrite comes to.
pub enum HostRewritten<'a> {
    /// The host stays.
    Kept,
    /// The new host.
    To(Vec<u8>),
    /// What the format gives, unless that is nothing.
    By(&'a Format),
    /// The upstream host's name.
    UpstreamHostname,
}

impl Forward {
    /// The place among weighted clusters that `random` falls on; none where there are no weights.
    pub fn pick_weighted(
        &self,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Option<usize> {
        let ClusterSource::Weighted {
            by,
            total,
            clusters,
        } = &self.cluster
        else {
            return None;
        };
        let random = self.given(by, request, info).unwrap_or(random);
        let total = total.or_else(|| weight::total(clusters.iter().map(|cluster| &cluster.weight)));
        let mut point = random.checked_rem(total?)?;
        clusters.iter().position(|cluster| {
            let weight = cluster.weight.now();
            let inside = point < weight;
            point = point.wrapping_sub(weight);
            inside
        })
    }

    /// What the request says of the place among weighted clusters.
    fn given(&self, by: &PickedBy, request: &HeaderMap, info: &StreamInfo) -> Option<u64> {
        match by {
            PickedBy::Chance => None,
            PickedBy::Header(name) => only_number(request, name),
            PickedBy::Hash => {
                let policies = self.hash_policies.as_ref();
                policies.and_then(|policies| policies.hash(request, info).hash)
            }
        }
    }

    /// The place for another try, where there are weights: none of those `used`, unless all are. `picked` is one of
    /// these from now on.
    #[cold]
    pub(crate) fn pick_another(
        &self,
        (request, info): (&HeaderMap, &StreamInfo),
        random: u64,
        picked: usize,
        used: &mut Vec<usize>,
    ) -> Option<usize> {
        let ClusterSource::Weighted { by, clusters, .. } = &self.cluster else {
            return None;
        };
        if !used.contains(&picked) {
            used.push(picked);
        }
        if used.len() == clusters.len() {
            used.clear();
        }
        let eligible = |place: &usize| !used.contains(place);
        let weights = clusters.iter().map(|cluster| cluster.weight.now());
        let left = weights.enumerate().filter(|(place, _)| eligible(place));
        let total = left
            .clone()
            .try_fold(0_u64, |sum, (_, weight)| sum.checked_add(weight))?;
        let random = self.given(by, request, info).unwrap_or(random);
        let mut point = random.checked_rem(total)?;
        for (place, weight) in left {
            match point.checked_sub(weight) {
                None => return Some(place),
                Some(behind) => point = behind,
            }
        }
        None
    }

    /// The name that a plugin chooses for another try, where one does and there is one.
    #[cold]
    pub(crate) fn name_another(&self, request: &HeaderMap, info: &StreamInfo) -> Option<Vec<u8>> {
        match &self.cluster {
            ClusterSource::Plugin(_, plugin) if plugin.chooses_again() => {
                Some(plugin.choose(request, info)).filter(|name| !name.is_empty())
            }
            _ => None,
        }
    }

    /// Metadata that the host of a request has to have, of which the weighted cluster is known.
    pub fn metadata_match(&self, picked: Option<usize>) -> Option<&Struct> {
        let of_cluster = match &self.cluster {
            ClusterSource::Weighted { clusters, .. } => {
                picked.and_then(|place| clusters.get(place)?.metadata_match.as_deref())
            }
            _ => None,
        };
        of_cluster.or(self.metadata_match.as_deref())
    }

    /// How the cluster is chosen, for people who ask.
    pub fn source(&self) -> SourceOfCluster<'_> {
        match &self.cluster {
            ClusterSource::One(..) => SourceOfCluster::Named,
            ClusterSource::Header(name) => SourceOfCluster::Header(name),
            ClusterSource::Plugin(name, _) => SourceOfCluster::Plugin(name),
            ClusterSource::Weighted { clusters, .. } => {
                let share =
                    |cluster: &'_ Weighted| (cluster.target.to_string(), cluster.weight.now());
                SourceOfCluster::Weighted(clusters.iter().map(share).collect())
            }
        }
    }

    /// What the picked weighted cluster adds to the route.
    pub fn weighted_level(&self, picked: usize) -> Option<&Level> {
        match &self.cluster {
            ClusterSource::Weighted { clusters, .. } => {
                clusters.get(picked).map(|cluster| &cluster.level)
            }
            _ => None,
        }
    }

    /// What each of the weighted clusters adds to the route.
    pub(super) fn weighted_levels(&self) -> Box<[&Level]> {
        match &self.cluster {
            ClusterSource::Weighted { clusters, .. } => {
                clusters.iter().map(|cluster| &cluster.level).collect()
            }
            _ => Box::default(),
        }
    }

    /// The name of the cluster that the request's header gives, or a plugin, where one is to.
    pub fn named_by<'a>(
        &self,
        picked: Option<usize>,
        request: &'a HeaderMap,
        info: &StreamInfo,
    ) -> Option<Cow<'a, [u8]>> {
        let in_header = match &self.cluster {
            ClusterSource::One(..) => None,
            ClusterSource::Plugin(_, plugin) => {
                return Some(Cow::Owned(plugin.choose(request, info)));
            }
            ClusterSource::Header(name) => request.get(name),
            ClusterSource::Weighted { clusters, .. } => match &clusters.get(picked?)?.target {
                WeightedTarget::Named(..) => None,
                WeightedTarget::Header(name) => request.get(name),
            },
        };
        in_header.map(Cow::Borrowed)
    }

    /// The cluster for a request of which `picked` and `named` are known.
    pub fn cluster<'a>(
        &'a self,
        picked: Option<usize>,
        named: Option<&'a [u8]>,
    ) -> ClusterChoice<'a> {
        match &self.cluster {
            ClusterSource::One(id, name) => ClusterChoice::Named { id: *id, name },
            ClusterSource::Header(_) | ClusterSource::Plugin(..) => {
                named.map_or(ClusterChoice::Missing, ClusterChoice::ByName)
            }
            ClusterSource::Weighted { clusters, .. } => {
                let picked = picked.and_then(|place| clusters.get(place));
                match picked.map(|picked| &picked.target) {
                    Some(WeightedTarget::Named(id, name)) => ClusterChoice::Named { id: *id, name },
                    Some(WeightedTarget::Header(_)) => {
                        named.map_or(ClusterChoice::Missing, ClusterChoice::ByName)
                    }
                    None => ClusterChoice::Missing,
                }
            }
        }
    }

    /// The new host, which may depend on the request.
    pub fn rewrite_host(&self, request: &HeaderMap) -> HostRewritten<'_> {
        let new = match &self.host {
            None => return HostRewritten::Kept,
            Some(HostRewrite::Auto) => return HostRewritten::UpstreamHostname,
            Some(HostRewrite::Format(format)) => return HostRewritten::By(format),
            Some(HostRewrite::Literal(host)) => host.to_vec(),
            Some(HostRewrite::Header(name)) => request.get(name).unwrap_or_default().to_vec(),
            Some(HostRewrite::PathRegex(regex)) => {
                regex.replace_all(without_query(request.get(Known::Path).unwrap_or_default()))
            }
        };
        if new.is_empty() {
            HostRewritten::Kept
        } else {
            HostRewritten::To(new)
        }
    }

    /// What makes the new path, where that is a format; its empty text leaves the path as it is.
    pub fn path_format(&self) -> Option<&Format> {
        match &self.path {
            PathRewrite::Format(format) => Some(format),
            _ => None,
        }
    }

    /// The new path, where `matched_len` bytes of the old one were matched by the route; none if it stays, or if a
    /// format makes it.
    pub fn rewrite_path(&self, path: &[u8], matched_len: usize) -> Option<Vec<u8>> {
        rewrite(&self.path, path, matched_len)
    }
}

/// The number in a header that is there once.
fn only_number(request: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = request.get_all_named(name);
    let only = values.next().filter(|_| values.next().is_none())?;
    std::str::from_utf8(only).ok()?.trim().parse().ok()
}

impl std::fmt::Display for WeightedTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WeightedTarget::Named(_, name) => formatter.write_str(name),
            WeightedTarget::Header(name) => write!(formatter, "the one in `{}`", name.as_str()),
        }
    }
}

pub(super) fn rewrite(rewrite: &PathRewrite, path: &[u8], matched_len: usize) -> Option<Vec<u8>> {
    let (mut new, rest) = match rewrite {
        PathRewrite::None | PathRewrite::Format(_) => return None,
        PathRewrite::Prefix(prefix) => (prefix.to_vec(), path.get(matched_len..)?),
        PathRewrite::Regex(regex) => {
            let only_path = without_query(path);
            let new = regex.replace_all(only_path);
            if new.is_empty() {
                return None;
            }
            (new, path.get(only_path.len()..)?)
        }
        PathRewrite::Template(template) => {
            let only_path = without_query(path);
            (template.rewrite(only_path)?, path.get(only_path.len()..)?)
        }
    };
    new.extend_from_slice(rest);
    Some(new)
}
