//! The guards that Envoy 1.40 has: `envoy.reloadable_features.*` and `envoy.restart_features.*`.
//!
//! One that it has no more changes nothing in it, but for words in the log; old configurations are full of them.

/// Beginnings of the names of guards.
const BEGINNINGS: [&str; 2] = ["envoy.reloadable_features.", "envoy.restart_features."];

/// Limits with such names.
const LIMITS: [&str; 5] = [
    "envoy.reloadable_features.http2_max_cookies_size_in_kb",
    "envoy.reloadable_features.max_request_headers_count",
    "envoy.reloadable_features.max_request_headers_size_kb",
    "envoy.reloadable_features.max_response_headers_count",
    "envoy.reloadable_features.max_response_headers_size_kb",
];

/// In the order of their names.
const GUARDS: &[&str] = &[
    "envoy.reloadable_features.abort_when_accessing_dead_decoder",
    "envoy.reloadable_features.allow_multiplexed_upstream_half_close",
    "envoy.reloadable_features.always_use_v6",
    "envoy.reloadable_features.async_host_selection",
    "envoy.reloadable_features.cares_dual_resolution_preserve_failure",
    "envoy.reloadable_features.cel_message_serialize_text_format",
    "envoy.reloadable_features.coalesce_formatter_accept_empty_values",
    "envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update",
    "envoy.reloadable_features.codec_client_enable_idle_timer_only_when_connected",
    "envoy.reloadable_features.composite_cluster_skip_clusters_without_hosts",
    "envoy.reloadable_features.conn_pool_fix_reentrancy",
    "envoy.reloadable_features.conn_pool_grid_early_return_on_teardown",
    "envoy.reloadable_features.connection_close_through_filter_manager",
    "envoy.reloadable_features.connectivity_grid_prevent_double_h2_scheduled",
    "envoy.reloadable_features.decouple_explicit_drain_pools_and_dns_refresh",
    "envoy.reloadable_features.dfp_cluster_resolves_hosts",
    "envoy.reloadable_features.direct_local_reply_flush_saved_response_metadata",
    "envoy.reloadable_features.disable_quic_ip_packet_info_socket_options",
    "envoy.reloadable_features.disable_quic_rx_queue_overflow_socket_options",
    "envoy.reloadable_features.disallow_quic_client_udp_mmsg",
    "envoy.reloadable_features.disallow_redirect_prefix_rewrite_with_path_match_policy",
    "envoy.reloadable_features.dns_cache_set_ip_version_to_remove",
    "envoy.reloadable_features.dynamic_modules_rtld_now",
    "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix",
    "envoy.reloadable_features.ecds_filter_use_parent_stats_prefix",
    "envoy.reloadable_features.enable_batch_aware_update",
    "envoy.reloadable_features.enable_cel_response_path_matching",
    "envoy.reloadable_features.enable_compression_bomb_protection",
    "envoy.reloadable_features.enable_formatter_for_ratelimit_action_descriptor_value",
    "envoy.reloadable_features.enable_lrs_server_self_ads",
    "envoy.reloadable_features.enable_new_dns_implementation",
    "envoy.reloadable_features.enable_new_query_param_present_match_behavior",
    "envoy.reloadable_features.enable_send_rst_on_user_space_socket",
    "envoy.reloadable_features.enable_stats_explicit_tags",
    "envoy.reloadable_features.enable_universal_header_validator",
    "envoy.reloadable_features.ext_proc_fail_close_spurious_resp",
    "envoy.reloadable_features.ext_proc_graceful_grpc_close",
    "envoy.reloadable_features.ext_proc_inject_data_with_state_update",
    "envoy.reloadable_features.ext_proc_not_send_empty_data_with_false_eos",
    "envoy.reloadable_features.ext_proc_report_client_creation_error",
    "envoy.reloadable_features.ext_proc_return_stop_iteration",
    "envoy.reloadable_features.filter_chain_drain_uses_configured_strategy",
    "envoy.reloadable_features.filter_manager_forward_added_data_on_continue",
    "envoy.reloadable_features.fix_http3_early_data_timing",
    "envoy.reloadable_features.fixed_heap_use_allocated",
    "envoy.reloadable_features.getaddrinfo_no_ai_flags",
    "envoy.reloadable_features.google_grpc_disable_tls_13",
    "envoy.reloadable_features.grpc_side_stream_flow_control",
    "envoy.reloadable_features.grpc_timeout_returns_deadline_exceeded",
    "envoy.reloadable_features.happy_eyeballs_sort_non_ip_addresses",
    "envoy.reloadable_features.header_mutation_url_encode_query_params",
    "envoy.reloadable_features.health_check_after_cluster_warming",
    "envoy.reloadable_features.hide_transport_failure_reason_in_response_body",
    "envoy.reloadable_features.hot_restart_propagate_stat_tags",
    "envoy.reloadable_features.http1_allow_query_method",
    "envoy.reloadable_features.http1_close_connection_on_zombie_stream_complete",
    "envoy.reloadable_features.http2_discard_host_header",
    "envoy.reloadable_features.http2_fix_goaway_loadshed_point",
    "envoy.reloadable_features.http2_flood_protection_active_streams",
    "envoy.reloadable_features.http2_include_cookies_in_limits",
    "envoy.reloadable_features.http2_mask_continuation_flags",
    "envoy.reloadable_features.http2_record_histograms",
    "envoy.reloadable_features.http2_reject_frames_after_end_stream",
    "envoy.reloadable_features.http2_track_size_of_dropped_host_header",
    "envoy.reloadable_features.http2_use_oghttp2",
    "envoy.reloadable_features.http3_fix_goaway_loadshed_point",
    "envoy.reloadable_features.http3_happy_eyeballs",
    "envoy.reloadable_features.http_11_proxy_connect_legacy_format",
    "envoy.reloadable_features.http_inspector_fast_fail_invalid_method_bytes",
    "envoy.reloadable_features.http_inspector_use_balsa_parser",
    "envoy.reloadable_features.http_pause_generic_upgrade_request_body",
    "envoy.reloadable_features.http_preserve_rst_no_error",
    "envoy.reloadable_features.http_reject_path_with_fragment",
    "envoy.reloadable_features.ja4_alpn_hex_conversion_fix",
    "envoy.reloadable_features.json_formatter_omit_empty_values",
    "envoy.reloadable_features.jwt_authn_add_verification_status_header",
    "envoy.reloadable_features.jwt_authn_sanitize_payload_headers_filter_wide",
    "envoy.reloadable_features.least_request_lb_count_pending_requests",
    "envoy.reloadable_features.limit_json_parser_nesting_depth",
    "envoy.reloadable_features.listener_filter_reentrant_continue_guard",
    "envoy.reloadable_features.local_ratelimit_shadow_mode_no_short_circuit",
    "envoy.reloadable_features.map_http_stream_reset_to_tcp_rst",
    "envoy.reloadable_features.match_headers_individually",
    "envoy.reloadable_features.mcp_filter_use_new_metadata_namespace",
    "envoy.reloadable_features.metadata_formatter_only_truncate_string",
    "envoy.reloadable_features.mobile_ipv6_probe_advanced_filtering",
    "envoy.reloadable_features.mobile_use_network_observer_registry",
    "envoy.reloadable_features.non_graceful_drain_notifies_connections",
    "envoy.reloadable_features.oauth2_client_retries_respect_user_retry_on",
    "envoy.reloadable_features.oauth2_legacy_cbc_decrypt_compat",
    "envoy.reloadable_features.oauth2_use_gcm_encryption",
    "envoy.reloadable_features.on_demand_cluster_no_recreate_stream",
    "envoy.reloadable_features.on_demand_vhds_no_recreate_stream",
    "envoy.reloadable_features.on_demand_vhds_require_route_match",
    "envoy.reloadable_features.orca_accept_unpadded_base64",
    "envoy.reloadable_features.orca_weight_manager_use_named_metrics_first",
    "envoy.reloadable_features.pqc_default_ecdh_curves",
    "envoy.reloadable_features.preserve_downstream_keepalive",
    "envoy.reloadable_features.propagate_downstream_rst_to_upstream",
    "envoy.reloadable_features.propagate_upstream_rst_through_tunneled_tcp_proxy",
    "envoy.reloadable_features.proxy_protocol_added_tlvs_format_string",
    "envoy.reloadable_features.proxy_protocol_allow_duplicate_tlvs",
    "envoy.reloadable_features.proxy_protocol_remove_too_long_tlvs",
    "envoy.reloadable_features.quic_disable_data_read_immediately",
    "envoy.reloadable_features.quic_enable_reset_ssl_after_handshake",
    "envoy.reloadable_features.quic_hot_restart_time_wait_before_forward",
    "envoy.reloadable_features.quic_mtls_resumption_disabled_by_default",
    "envoy.reloadable_features.quic_mtls_server_enabled",
    "envoy.reloadable_features.quic_no_tcp_delay",
    "envoy.reloadable_features.quic_reject_all",
    "envoy.reloadable_features.quic_send_server_preferred_address_to_all_clients",
    "envoy.reloadable_features.quic_session_ticket_support",
    "envoy.reloadable_features.quic_support_additional_ecdsa_curves",
    "envoy.reloadable_features.quic_support_web_transport",
    "envoy.reloadable_features.quic_upstream_auto_host_sni",
    "envoy.reloadable_features.quic_upstream_client_certificates",
    "envoy.reloadable_features.quic_upstream_reads_fixed_number_packets",
    "envoy.reloadable_features.quic_validate_headers_only_content_length",
    "envoy.reloadable_features.rbac_match_headers_individually",
    "envoy.reloadable_features.rbac_respect_ignore_path_parameters",
    "envoy.reloadable_features.re2_use_latin1_mode",
    "envoy.reloadable_features.remove_legacy_route_formatter",
    "envoy.reloadable_features.report_load_for_non_zero_stats",
    "envoy.reloadable_features.reresolve_if_no_connections",
    "envoy.reloadable_features.reresolve_null_addresses",
    "envoy.reloadable_features.response_headers_to_remove_on_1xx",
    "envoy.reloadable_features.reverse_conn_force_local_reply",
    "envoy.reloadable_features.sanitize_html_stats_names",
    "envoy.reloadable_features.sanitize_upstream_stream_duration_header",
    "envoy.reloadable_features.scope_upstream_tls_session_cache_by_sni",
    "envoy.reloadable_features.shadow_policy_inherit_dynamic_metadata",
    "envoy.reloadable_features.skip_dns_lookup_for_proxied_requests",
    "envoy.reloadable_features.skip_partition_original_dst_hosts",
    "envoy.reloadable_features.skip_pending_overflow_count_on_active_rq",
    "envoy.reloadable_features.spiffe_validator_use_upstream_subject_alt_names",
    "envoy.reloadable_features.ssl_socket_report_connection_reset",
    "envoy.reloadable_features.strict_chunk_parsing",
    "envoy.reloadable_features.strict_stats_matcher_unpacked",
    "envoy.reloadable_features.strip_dotdot_segments_with_parameters",
    "envoy.reloadable_features.strip_path_parameters_per_segment",
    "envoy.reloadable_features.strip_upgrade_header_on_failed_websocket_upgrades",
    "envoy.reloadable_features.tap_honor_tap_enabled",
    "envoy.reloadable_features.tcp_proxy_delay_route_selection",
    "envoy.reloadable_features.tls_certificate_compression_brotli",
    "envoy.reloadable_features.tls_inspector_enforce_client_tls_version",
    "envoy.reloadable_features.udp_hot_restart_session_handoff",
    "envoy.reloadable_features.udp_send_zero_length_datagrams",
    "envoy.reloadable_features.udp_set_do_not_fragment",
    "envoy.reloadable_features.uhv_allow_malformed_url_encoding",
    "envoy.reloadable_features.unified_mux",
    "envoy.reloadable_features.upstream_bind_config_fix_port_exhaustion",
    "envoy.reloadable_features.upstream_http_filters_correct_stats_prefix",
    "envoy.reloadable_features.upstream_wasm_filter_uses_root_scope",
    "envoy.reloadable_features.uri_template_mixed_variable_literals",
    "envoy.reloadable_features.use_canonical_suffix_for_initial_rtt_estimate",
    "envoy.reloadable_features.use_canonical_suffix_for_quic_brokenness",
    "envoy.reloadable_features.use_canonical_suffix_for_srtt",
    "envoy.reloadable_features.use_connection_event_drain",
    "envoy.reloadable_features.use_response_decoder_handle",
    "envoy.reloadable_features.use_stats_prefix_scope_for_http_filter",
    "envoy.reloadable_features.vhds_answered_alias_cache",
    "envoy.reloadable_features.xds_failover_to_primary_enabled",
    "envoy.reloadable_features.xds_legacy_delta_skip_subsequent_node",
    "envoy.reloadable_features.xdstp_based_config_singleton_subscriptions",
    "envoy.reloadable_features.zipkin_preserve_b3_single_header_format",
    "envoy.restart_features.quic_keylog_support",
    "envoy.restart_features.shared_cares_dns_resolver",
    "envoy.restart_features.upstream_http_filters_with_tcp_proxy",
    "envoy.restart_features.use_cached_grpc_client_for_xds",
    "envoy.restart_features.worker_threads_watchdog_fix",
    "envoy.restart_features.xds_failover_support",
];

