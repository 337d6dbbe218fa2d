//! The clusters that commands go to.

use std::sync::Arc;

use nuncio_config::typed::Ctx;
use nuncio_contract::forward_proxy::DnsCacheSettings;
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_upstream::ClusterId;
use nuncio_upstream::forward_proxy::DnsCache;

use crate::stats::ClusterStats;

/// A cluster that commands go to.
pub(crate) struct Target {
    pub(crate) id: ClusterId,
    /// `cluster.<name>.redis_cluster.`
    pub(crate) scope: Scope,
}

/// What the compilation takes from the server.
pub struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// Gives the number of a cluster.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// Gives a cache of names.
    pub cache_of_names: &'a dyn Fn(&DnsCacheSettings) -> Arc<DnsCache>,
    /// The stats.
    pub stats: &'a StatsStore,
}

/// The clusters that routes name.
pub(crate) struct Targets<'a, 'c> {
    context: &'a mut CompileContext<'c>,
    names: Vec<String>,
    targets: Vec<Target>,
}

impl<'a, 'c> Targets<'a, 'c> {
    pub(crate) fn new(context: &'a mut CompileContext<'c>) -> Self {
        Targets {
            context,
            names: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<Target> {
        self.targets
    }

    /// The place of a cluster.
    pub(crate) fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.names.iter().position(|other| other == name) {
            return place;
        }
        let scope = format!("cluster.{name}.redis_cluster");
        let scope = self.context.stats.scope(&scope);
        scope.register::<ClusterStats>();
        self.targets.push(Target {
            id: (self.context.cluster_id)(name),
            scope,
        });
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    pub(crate) fn ctx(&mut self) -> &mut Ctx {
        self.context.ctx
    }
}
