//! What is counted of checks: for the connection manager, and for the cluster that a request goes to.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ClusterDescription;

use crate::cluster_verdicts::{ClusterVerdicts, prefix};

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
    clusters: ClusterVerdicts,
    _scope: Option<Scope>,
}

impl WorkerStats {
    pub(super) fn new(context: &FilterWorkerContext<'_>, stat_prefix: &str) -> Self {
        let prefix = prefix("ext_authz", stat_prefix);
        let scope = context.scope.scope(&prefix);
        if let Some(scope) = &scope {
            scope.register::<ExtAuthzStats>();
        }
        WorkerStats {
            own: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            clusters: ClusterVerdicts::new(context, prefix),
            _scope: scope,
        }
    }

    /// Counts a verdict for a cluster.
    pub(super) fn count(&self, cluster: Option<&Rc<ClusterDescription>>, name: &'static str) {
        if let Some(cluster) = cluster {
            self.clusters.count(cluster, name);
        }
    }

    /// Counts an answer as one of the cluster's.
    pub(super) fn charge(&self, cluster: Option<&Rc<ClusterDescription>>, status: u16) {
        if let Some(cluster) = cluster {
            self.clusters.charge(cluster, status);
        }
    }
}