/// Those that are off unless they are set, in the order of their names.
const OFF: &[&str] = &[
    "envoy.reloadable_features.abort_when_accessing_dead_decoder",
    "envoy.reloadable_features.allow_multiplexed_upstream_half_close",
    "envoy.reloadable_features.always_use_v6",
    "envoy.reloadable_features.connection_close_through_filter_manager",
    "envoy.reloadable_features.disable_quic_ip_packet_info_socket_options",
    "envoy.reloadable_features.disable_quic_rx_queue_overflow_socket_options",
    "envoy.reloadable_features.dns_cache_set_ip_version_to_remove",
    "envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix",
    "envoy.reloadable_features.enable_formatter_for_ratelimit_action_descriptor_value",
    "envoy.reloadable_features.enable_lrs_server_self_ads",
    "envoy.reloadable_features.enable_stats_explicit_tags",
    "envoy.reloadable_features.enable_universal_header_validator",
    "envoy.reloadable_features.ext_proc_graceful_grpc_close",
    "envoy.reloadable_features.fixed_heap_use_allocated",
    "envoy.reloadable_features.getaddrinfo_no_ai_flags",
    "envoy.reloadable_features.google_grpc_disable_tls_13",
    "envoy.reloadable_features.grpc_timeout_returns_deadline_exceeded",
    "envoy.reloadable_features.http2_record_histograms",
    "envoy.reloadable_features.http2_use_oghttp2",
    "envoy.reloadable_features.http3_happy_eyeballs",
    "envoy.reloadable_features.http_11_proxy_connect_legacy_format",
    "envoy.reloadable_features.least_request_lb_count_pending_requests",
    "envoy.reloadable_features.mobile_ipv6_probe_advanced_filtering",
    "envoy.reloadable_features.oauth2_use_gcm_encryption",
    "envoy.reloadable_features.quic_disable_data_read_immediately",
    "envoy.reloadable_features.quic_enable_reset_ssl_after_handshake",
    "envoy.reloadable_features.quic_no_tcp_delay",
    "envoy.reloadable_features.quic_reject_all",
    "envoy.reloadable_features.quic_session_ticket_support",
    "envoy.reloadable_features.quic_support_web_transport",
    "envoy.reloadable_features.remove_legacy_route_formatter",
    "envoy.reloadable_features.reresolve_if_no_connections",
    "envoy.reloadable_features.reresolve_null_addresses",
    "envoy.reloadable_features.reverse_conn_force_local_reply",
    "envoy.reloadable_features.strict_chunk_parsing",
    "envoy.reloadable_features.strip_upgrade_header_on_failed_websocket_upgrades",
    "envoy.reloadable_features.tcp_proxy_delay_route_selection",
    "envoy.reloadable_features.tls_certificate_compression_brotli",
    "envoy.reloadable_features.unified_mux",
    "envoy.reloadable_features.use_canonical_suffix_for_initial_rtt_estimate",
    "envoy.reloadable_features.use_canonical_suffix_for_srtt",
    "envoy.reloadable_features.xdstp_based_config_singleton_subscriptions",
    "envoy.restart_features.quic_keylog_support",
    "envoy.restart_features.shared_cares_dns_resolver",
    "envoy.restart_features.upstream_http_filters_with_tcp_proxy",
    "envoy.restart_features.use_cached_grpc_client_for_xds",
    "envoy.restart_features.xds_failover_support",
];

