//! `http.<stat_prefix>.` and what else the connection manager and the router count.

use crate::stat_group;

stat_group! {
    /// The connection manager, at `http.<stat_prefix>.`.
    pub struct HttpConnectionManagerStats("") {
        counters {
            downstream_cx_delayed_close_timeout,
            downstream_cx_destroy,
            downstream_cx_destroy_active_rq,
            downstream_cx_destroy_local,
            downstream_cx_destroy_local_active_rq,
            downstream_cx_destroy_remote,
            downstream_cx_destroy_remote_active_rq,
            downstream_cx_drain_close,
            downstream_cx_http1_total,
            downstream_cx_http2_total,
            downstream_cx_http3_total,
            downstream_cx_idle_timeout,
            downstream_cx_max_duration_reached,
            downstream_cx_max_requests_reached,
            downstream_cx_overload_disable_keepalive,
            downstream_cx_protocol_error,
            downstream_cx_rx_bytes_total,
            downstream_cx_ssl_total,
            downstream_cx_total,
            downstream_cx_tx_bytes_total,
            downstream_cx_upgrades_total,
            downstream_flow_control_paused_reading_total,
            downstream_flow_control_resumed_reading_total,
            downstream_rq_1xx,
            downstream_rq_2xx,
            downstream_rq_3xx,
            downstream_rq_4xx,
            downstream_rq_5xx,
            downstream_rq_completed,
            downstream_rq_failed_path_normalization,
            downstream_rq_header_timeout,
            downstream_rq_http1_total,
            downstream_rq_http2_total,
            downstream_rq_http3_total,
            downstream_rq_idle_timeout,
            downstream_rq_max_duration_reached,
            downstream_rq_non_relative_path,
            downstream_rq_overload_close,
            downstream_rq_redirected_with_normalized_path,
            downstream_rq_rejected_via_ip_detection,
            downstream_rq_response_before_rq_complete,
            downstream_rq_rx_reset,
            downstream_rq_timeout,
            downstream_rq_too_large,
            downstream_rq_too_many_premature_resets,
            downstream_rq_total,
            downstream_rq_tx_reset,
            downstream_rq_ws_on_non_ws_route,
            rs_too_large,
        }
        gauges {
            downstream_cx_active,
            downstream_cx_http1_active,
            downstream_cx_http1_soft_drain,
            downstream_cx_http2_active,
            downstream_cx_http3_active,
            downstream_cx_rx_bytes_buffered,
            downstream_cx_ssl_active,
            downstream_cx_tx_bytes_buffered,
            downstream_cx_upgrades_active,
            downstream_rq_active,
        }
        histograms {
            downstream_cx_length_ms: Milliseconds,
            downstream_rq_time: Milliseconds,
        }
    }
}

stat_group! {
    /// The router, at `http.<stat_prefix>.` (and `http.async-client.`).
    pub struct RouterStats("") {
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
    /// Tracing decisions, at `http.<stat_prefix>.`.
    pub struct TracingStats("tracing.") {
        counters {
            client_enabled,
            health_check,
            not_traceable,
            random_sampling,
            service_forced,
        }
    }
}

stat_group! {
    /// Responses of a connection manager by listener, at `listener.<address>.http.<stat_prefix>.`.
    pub struct ListenerHttpStats("") {
        counters {
            downstream_rq_1xx,
            downstream_rq_2xx,
            downstream_rq_3xx,
            downstream_rq_4xx,
            downstream_rq_5xx,
            downstream_rq_completed,
        }
    }
}

stat_group! {
    /// The HTTP/1 codec: at the root for downstream connections, and at `cluster.<name>.` from the cluster's
    /// first connection on.
    pub struct Http1CodecStats("http1.") {
        counters {
            dropped_headers_with_underscores,
            metadata_not_supported_error,
            requests_rejected_with_underscores_in_headers,
            response_flood,
        }
    }
}

stat_group! {
    /// The HTTP/2 codec: at the root for downstream connections, and at `cluster.<name>.`, from the first connection
    /// that speaks it on. Envoy counts by the library behind its codec; here all count as its default one. It
    /// puts nothing into its histograms by itself, which are there all the same.
    pub struct Http2CodecStats("http2.") {
        counters {
            cookies_total_bytes_too_large,
            dropped_headers_with_underscores,
            goaway_sent,
            header_list_size_too_large,
            header_overflow,
            headers_cb_no_stream,
            inbound_empty_frames_flood,
            inbound_priority_frames_flood,
            inbound_window_update_frames_flood,
            keepalive_timeout,
            metadata_empty_frames,
            nghttp2_downstream_connections,
            nghttp2_upstream_connections,
            oghttp2_downstream_connections,
            oghttp2_upstream_connections,
            outbound_control_flood,
            outbound_flood,
            requests_rejected_with_underscores_in_headers,
            rx_messaging_error,
            rx_reset,
            stream_refused_errors,
            trailers,
            tx_flush_timeout,
            tx_reset,
        }
        gauges {
            deferred_stream_close,
            outbound_control_frames_active,
            outbound_frames_active,
            pending_send_bytes,
            streams_active,
        }
        histograms {
            cookie_count: Unspecified,
            cookie_size: Bytes,
            header_count: Unspecified,
            header_list_size: Bytes,
        }
    }
}

stat_group! {
    /// The codec of HTTP/3, at the root.
    pub struct Http3CodecStats("http3.") {
        counters {
            dropped_headers_with_underscores,
            goaway_sent,
            metadata_not_supported_error,
            quic_version_h3_29,
            quic_version_rfc_v1,
            requests_rejected_with_underscores_in_headers,
            rx_reset,
            tx_flush_timeout,
            tx_reset,
        }
    }
}

stat_group! {
    /// Requests of a virtual cluster or of a route with a `stat_prefix`, at `vhost.<name>.vcluster.<name>.`
    /// or `vhost.<name>.route.<stat_prefix>.`.
    pub struct VirtualHostRequestStats("") {
        counters {
            upstream_rq_retry,
            upstream_rq_retry_limit_exceeded,
            upstream_rq_retry_overflow,
            upstream_rq_retry_success,
            upstream_rq_timeout,
            upstream_rq_total,
        }
    }
}
