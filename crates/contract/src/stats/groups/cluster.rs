//! `cluster.<name>.`: what every cluster lists, and what appears with its traffic.
//!
//! Workers write traffic and load-balancing stats, the main thread membership and updates.

use crate::stat_group;

stat_group! {
    /// Connections and requests of a cluster, at `cluster.<name>.`; one instance a worker.
    /// Histograms other than these appear later: see [`UpstreamResponseTime`].
    pub struct ClusterTrafficStats("") {
        counters {
            bind_errors,
            retry_or_shadow_abandoned,
            upstream_cx_close_notify,
            upstream_cx_connect_attempts_exceeded,
            upstream_cx_connect_fail,
            upstream_cx_connect_timeout,
            upstream_cx_connect_with_0_rtt,
            upstream_cx_destroy,
            upstream_cx_destroy_local,
            upstream_cx_destroy_local_with_active_rq,
            upstream_cx_destroy_remote,
            upstream_cx_destroy_remote_with_active_rq,
            upstream_cx_destroy_with_active_rq,
            upstream_cx_http1_total,
            upstream_cx_http2_total,
            upstream_cx_http3_total,
            upstream_cx_idle_timeout,
            upstream_cx_max_duration_reached,
            upstream_cx_max_requests,
            upstream_cx_none_healthy,
            upstream_cx_overflow,
            upstream_cx_pool_overflow,
            upstream_cx_preconnect_skipped,
            upstream_cx_protocol_error,
            upstream_cx_rx_bytes_total,
            upstream_cx_total,
            upstream_cx_tx_bytes_total,
            upstream_flow_control_backed_up_total,
            upstream_flow_control_drained_total,
            upstream_flow_control_paused_reading_total,
            upstream_flow_control_resumed_reading_total,
            upstream_http3_broken,
            upstream_internal_redirect_failed_total,
            upstream_internal_redirect_succeeded_total,
            upstream_rq_0rtt,
            upstream_rq_active_overflow,
            upstream_rq_cancelled,
            upstream_rq_completed,
            upstream_rq_maintenance_mode,
            upstream_rq_max_duration_reached,
            upstream_rq_pending_failure_eject,
            upstream_rq_pending_overflow,
            upstream_rq_pending_total,
            upstream_rq_per_try_idle_timeout,
            upstream_rq_per_try_timeout,
            upstream_rq_retry,
            upstream_rq_retry_backoff_exponential,
            upstream_rq_retry_backoff_ratelimited,
            upstream_rq_retry_limit_exceeded,
            upstream_rq_retry_overflow,
            upstream_rq_retry_success,
            upstream_rq_rx_reset,
            upstream_rq_rx_reset_no_error,
            upstream_rq_timeout,
            upstream_rq_total,
            upstream_rq_tx_reset,
        }
        gauges {
            upstream_cx_active,
            upstream_cx_rx_bytes_buffered,
            upstream_cx_tx_bytes_buffered,
            upstream_queue_overloaded,
            upstream_rq_active,
            upstream_rq_pending_active,
        }
        histograms {
            upstream_cx_connect_ms: Milliseconds,
            upstream_cx_length_ms: Milliseconds,
            upstream_rq_per_cx: Unspecified,
        }
    }
}

stat_group! {
    /// Membership of a cluster, at `cluster.<name>.`; written by the main thread.
    pub struct ClusterEndpointStats("") {
        counters {
            membership_change,
        }
        gauges {
            max_host_weight,
            membership_degraded,
            membership_excluded,
            membership_healthy,
            membership_total,
        }
    }
}

stat_group! {
    /// Discovery of a cluster's hosts, at `cluster.<name>.`; written by the main thread.
    pub struct ClusterUpdateStats("") {
        counters {
            assignment_stale,
            assignment_timeout_received,
            assignment_use_cached,
            update_attempt,
            update_empty,
            update_failure,
            update_no_rebuild,
            update_success,
        }
        gauges {
            warming_state,
        }
    }
}

stat_group! {
    /// The version of a cluster's hosts where nobody has told one; of others a gauge of all bits stands there.
    pub struct ClusterVersionStats("") {
        gauges {
            version,
        }
    }
}

stat_group! {
    /// What a cluster of type EDS lists beyond [`ClusterUpdateStats`].
    pub struct EdsStats("") {
        counters {
            init_fetch_timeout,
            update_rejected,
        }
        gauges {
            update_time,
        }
        histograms {
            update_duration: Milliseconds,
        }
    }
}

stat_group! {
    /// What one worker counts for a host, and that worker alone; listed at `cluster.<name>.endpoint.<address>.` where
    /// the cluster wants it.
    #[repr(align(64))]
    pub struct EndpointStats("") {
        counters {
            cx_connect_fail,
            cx_total,
            rq_error,
            rq_success,
            rq_timeout,
            rq_total,
        }
        gauges {
            cx_active,
            rq_active,
            rq_pending_active,
        }
    }
}

stat_group! {
    /// A host's health, beside [`EndpointStats`]; written by the main thread.
    pub struct EndpointHealthStats("") {
        gauges {
            healthy,
        }
    }
}

stat_group! {
    /// An active health check, at `cluster.<name>.health_check.`, or at `cluster.<name>.health_check.name.<check>.` if
    /// it has a name; written by the main thread.
    pub struct HealthCheckStats("") {
        counters {
            attempt,
            failure,
            network_failure,
            passive_failure,
            success,
            verify_cluster,
        }
        gauges {
            degraded,
            healthy,
        }
    }
}

