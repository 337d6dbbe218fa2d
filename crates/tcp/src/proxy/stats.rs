//! What the TCP proxy counts.

use nuncio_contract::stat_group;

stat_group! {
    /// Connections of a TCP proxy, at `tcp.<stat_prefix>.`.
    pub struct TcpProxyStats("") {
        counters {
            downstream_cx_drain_close,
            downstream_cx_no_route,
            downstream_cx_overload_close,
            downstream_cx_rx_bytes_total,
            downstream_cx_total,
            downstream_cx_tx_bytes_total,
            downstream_flow_control_paused_reading_total,
            downstream_flow_control_resumed_reading_total,
            early_data_received_count_total,
            idle_timeout,
            max_downstream_connection_duration,
            route_delayed_total,
            upstream_flush_total,
        }
        gauges {
            downstream_cx_rx_bytes_buffered,
            downstream_cx_tx_bytes_buffered,
            upstream_flush_active,
        }
    }
}

stat_group! {
    /// What Envoy's tunnels have of a router's counters: nothing of it happens to them.
    pub struct TunnelStats("tcpproxy_tunneling.") {
        counters {
            no_cluster,
            no_route,
            passthrough_internal_redirect_bad_location,
            passthrough_internal_redirect_no_route,
            passthrough_internal_redirect_predicate,
            passthrough_internal_redirect_too_many_redirects,
            passthrough_internal_redirect_unsafe_scheme,
            rq_direct_response,
            rq_overload_local_reply,
            rq_redirect,
            rq_reset_after_downstream_response_started,
            rq_total,
        }
    }
}

stat_group! {
    /// Clusters that were asked for on demand, beside the others.
    pub struct OnDemandStats("") {
        counters {
            on_demand_cluster_attempt,
            on_demand_cluster_missing,
            on_demand_cluster_success,
            on_demand_cluster_timeout,
        }
    }
}
