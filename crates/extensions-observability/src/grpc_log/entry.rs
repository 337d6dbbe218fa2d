//! Entries of requests and of connections.

use std::collections::BTreeMap;

use nuncio_contract::custom_tag::clean_text;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::stream_info::Protocol;
use nuncio_service_messages::access_log::{
    Common, Connection, HttpEntry, Request, Response, TcpEntry,
};
use nuncio_service_messages::common::UInt32Value;

use super::config::HeadersTold;

/// The entry of a request.
pub(super) fn http(told: &HeadersTold, common: Common, context: &FormatContext<'_>) -> HttpEntry {
    HttpEntry {
        common_properties: Some(common),
        protocol_version: match context.stream_info.protocol {
            None => 0,
            Some(Protocol::Http10) => 1,
            Some(Protocol::Http11) => 2,
            Some(Protocol::Http2) => 3,
            Some(Protocol::Http3) => 4,
        },
        request: Some(request(told, context)),
        response: Some(response(told, context)),
    }
}

/// The entry of a connection.
pub(super) fn tcp(common: Common, context: &FormatContext<'_>) -> TcpEntry {
    TcpEntry {
        common_properties: Some(common),
        connection_properties: Some(Connection {
            received_bytes: context.stream_info.bytes_received,
            sent_bytes: context.stream_info.bytes_sent,
        }),
    }
}

fn request(told: &HeadersTold, context: &FormatContext<'_>) -> Request {
    let info = context.stream_info;
    let headers = context.request_headers;
    let text = |name: Known| {
        let value = headers.and_then(|headers| headers.get(name));
        value.map(clean_text).unwrap_or_default()
    };
    Request {
        request_method: method_number(&text(Known::Method)),
        scheme: text(Known::Scheme),
        authority: text(Known::Authority),
        path: text(Known::Path),
        user_agent: text(Known::UserAgent),
        referer: text(Known::Referer),
        forwarded_for: text(Known::XForwardedFor),
        request_id: text(Known::XRequestId),
        original_path: text(Known::XEnvoyOriginalPath),
        request_headers_bytes: size(headers),
        request_body_bytes: info.bytes_received,
        request_headers: values(&told.of_request, headers),
        upstream_header_bytes_sent: info.upstream.bytes.header_bytes_sent,
        downstream_header_bytes_received: info.downstream_bytes.header_bytes_received,
    }
}

fn response(told: &HeadersTold, context: &FormatContext<'_>) -> Response {
    let info = context.stream_info;
    let details = info.response_code_details.as_deref();
    Response {
        response_code: info.response_code.map(|code| UInt32Value {
            value: u32::from(code),
        }),
        response_headers_bytes: size(context.response_headers),
        response_body_bytes: info.bytes_sent,
        response_headers: values(&told.of_response, context.response_headers),
        response_trailers: values(&told.of_trailers, context.response_trailers),
        response_code_details: details.unwrap_or_default().to_owned(),
        upstream_header_bytes_received: info.upstream.bytes.header_bytes_received,
        downstream_header_bytes_sent: info.downstream_bytes.header_bytes_sent,
    }
}

fn method_number(method: &str) -> i32 {
    const METHODS: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let place = METHODS.iter().position(|known| *known == method);
    place
        .and_then(|place| i32::try_from(place + 1).ok())
        .unwrap_or(0)
}

/// The bytes of names and values.
fn size(headers: Option<&HeaderMap>) -> u64 {
    let headers = headers.map(HeaderMap::iter);
    let sizes = headers.into_iter().flatten();
    let sizes = sizes.map(|header| header.name.len() + header.value.len());
    u64::try_from(sizes.sum::<usize>()).unwrap_or(u64::MAX)
}

/// Values of headers, joined where there are several.
fn values(names: &[HeaderName], headers: Option<&HeaderMap>) -> BTreeMap<String, String> {
    let Some(headers) = headers else {
        return BTreeMap::new();
    };
    let value = |name: &HeaderName| {
        headers.get(name)?;
        let all: Vec<_> = headers.get_all_named(name).collect();
        Some((name.as_str().to_owned(), clean_text(&all.join(&b","[..]))))
    };
    names.iter().filter_map(value).collect()
}
