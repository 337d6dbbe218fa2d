//! Response flags as fields of a message.

use nuncio_contract::stream_info::ResponseFlags;
use nuncio_service_messages::access_log::{Flags, Unauthorized};

const EXTERNAL_SERVICE: i32 = 1;

/// The message; none if no flag is set. Envoy tells nothing of the last flags.
pub(super) fn message(flags: ResponseFlags) -> Option<Flags> {
    let has = |flag| flags.contains(flag);
    let unauthorized = has(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE);
    let message = Flags {
        failed_local_healthcheck: has(ResponseFlags::FAILED_LOCAL_HEALTH_CHECK),
        no_healthy_upstream: has(ResponseFlags::NO_HEALTHY_UPSTREAM),
        upstream_request_timeout: has(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
        local_reset: has(ResponseFlags::LOCAL_RESET),
        upstream_remote_reset: has(ResponseFlags::UPSTREAM_REMOTE_RESET),
        upstream_connection_failure: has(ResponseFlags::UPSTREAM_CONNECTION_FAILURE),
        upstream_connection_termination: has(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION),
        upstream_overflow: has(ResponseFlags::UPSTREAM_OVERFLOW),
        no_route_found: has(ResponseFlags::NO_ROUTE_FOUND),
        delay_injected: has(ResponseFlags::DELAY_INJECTED),
        fault_injected: has(ResponseFlags::FAULT_INJECTED),
        rate_limited: has(ResponseFlags::RATE_LIMITED),
        unauthorized_details: unauthorized.then_some(Unauthorized {
            reason: EXTERNAL_SERVICE,
        }),
        rate_limit_service_error: has(ResponseFlags::RATE_LIMIT_SERVICE_ERROR),
        downstream_connection_termination: has(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION),
        upstream_retry_limit_exceeded: has(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED),
        stream_idle_timeout: has(ResponseFlags::STREAM_IDLE_TIMEOUT),
        invalid_envoy_request_headers: has(ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS),
        downstream_protocol_error: has(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR),
        upstream_max_stream_duration_reached: has(
            ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED,
        ),
        response_from_cache_filter: has(ResponseFlags::RESPONSE_FROM_CACHE_FILTER),
        no_filter_config_found: has(ResponseFlags::NO_FILTER_CONFIG_FOUND),
        duration_timeout: has(ResponseFlags::DURATION_TIMEOUT),
        upstream_protocol_error: has(ResponseFlags::UPSTREAM_PROTOCOL_ERROR),
        no_cluster_found: has(ResponseFlags::NO_CLUSTER_FOUND),
        overload_manager: has(ResponseFlags::OVERLOAD_MANAGER),
        dns_resolution_failure: has(ResponseFlags::DNS_RESOLUTION_FAILED),
        downstream_remote_reset: has(ResponseFlags::DOWNSTREAM_REMOTE_RESET),
    };
    (message != Flags::default()).then_some(message)
}
