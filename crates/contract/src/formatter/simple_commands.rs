//! The commands that take no argument, by name.

use super::durations::{milliseconds, since_start};
use super::operator::Simple::{self, Address, EndpointId, Number, OptionalNumber, Port, Text};
use super::operator::append_without_white_space;
use super::upstream_hosts;
use crate::headers::Known;

/// Every such command.
pub(super) const SIMPLE_COMMANDS: &[(&str, Simple)] = &[
    (
        "REQUEST_HEADERS_BYTES",
        Number(|c| {
            c.request_headers
                .map_or(0, |headers| headers.byte_size() as u64)
        }),
    ),
    (
        "RESPONSE_HEADERS_BYTES",
        Number(|c| {
            c.response_headers
                .map_or(0, |headers| headers.byte_size() as u64)
        }),
    ),
    (
        "RESPONSE_TRAILERS_BYTES",
        Number(|c| {
            c.response_trailers
                .map_or(0, |trailers| trailers.byte_size() as u64)
        }),
    ),
    ("BYTES_RECEIVED", Number(|c| c.stream_info.bytes_received)),
    ("BYTES_SENT", Number(|c| c.stream_info.bytes_sent)),
    // Only QUIC counts retransmissions.
    ("BYTES_RETRANSMITTED", Number(|_| 0)),
    ("PACKETS_RETRANSMITTED", Number(|_| 0)),
    (
        "UPSTREAM_WIRE_BYTES_SENT",
        Number(|c| c.stream_info.upstream.bytes.wire_bytes_sent),
    ),
    (
        "UPSTREAM_WIRE_BYTES_RECEIVED",
        Number(|c| c.stream_info.upstream.bytes.wire_bytes_received),
    ),
    (
        "UPSTREAM_HEADER_BYTES_SENT",
        Number(|c| c.stream_info.upstream.bytes.header_bytes_sent),
    ),
    (
        "UPSTREAM_HEADER_BYTES_RECEIVED",
        Number(|c| c.stream_info.upstream.bytes.header_bytes_received),
    ),
    (
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        Number(|c| c.stream_info.upstream.bytes.decompressed_header_bytes_sent),
    ),
    (
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
        Number(|c| {
            c.stream_info
                .upstream
                .bytes
                .decompressed_header_bytes_received
        }),
    ),
    (
        "DOWNSTREAM_WIRE_BYTES_SENT",
        Number(|c| c.stream_info.downstream_bytes.wire_bytes_sent),
    ),
    (
        "DOWNSTREAM_WIRE_BYTES_RECEIVED",
        Number(|c| c.stream_info.downstream_bytes.wire_bytes_received),
    ),
    (
        "DOWNSTREAM_HEADER_BYTES_SENT",
        Number(|c| c.stream_info.downstream_bytes.header_bytes_sent),
    ),
    (
        "DOWNSTREAM_HEADER_BYTES_RECEIVED",
        Number(|c| c.stream_info.downstream_bytes.header_bytes_received),
    ),
    (
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        Number(|c| {
            c.stream_info
                .downstream_bytes
                .decompressed_header_bytes_sent
        }),
    ),
    (
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
        Number(|c| {
            c.stream_info
                .downstream_bytes
                .decompressed_header_bytes_received
        }),
    ),
    (
        "PROTOCOL",
        Text(|c, out| {
            text(
                c.stream_info.protocol.map(|protocol| protocol.as_str()),
                out,
            )
        }),
    ),
    (
        "UPSTREAM_PROTOCOL",
        Text(|c, out| {
            text(
                c.stream_info
                    .upstream
                    .protocol
                    .map(|protocol| protocol.as_str()),
                out,
            )
        }),
    ),
    (
        "RESPONSE_CODE",
        Number(|c| c.stream_info.response_code.unwrap_or(0).into()),
    ),
    (
        "CONNECTION_TERMINATION_DETAILS",
        Text(|c, out| text(c.stream_info.connection_termination_details.as_deref(), out)),
    ),
    (
        "UPSTREAM_REQUEST_ATTEMPT_COUNT",
        Number(|c| c.stream_info.attempt_count.unwrap_or(0).into()),
    ),
    (
        "DURATION",
        Number(|c| milliseconds(c.stream_info.duration(c.services.now()))),
    ),
    (
        "REQUEST_DURATION",
        OptionalNumber(|c| {
            since_start(c.stream_info, c.stream_info.downstream_timing.last_rx_byte)
        }),
    ),
    (
        "REQUEST_TX_DURATION",
        OptionalNumber(|c| since_start(c.stream_info, c.stream_info.upstream.timing.last_tx_byte)),
    ),
    (
        "RESPONSE_DURATION",
        OptionalNumber(|c| since_start(c.stream_info, c.stream_info.upstream.timing.first_rx_byte)),
    ),
    (
        "RESPONSE_TX_DURATION",
        OptionalNumber(|c| {
            let last_sent = c.stream_info.downstream_timing.last_tx_byte?;
            let first_received = c.stream_info.upstream.timing.first_rx_byte?;
            Some(milliseconds(
                last_sent.saturating_duration_since(first_received),
            ))
        }),
    ),
    (
        "ROUNDTRIP_DURATION",
        OptionalNumber(|c| since_start(c.stream_info, c.stream_info.downstream_timing.last_ack)),
    ),
    (
        "DOWNSTREAM_HANDSHAKE_DURATION",
        OptionalNumber(|c| since_start(c.stream_info, c.stream_info.connection.handshake_complete)),
    ),
    (
        "UPSTREAM_CONNECTION_POOL_READY_DURATION",
        OptionalNumber(|c| {
            let timing = &c.stream_info.upstream.timing;
            Some(milliseconds(
                timing
                    .pool_ready?
                    .saturating_duration_since(timing.pool_requested?),
            ))
        }),
    ),
    (
        "RESPONSE_FLAGS",
        Text(|c, out| flags(c.stream_info.response_flags.short_names(), out)),
    ),
    (
        "RESPONSE_FLAGS_LONG",
        Text(|c, out| flags(c.stream_info.response_flags.long_names(), out)),
    ),
    (
        "CUSTOM_FLAGS",
        Text(|c, out| text(Some(&c.stream_info.custom_flags), out)),
    ),
    (
        "ROUTE_NAME",
        Text(|c, out| text(c.stream_info.route_name.as_deref(), out)),
    ),
    (
        "VIRTUAL_CLUSTER_NAME",
        Text(|c, out| text(c.stream_info.virtual_cluster_name.as_deref(), out)),
    ),
    (
        "UPSTREAM_HOST",
        Address(|info| info.upstream.host().map(|host| &host.address)),
    ),
    ("UPSTREAM_HOST_NAME", Text(upstream_hosts::append_name)),
    (
        "UPSTREAM_HOST_NAME_WITHOUT_PORT",
        Text(upstream_hosts::append_name_without_port),
    ),
    (
        "UPSTREAM_HOSTS_ATTEMPTED",
        Text(upstream_hosts::append_attempted),
    ),
    (
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
        Text(upstream_hosts::append_attempted_without_port),
    ),
    (
        "UPSTREAM_HOST_NAMES_ATTEMPTED",
        Text(upstream_hosts::append_names_attempted),
    ),
    (
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
        Text(upstream_hosts::append_names_attempted_without_port),
    ),
    (
        "UPSTREAM_CLUSTER",
        Text(|c, out| {
            filled(
                c.stream_info
                    .upstream_cluster
                    .as_deref()
                    .map(|cluster| &*cluster.observability_name),
                out,
            )
        }),
    ),
    (
        "UPSTREAM_CLUSTER_RAW",
        Text(|c, out| {
            filled(
                c.stream_info
                    .upstream_cluster
                    .as_deref()
                    .map(|cluster| &*cluster.name),
                out,
            )
        }),
    ),
    (
        "UPSTREAM_LOCAL_ADDRESS",
        Address(|info| info.upstream.local_address.as_ref()),
    ),
    (
        "UPSTREAM_LOCAL_PORT",
        Port(|info| info.upstream.local_address.as_ref()),
    ),
    (
        "UPSTREAM_REMOTE_ADDRESS",
        Address(|info| info.upstream.remote_address.as_ref()),
    ),
    (
        "UPSTREAM_REMOTE_PORT",
        Port(|info| info.upstream.remote_address.as_ref()),
    ),
    (
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
        EndpointId(|info| info.upstream.remote_address.as_ref()),
    ),
    (
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        Text(|c, out| reason(&c.stream_info.upstream.transport_failure_reason, out)),
    ),
    (
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        Text(|c, out| {
            let upstream = &c.stream_info.upstream;
            text(
                upstream
                    .is_set
                    .then(|| upstream.detected_close_type.as_str()),
                out,
            )
        }),
    ),
    (
        "UPSTREAM_LOCAL_CLOSE_REASON",
        Text(|c, out| reason(&c.stream_info.upstream.local_close_reason, out)),
    ),
    (
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
        Text(|c, out| reason(&c.stream_info.connection.transport_failure_reason, out)),
    ),
    (
        "DOWNSTREAM_LOCAL_CLOSE_REASON",
        Text(|c, out| reason(&c.stream_info.downstream_local_close_reason, out)),
    ),
    (
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        Text(|c, out| {
            text(
                Some(c.stream_info.downstream_detected_close_type.as_str()),
                out,
            )
        }),
    ),
    (
        "DOWNSTREAM_REMOTE_ADDRESS",
        Address(|info| info.downstream_remote_address()),
    ),
    (
        "DOWNSTREAM_REMOTE_PORT",
        Port(|info| info.downstream_remote_address()),
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        Address(|info| info.connection.direct_remote_address.as_ref()),
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_PORT",
        Port(|info| info.connection.direct_remote_address.as_ref()),
    ),
    (
        "DOWNSTREAM_LOCAL_ADDRESS",
        Address(|info| info.connection.local_address.as_ref()),
    ),
    (
        "DOWNSTREAM_LOCAL_PORT",
        Port(|info| info.connection.local_address.as_ref()),
    ),
    (
        "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
        EndpointId(|info| info.connection.local_address.as_ref()),
    ),
    (
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
        Address(|info| info.connection.direct_local_address.as_ref()),
    ),
    (
        "DOWNSTREAM_DIRECT_LOCAL_PORT",
        Port(|info| info.connection.direct_local_address.as_ref()),
    ),
    (
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
        EndpointId(|info| info.connection.direct_local_address.as_ref()),
    ),
    ("CONNECTION_ID", Number(|c| c.stream_info.connection.id)),
    (
        "UPSTREAM_CONNECTION_ID",
        Number(|c| c.stream_info.upstream.connection_id.unwrap_or(0)),
    ),
    (
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
        Text(upstream_hosts::append_connection_id),
    ),
    (
        "STREAM_ID",
        Text(|c, out| {
            let id = c.stream_info.stream_id.as_deref().map(str::as_bytes);
            let id = id.or_else(|| c.request_headers?.get(Known::XRequestId));
            out.extend_from_slice(id.unwrap_or(b""));
            id.is_some()
        }),
    ),
    (
        "FILTER_CHAIN_NAME",
        Text(|c, out| {
            filled(
                c.stream_info
                    .connection
                    .filter_chain
                    .as_deref()
                    .map(|chain| &*chain.name),
                out,
            )
        }),
    ),
    (
        "LISTENER_NAME",
        Text(|c, out| {
            filled(
                c.stream_info
                    .connection
                    .listener
                    .as_deref()
                    .map(|listener| &*listener.name),
                out,
            )
        }),
    ),
    (
        "ACCESS_LOG_TYPE",
        Text(|c, out| text(Some(c.access_log_type.as_str()), out)),
    ),
    (
        "LOCAL_REPLY_BODY",
        Text(|c, out| {
            out.extend_from_slice(c.local_reply_body);
            true
        }),
    ),
    ("UNIQUE_ID", Text(super::unique_id::append)),
    (
        "TRACE_ID",
        Text(|c, out| {
            filled(
                c.stream_info.trace.as_deref().map(|trace| &*trace.trace_id),
                out,
            )
        }),
    ),
    (
        "SPAN_ID",
        Text(|c, out| {
            filled(
                c.stream_info.trace.as_deref().map(|trace| &*trace.span_id),
                out,
            )
        }),
    ),
    (
        "TLS_JA3_FINGERPRINT",
        Text(|c, out| filled(Some(&c.stream_info.connection.ja3_hash), out)),
    ),
    (
        "TLS_JA4_FINGERPRINT",
        Text(|c, out| filled(Some(&c.stream_info.connection.ja4_hash), out)),
    ),
    (
        "UPSTREAM_SERVER_NAME",
        Text(|c, out| {
            filled(
                c.stream_info
                    .upstream
                    .tls
                    .as_deref()
                    .map(|tls| &*tls.server_name),
                out,
            )
        }),
    ),
];

fn text(value: Option<&str>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or("").as_bytes());
    value.is_some()
}

fn filled(value: Option<&str>, out: &mut Vec<u8>) -> bool {
    text(value.filter(|value| !value.is_empty()), out)
}

fn reason(value: &str, out: &mut Vec<u8>) -> bool {
    append_without_white_space(value, out);
    !value.is_empty()
}

/// Appends names joined by commas; `-`, which is a value here and not the lack of one, for none.
fn flags(names: impl Iterator<Item = &'static str>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for name in names {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
    }
    if out.len() == start {
        out.push(b'-');
    }
    true
}