stat_group! {
    /// Reports of load out of band, at `cluster.<name>.`; written by the main thread.
    pub struct LoadStreamStats("lb_orca_oob.") {
        counters {
            report_errors,
            reports_received,
            stream_failures,
            stream_terminated,
        }
        gauges {
            active_sessions,
        }
    }
}

stat_group! {
    /// What comes of several health checks of one cluster, at `cluster.<name>.`; written by the main thread.
    pub struct HealthCheckTotals("health_check.") {
        gauges {
            degraded,
            healthy,
        }
    }
}

stat_group! {
    /// Load balancing, at `cluster.<name>.`; one instance a worker.
    pub struct ClusterLbStats("") {
        counters {
            lb_healthy_panic,
            lb_local_cluster_not_ok,
            lb_recalculate_zone_structures,
            lb_subsets_created,
            lb_subsets_fallback,
            lb_subsets_fallback_panic,
            lb_subsets_removed,
            lb_subsets_selected,
            lb_zone_cluster_too_small,
            lb_zone_no_capacity_left,
            lb_zone_routing_all_directly,
            lb_zone_routing_cross_zone,
            lb_zone_routing_sampled,
            original_dst_host_invalid,
        }
        gauges {
            lb_subsets_active,
        }
    }
}

stat_group! {
    /// How even the ring of hashes came out, at `cluster.<name>.`; written by the main thread.
    pub struct RingHashStats("ring_hash_lb.") {
        gauges {
            max_hashes_per_host,
            min_hashes_per_host,
            size,
        }
    }
}

stat_group! {
    /// How even the Maglev table came out, at `cluster.<name>.`; written by the main thread.
    pub struct MaglevStats("maglev_lb.") {
        gauges {
            max_entries_per_host,
            min_entries_per_host,
        }
    }
}

stat_group! {
    /// What subsets have beyond the others, at `cluster.<name>.`; written by the main thread.
    pub struct SubsetStats("") {
        gauges {
            lb_subsets_single_host_per_subset_duplicate,
        }
    }
}

stat_group! {
    /// Circuit breakers of one priority: register it under `circuit_breakers.default.` and
    /// `circuit_breakers.high.`. Each gauge is 1 while the breaker is open.
    pub struct CircuitBreakerStats("") {
        gauges {
            cx_open,
            cx_pool_open,
            rq_open,
            rq_pending_open,
            rq_retry_open,
        }
    }
}

stat_group! {
    /// What the circuit breakers of one priority have left, beside their own gauges; only with `track_remaining`.
    pub struct RemainingStats("") {
        gauges {
            remaining_cx,
            remaining_cx_pools,
            remaining_pending,
            remaining_retries,
            remaining_rq,
        }
    }
}

stat_group! {
    /// Outlier detection of a cluster that has one, at `cluster.<name>.`; written by the main thread.
    pub struct OutlierDetectionStats("outlier_detection.") {
        counters {
            ejections_consecutive_5xx,
            ejections_detected_consecutive_5xx,
            ejections_detected_consecutive_gateway_failure,
            ejections_detected_consecutive_local_origin_failure,
            ejections_detected_degradation,
            ejections_detected_failure_percentage,
            ejections_detected_local_origin_failure_percentage,
            ejections_detected_local_origin_success_rate,
            ejections_detected_success_rate,
            ejections_enforced_consecutive_5xx,
            ejections_enforced_consecutive_gateway_failure,
            ejections_enforced_consecutive_local_origin_failure,
            ejections_enforced_failure_percentage,
            ejections_enforced_local_origin_failure_percentage,
            ejections_enforced_local_origin_success_rate,
            ejections_enforced_success_rate,
            ejections_enforced_total,
            ejections_overflow,
            ejections_success_rate,
            ejections_total,
        }
        gauges {
            ejections_active,
        }
    }
}

stat_group! {
    /// How often a transport socket was chosen: register it under `default.` (or the match's name), at
    /// `cluster.<name>.`.
    pub struct TransportSocketMatchStats("") {
        counters {
            total_match_count,
        }
    }
}

stat_group! {
    /// The time to a complete response, under nothing, `internal.`, `external.` or `canary.` at
    /// `cluster.<name>.`, `vhost.<v>.vcluster.<c>.` and `vhost.<v>.route.<r>.`; appears with the first response.
    pub struct UpstreamResponseTime("") {
        histograms {
            upstream_rq_time: Milliseconds,
        }
    }
}

stat_group! {
    /// How large heads and bodies of tries are, at `cluster.<name>.`, where that is tracked.
    pub struct RequestSizeStats("") {
        histograms {
            upstream_rq_body_size: Bytes,
            upstream_rq_headers_count: Unspecified,
            upstream_rq_headers_size: Bytes,
            upstream_rs_body_size: Bytes,
            upstream_rs_headers_count: Unspecified,
            upstream_rs_headers_size: Bytes,
        }
    }
}

stat_group! {
    /// How much of their time requests and tries take, in per cent, at `cluster.<name>.`, where that is tracked.
    pub struct TimeoutBudgetStats("") {
        histograms {
            upstream_rq_timeout_budget_per_try_percent_used: Unspecified,
            upstream_rq_timeout_budget_percent_used: Unspecified,
        }
    }
}
