//! What is counted of checks: for the connection manager, and for the cluster that a request goes to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::stat_group;
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_contract::stats::{CodeCounters, Completed, Counter, Scope};
use nuncio_contract::stream_info::ClusterDescription;

use crate::level_stats::Kept;

stat_group! {
    /// Requests by verdict, at `http.<stat_prefix>.ext_authz.[<stat_prefix>.]`.
    pub struct ExtAuthzStats("") {
        counters {
            denied,
            disabled,
            error,
            failure_mode_allowed,
            filter_state_name_collision,
            ignored_dynamic_metadata,
            invalid,
            ok,
            omitted_response_headers,
            request_header_limits_reached,
            response_header_limits_reached,
            shadow_denied,
            shadow_error,
        }
    }
}

/// A worker's cells.
pub(super) struct WorkerStats {
    pub(super) own: Arc<ExtAuthzStats>,
    root: Scope,
    prefix: String,
    clusters: RefCell<Kept<Rc<ClusterDescription>, Option<Rc<OfCluster>>>>,
    _scope: Option<Scope>,
}

/// Those of a cluster.
pub(super) struct OfCluster {
    scope: Scope,
    counters: RefCell<HashMap<&'static str, Arc<Counter>>>,
    all: Arc<CodeCounters>,
    internal: Arc<CodeCounters>,
    traffic: Arc<ClusterTrafficStats>,
}

impl WorkerStats {
    pub(super) fn new(context: &FilterWorkerContext<'_>, stat_prefix: &str) -> Self {
        let prefix = match stat_prefix {
            "" => "ext_authz".to_owned(),
            prefix => format!("ext_authz.{prefix}"),
        };
        let scope = context.scope.scope(&prefix);
        if let Some(scope) = &scope {
            scope.register::<ExtAuthzStats>();
        }
        WorkerStats {
            own: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            root: context.root.clone(),
            prefix,
            clusters: RefCell::default(),
            _scope: scope,
        }
    }

    /// Counts a verdict for a cluster.
    pub(super) fn count(&self, cluster: Option<&Rc<ClusterDescription>>, name: &'static str) {
        let Some(cluster) = cluster.and_then(|cluster| self.of(cluster)) else {
            return;
        };
        let mut counters = cluster.counters.borrow_mut();
        let counter = counters.entry(name).or_insert_with(|| {
            let name = format!("{}.{name}", self.prefix);
            cluster.scope.counter(&name)
        });
        counter.inc();
    }

    /// Counts an answer as one of the cluster's.
    pub(super) fn charge(&self, cluster: Option<&Rc<ClusterDescription>>, status: u16) {
        if let Some(cluster) = cluster.and_then(|cluster| self.of(cluster)) {
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