/// What Envoy takes a guard to be that is not set.
pub(super) fn default_of(name: &str) -> Option<bool> {
    is_guard(name).then(|| OFF.binary_search(&name).is_err())
}

/// Whether it is the name of a guard that Envoy has no more, or never had.
pub(super) fn is_removed(name: &str) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
        && !is_guard(name)
        && !is_limit(name)
}

/// Whether it is called as a guard is, and is a number that Envoy reads.
pub(super) fn is_limit(name: &str) -> bool {
    LIMITS.contains(&name)
}

/// Whether Envoy has it.
pub(super) fn is_guard(name: &str) -> bool {
    GUARDS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_halving() {
        assert!(GUARDS.is_sorted());
        assert!(
            GUARDS
                .iter()
                .all(|name| is_guard(name) && !is_removed(name))
        );
        assert!(OFF.is_sorted());
        assert!(OFF.iter().all(|name| default_of(name) == Some(false)));
        assert_eq!(
            default_of("envoy.reloadable_features.validate_connect"),
            None
        );
        assert!(is_removed(
            "envoy.reloadable_features.strict_1xx_and_204_response_headers"
        ));
        assert!(!is_removed("upstream.healthy_panic_threshold"));
        assert!(LIMITS.iter().all(|name| !is_removed(name)));
    }
}
