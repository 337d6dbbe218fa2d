//! What is counted of streams to the processor.

use std::sync::Arc;

use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

stat_group! {
    /// Streams and messages, at `http.<stat_prefix>.ext_proc.[<stat_prefix>.]`.
    pub struct ExtProcStats("") {
        counters {
            clear_route_cache_disabled,
            clear_route_cache_ignored,
            clear_route_cache_upstream_ignored,
            failure_mode_allowed,
            http_not_ok_resp_received,
            immediate_responses_sent,
            message_timeouts,
            override_message_timeout_ignored,
            override_message_timeout_received,
            rejected_header_mutations,
            server_half_closed,
            spurious_msgs_received,
            stream_msgs_received,
            stream_msgs_sent,
            streams_closed,
            streams_failed,
            streams_started,
        }
    }
}

/// A worker's cells.
pub(super) struct WorkerStats {
    pub(super) cells: Arc<ExtProcStats>,
    _scope: Option<Scope>,
}

impl WorkerStats {
    pub(super) fn new(context: &FilterWorkerContext<'_>, stat_prefix: &str) -> Self {
        let prefix = crate::cluster_verdicts::prefix("ext_proc", stat_prefix);
        let scope = context.scope.scope(&prefix);
        if let Some(scope) = &scope {
            scope.register::<ExtProcStats>();
        }
        WorkerStats {
            cells: scope.as_ref().map(Scope::worker_group).unwrap_or_default(),
            _scope: scope,
        }
    }
}
