//! What filters that ask a service count for the cluster that a request goes to:
//! `cluster.<name>.<filter>.[<stat_prefix>.]`, and their answers as the cluster's. Cells are made with the first verdict.

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
pub(crate) struct ClusterVerdicts {
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

/// The names of a filter's stats begin so.
pub(crate) fn prefix(filter: &str, stat_prefix: &str) -> String {
    match stat_prefix {
        "" => filter.to_owned(),
        prefix => format!("{filter}.{prefix}"),
    }
}

impl ClusterVerdicts {
    pub(crate) fn new(context: &FilterWorkerContext<'_>, prefix: String) -> Self {
        ClusterVerdicts {
            root: context.root.clone(),
            prefix,
            clusters: RefCell::default(),
        }
    }

    /// Counts a verdict.
    pub(crate) fn count(&self, cluster: &Rc<ClusterDescription>, name: &'static str) {
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
    pub(crate) fn charge(&self, cluster: &Rc<ClusterDescription>, status: u16) {
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
