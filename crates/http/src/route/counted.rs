//! Requests that are counted apart under their virtual host: those of a virtual cluster, and those of a route with a
//! `stat_prefix`.
//!
//! The table says where (`vhost.<host>.vcluster.<name>.`, `vhost.<host>.route.<stat_prefix>.`), each worker has cells
//! of its own there. What no virtual cluster of a host matches counts under `other`, where the host has any.

use std::cell::OnceCell;
use std::sync::Arc;

use hashbrown::HashMap;
use nuncio_config::typed::Refused;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::matching::CompiledHeaderMatcher;
use nuncio_contract::stats::groups::{UpstreamResponseTime, VirtualHostRequestStats};
use nuncio_contract::stats::{CodeCounters, Completed, Scope};

use super::compile::RouteCompiler;
use super::{RouteIndex, RouteTable, VirtualHost};
use crate::config::route as config;

/// The virtual cluster of requests that match no other.
const OTHER: &str = "other";

/// A virtual cluster.
pub(super) struct VirtualCluster {
    pub(super) name: Arc<str>,
    /// All of them match; those of `other` are none.
    pub(super) headers: Box<[CompiledHeaderMatcher]>,
    place: usize,
}

impl VirtualCluster {
    pub(super) fn new(name: &str, headers: Box<[CompiledHeaderMatcher]>) -> Self {
        Self {
            name: name.into(),
            headers,
            place: 0,
        }
    }

    /// The one that follows all others.
    pub(super) fn other() -> Self {
        Self::new(OTHER, Box::default())
    }
}

/// Where a request is counted: indices into the worker's [`RequestStats`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The place of its virtual cluster.
    pub(crate) virtual_cluster: Option<usize>,
    /// The name of its virtual cluster as the log shows it; `other` has none there.
    pub(crate) name: Option<Arc<str>>,
    /// The place of its route.
    pub(crate) route: Option<usize>,
}

impl RouteCompiler<'_> {
    /// The virtual clusters of a host, with the one for all others.
    pub(super) fn virtual_clusters(
        &mut self,
        clusters: &[config::VirtualCluster],
    ) -> Result<Box<[VirtualCluster]>, Refused> {
        let compiled = clusters.iter().map(|cluster| {
            if cluster.headers.is_empty() {
                let text = "virtual clusters must define 'headers'";
                self.ctx.error(cluster.span(), text);
                return Err(Refused);
            }
            let headers = cluster
                .headers
                .iter()
                .map(|header| CompiledHeaderMatcher::compile(header, self.ctx))
                .collect::<Vec<_>>();
            let headers = headers.into_iter().collect::<Result<_, _>>()?;
            Ok(VirtualCluster::new(&cluster.name, headers))
        });
        let compiled: Vec<_> = compiled.collect();
        let mut compiled = compiled.into_iter().collect::<Result<Vec<_>, _>>()?;
        if !compiled.is_empty() {
            compiled.push(VirtualCluster::other());
        }
        Ok(compiled.into())
    }
}

impl RouteTable {
    /// Where a request that goes to a cluster is counted.
    pub(crate) fn counted(&self, index: RouteIndex, request: &HeaderMap) -> Counted {
        let matches = |cluster: &&VirtualCluster| {
            let mut headers = cluster.headers.iter();
            headers.all(|header| header.matches(request))
        };
        let cluster = self
            .virtual_host(index)
            .and_then(|host| host.virtual_clusters.iter().find(matches));
        Counted {
            virtual_cluster: cluster.map(|cluster| cluster.place),
            name: cluster
                .filter(|cluster| !cluster.headers.is_empty())
                .map(|cluster| Arc::clone(&cluster.name)),
            route: self.route(index).and_then(|route| route.counted),
        }
    }

    /// Whether any request is counted apart.
    #[inline]
    pub(crate) fn counts(&self) -> bool {
        !self.counted.is_empty()
    }

    /// Gives each virtual cluster and each route with a `stat_prefix` its place.
    pub(super) fn number_counted(&mut self) {
        let mut scopes: Vec<Box<str>> = Vec::new();
        let mut places: HashMap<Box<str>, usize> = HashMap::new();
        let mut place_of = |scope: String| {
            // Routes of one host may share a prefix.
            let scope = Box::<str>::from(scope);
            *places.entry(scope.clone()).or_insert_with(|| {
                scopes.push(scope);
                scopes.len() - 1
            })
        };
        for host in &mut self.virtual_hosts {
            let VirtualHost {
                name,
                virtual_clusters,
                routes,
                ..
            } = host;
            for cluster in virtual_clusters {
                cluster.place = place_of(format!("vhost.{name}.vcluster.{}", cluster.name));
            }
            for route in routes {
                if !route.stat_prefix.is_empty() {
                    let scope = format!("vhost.{name}.route.{}", route.stat_prefix);
                    route.counted = Some(place_of(scope));
                }
            }
        }
        self.counted = scopes.into();
    }

    /// One worker's cells for all that is counted apart.
    pub(crate) fn request_stats(&self, root: &Scope) -> Box<[RequestStats]> {
        self.counted
            .iter()
            .filter_map(|name| root.scope(name))
            .map(RequestStats::new)
            .collect()
    }
}

/// What one worker counts at one place.
pub(crate) struct RequestStats {
    scope: Scope,
    pub(crate) counters: Arc<VirtualHostRequestStats>,
    codes: OnceCell<Arc<CodeCounters>>,
    time: OnceCell<Arc<UpstreamResponseTime>>,
}

impl RequestStats {
    fn new(scope: Scope) -> Self {
        Self {
            counters: scope.worker_group(),
            scope,
            codes: OnceCell::new(),
            time: OnceCell::new(),
        }
    }

    /// Counts the status of a response.
    pub(crate) fn charge(&self, status: u16) {
        let begin = || self.scope.worker_codes("", Completed::Listed);
        self.codes.get_or_init(begin).inc(status);
    }

    /// Counts how long a response took.
    pub(crate) fn took(&self, took_ms: u64) {
        let time = self.time.get_or_init(|| self.scope.worker_group());
        time.upstream_rq_time.record(took_ms);
    }
}
