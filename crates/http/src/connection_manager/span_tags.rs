//! The tags of spans, by Envoy's names.

use std::time::Instant;

use nuncio_contract::formatter::is_grpc_request;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::{Address, FilterStateObject as _, Protocol, StreamInfo};
use nuncio_contract::tracing::Span;

use crate::spans::{SpanSettings, TryEnd};
use crate::stream::StreamState;

pub(super) const NODE_ID: &str = "node_id";
pub(super) const ZONE: &str = "zone";
pub(super) const RETRY_COUNT: &str = "retry.count";

/// Statuses of gRPC that are the fault of who serves.
const FAULTS: [&[u8]; 6] = [b"2", b"4", b"12", b"13", b"14", b"15"];

/// What is known of a stream that is over.
pub(super) fn of_stream(span: &mut dyn Span, state: &StreamState, settings: &SpanSettings) {
    let (info, request) = (&state.info, &state.request);
    if !request.is_empty() {
        of_request(span, state, settings);
    }
    span.set_tag("request_size", &info.bytes_received.to_string());
    of_cluster(span, info);
    span.set_tag("component", "proxy");
    span.set_tag("response_size", &info.bytes_sent.to_string());
    let flags: Vec<_> = info.response_flags.short_names().collect();
    let flags = if flags.is_empty() {
        "-".to_owned()
    } else {
        flags.join(",")
    };
    span.set_tag("response_flags", &flags);
    if settings.is_verbose {
        note_times(span, info);
    }
    let status = info.response_code;
    of_answer(span, status, (&state.response, &state.response_trailers));
}

fn text(headers: &HeaderMap, name: Known) -> String {
    let value = headers.get(name).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

fn text_or_dash(headers: &HeaderMap, name: Known) -> String {
    match headers.get(name) {
        Some(_) => text(headers, name),
        None => "-".to_owned(),
    }
}

fn of_request(span: &mut dyn Span, state: &StreamState, settings: &SpanSettings) {
    let (info, request) = (&state.info, &state.request);
    if request.contains(Known::XRequestId) {
        span.set_tag("guid:x-request-id", &text(request, Known::XRequestId));
    }
    span.set_tag("http.url", &url(request, settings.max_path_bytes));
    span.set_tag("http.method", &text(request, Known::Method));
    let cluster = text_or_dash(request, Known::XEnvoyDownstreamServiceCluster);
    span.set_tag("downstream_cluster", &cluster);
    span.set_tag("user_agent", &text_or_dash(request, Known::UserAgent));
    span.set_tag("http.protocol", info.protocol.map_or("-", Protocol::as_str));
    if let Some(address) = &info.connection.direct_remote_address {
        let address = match address.ip() {
            Some(ip) => ip.to_string(),
            None => address.serialize_as_string().unwrap_or_default(),
        };
        span.set_tag("peer.address", &address);
    }
    if request.contains(Known::XClientTraceId) {
        span.set_tag(
            "guid:x-client-trace-id",
            &text(request, Known::XClientTraceId),
        );
    }
    if is_grpc_request(request) {
        span.set_tag("grpc.path", &text(request, Known::Path));
        span.set_tag("grpc.authority", &text(request, Known::Authority));
        span.set_tag("grpc.content_type", &text(request, Known::ContentType));
        if request.contains(Known::GrpcTimeout) {
            span.set_tag("grpc.timeout", &text(request, Known::GrpcTimeout));
        }
    }
}

/// The URL as the client wrote it, its path cut off.
fn url(request: &HeaderMap, max_path_bytes: usize) -> String {
    let path = match request.get(Known::XEnvoyOriginalPath) {
        Some(path) => path,
        None => request.get(Known::Path).unwrap_or_default(),
    };
    let path = path.get(..max_path_bytes).unwrap_or(path);
    let scheme = match request.contains(Known::XForwardedProto) {
        true => text(request, Known::XForwardedProto),
        false => text(request, Known::Scheme),
    };
    let host = text(request, Known::Authority);
    format!("{scheme}://{host}{}", String::from_utf8_lossy(path))
}

fn of_cluster(span: &mut dyn Span, info: &StreamInfo) {
    if let Some(cluster) = &info.upstream_cluster {
        span.set_tag("upstream_cluster", &cluster.name);
        span.set_tag("upstream_cluster.name", &cluster.observability_name);
    }
}

fn of_answer(span: &mut dyn Span, status: Option<u16>, (head, trailers): (&HeaderMap, &HeaderMap)) {
    span.set_tag("http.status_code", &status.unwrap_or(0).to_string());
    let grpc = match trailers.contains(Known::GrpcStatus) {
        true => Some(trailers),
        false => Some(head).filter(|head| head.contains(Known::GrpcStatus)),
    };
    let mut is_error = status.is_none_or(|status| status >= 500);
    if let Some(headers) = grpc {
        span.set_tag("grpc.status_code", &text(headers, Known::GrpcStatus));
        let message = text(headers, Known::GrpcMessage);
        if !message.is_empty() {
            span.set_tag("grpc.message", &message);
        }
        let code = headers.get(Known::GrpcStatus).unwrap_or_default();
        is_error |= FAULTS.contains(&code);
    }
    if is_error {
        span.set_tag("error", "true");
    }
}

fn note(span: &mut dyn Span, info: &StreamInfo, at: Option<Instant>, event: &str) {
    if let Some(at) = at {
        let since = at.saturating_duration_since(info.start);
        span.note(info.start_time() + since, event);
    }
}

fn note_times(span: &mut dyn Span, info: &StreamInfo) {
    let down = &info.downstream_timing;
    note(
        span,
        info,
        down.last_rx_byte,
        "last_downstream_rx_byte_received",
    );
    note_times_of_try(span, info);
    note(
        span,
        info,
        down.first_tx_byte,
        "first_downstream_tx_byte_sent",
    );
    note(
        span,
        info,
        down.last_tx_byte,
        "last_downstream_tx_byte_sent",
    );
}

/// When the try of now sent and got what.
pub(super) fn note_times_of_try(span: &mut dyn Span, info: &StreamInfo) {
    let up = &info.upstream.timing;
    note(span, info, up.first_tx_byte, "first_upstream_tx_byte_sent");
    note(span, info, up.last_tx_byte, "last_upstream_tx_byte_sent");
    note(
        span,
        info,
        up.first_rx_byte,
        "first_upstream_rx_byte_received",
    );
    note(
        span,
        info,
        up.last_rx_byte,
        "last_upstream_rx_byte_received",
    );
}

/// What is known of a try when it begins.
pub(super) fn of_try(span: &mut dyn Span, info: &StreamInfo, host: &Address) {
    span.set_tag("component", "proxy");
    let host = address(host);
    span.set_tag("upstream_address", &host);
    span.set_tag("peer.address", &host);
    of_cluster(span, info);
}

fn address(of: &Address) -> String {
    of.serialize_as_string().unwrap_or_default()
}

/// What is known of one that is over.
pub(super) fn of_try_end(
    span: &mut dyn Span,
    end: &TryEnd<'_>,
    answer: Option<(&HeaderMap, &HeaderMap)>,
) {
    if end.is_canceled {
        span.set_tag("canceled", "true");
    }
    span.set_tag("http.protocol", end.protocol.map_or("-", Protocol::as_str));
    span.set_tag(
        "response_flags",
        if end.flags.is_empty() { "-" } else { end.flags },
    );
    if !end.reason.is_empty() {
        span.set_tag("error", "true");
        span.set_tag("error.reason", end.reason);
    }
    let none = HeaderMap::response();
    let answer = answer.unwrap_or((&none, &none));
    of_answer(span, end.status, answer);
}
