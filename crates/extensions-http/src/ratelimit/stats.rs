//! What is counted of verdicts, for the cluster that a request goes to: `cluster.<name>.ratelimit.[<stat_prefix>.]`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_contract::stats::{CodeCounters, Completed, Counter, Scope};
use nuncio_contract::stream_info::ClusterDescription;

use crate::level_stats::Kept;

/// A worker's cells.
pub(super) struct WorkerStats {
    root: Scope,
    prefix: String,
    clusters: RefCell<Kept<Rc<ClusterDescription>, Option<Rc<OfCluster>>>>,
}

/// Those of a cluster.
struct OfCluster {
    scope: Scope,
    counters: RefCell<HashMap<&'static str, Arc<Counter>>>,
    all: Arc<CodeCounters>,
    internal: Arc<CodeCounters>,
    traffic: Arc<ClusterTrafficStats>,
}

impl WorkerStats {
    pub(super) fn new(context: &FilterWorkerContext<'_>, stat_prefix: &str) -> Self {
        WorkerStats {
            root: context.root.clone(),
            prefix: match stat_prefix {
                "" => "ratelimit".to_owned(),
                prefix => format!("ratelimit.{prefix}"),
            },
            clusters: RefCell::default(),
        }
    }

    /// Counts a verdict.
    pub(super) fn count(&self, cluster: &Rc<ClusterDescription>, name: &'static str) {
        let Some(cluster) = self.of(cluster) else {
            return;
        };
        let mut counters = cluster.counters.borrow_mut();
        let counter = counters.entry(name).or_insert_with(|| {
            let name = format!("{}.{name}", self.prefix);
            cluster.scope.counter(&name)
        });
        counter.inc();
    }

    /// Counts an answer as one of the cluster's, to an internal request as in Envoy.
    pub(super) fn charge(&self, cluster: &Rc<ClusterDescription>, status: u16) {
        if let Some(cluster) = self.of(cluster) {
            cluster.traffic.upstream_rq_completed.inc();
            cluster.all.inc(status);
            cluster.internal.inc(status);
        }
    }

    fn of(&self, cluster: &Rc<ClusterDescription>) -> Option<Rc<OfCluster>> {
        let make = || {
            let name = format!("cluster.{}", cluster.observability_name);
            let scope = self.root.scope(&name)?;
            Some(Rc::new(OfCluster {
                counters: RefCell::default(),
                all: scope.worker_codes("", Completed::Elsewhere),
                internal: scope.worker_codes("internal.", Completed::Listed),
                traffic: scope.worker_group(),
                scope,
            }))
        };
        self.clusters.borrow_mut().get(cluster, make).clone()
    }
}
