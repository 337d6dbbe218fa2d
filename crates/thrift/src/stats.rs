//! What the Thrift proxy counts of clients.

use nuncio_contract::stat_group;

stat_group! {
    /// Connections, calls and their answers, at `thrift.<stat_prefix>.`.
    pub struct ProxyStats("") {
        counters {
            cx_destroy_local_with_active_rq,
            cx_destroy_remote_with_active_rq,
            downstream_cx_max_requests,
            downstream_response_drain_close,
            request,
            request_call,
            request_decoding_error,
            request_internal_error,
            request_invalid_type,
            request_oneway,
            request_passthrough,
            response,
            response_decoding_error,
            response_error,
            response_exception,
            response_invalid_type,
            response_passthrough,
            response_reply,
            response_success,
        }
        gauges { request_active }
        histograms { request_time_ms: Milliseconds }
    }
}

stat_group! {
    /// What its router counts, at the same place; not there without one.
    pub struct RouterStats("") {
        counters {
            no_healthy_upstream,
            route_missing,
            shadow_request_submit_failure,
            unknown_cluster,
            upstream_rq_maintenance_mode,
        }
    }
}
