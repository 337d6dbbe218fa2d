//! What a service is told of a request.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use nuncio_contract::headers::{Header, HeaderMap, Known};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::matching::CompiledStringMatcher;
use nuncio_contract::service_values::{peers, structure, text};
use nuncio_contract::stream_info::metadata::Metadata;
use nuncio_service_messages::auth::{
    AttributeContext, CheckRequest, HttpRequest, Request, TlsSession,
};
use nuncio_service_messages::common::{self, HeaderList, HeaderValue, Timestamp};

use super::config::Settings;

/// Says whether the body that is told is all there is.
pub(super) const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// What is told of the body.
pub(super) struct ToldBody {
    pub(super) bytes: Vec<u8>,
    pub(super) is_partial: bool,
    pub(super) as_bytes: bool,
}

/// Which headers are told.
#[derive(Debug, Default)]
pub(super) struct ToldHeaders {
    /// None: all.
    pub(super) allowed: Option<Box<[CompiledStringMatcher]>>,
    pub(super) disallowed: Box<[CompiledStringMatcher]>,
    /// Whether those are told besides that a service of HTTP cannot do without.
    pub(super) with_necessary: bool,
}

impl ToldHeaders {
    pub(super) fn tells(&self, name: &[u8]) -> bool {
        let is_in = |list: &[CompiledStringMatcher]| list.iter().any(|one| one.matches(name));
        if name == PARTIAL_BODY.as_bytes() || is_in(&self.disallowed) {
            return false;
        }
        const NECESSARY: [&[u8]; 4] = [b":method", b":path", b":authority", b"authorization"];
        match &self.allowed {
            None => true,
            Some(_) if self.with_necessary && NECESSARY.contains(&name) => true,
            Some(allowed) => is_in(allowed),
        }
    }
}

/// The whole message.
pub(super) fn request(
    context: &FilterContext<'_>,
    settings: &Settings,
    told: &ToldHeaders,
    extensions: BTreeMap<String, String>,
    body: Option<ToldBody>,
) -> CheckRequest {
    let info = &*context.stream_info;
    let (mut source, destination) = peers(info, settings.includes_certificate);
    let service = context
        .request_headers
        .get(Known::XEnvoyDownstreamServiceCluster);
    source.service = text(service.unwrap_or_default());
    let since = info
        .start_time()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let time = Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    };
    let route = info.route_metadata.as_deref();
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(Request {
                time: Some(time),
                http: Some(http(context, settings, told, body)),
            }),
            context_extensions: extensions,
            metadata_context: Some(metadata(info.dynamic_metadata(), &settings.namespaces)),
            tls_session: settings.includes_tls_session.then(|| TlsSession {
                sni: info.connection.requested_server_name.to_string(),
            }),
            route_metadata_context: Some(metadata(route, &settings.route_namespaces)),
        }),
    }
}

fn http(
    context: &FilterContext<'_>,
    settings: &Settings,
    told: &ToldHeaders,
    body: Option<ToldBody>,
) -> HttpRequest {
    let headers = &*context.request_headers;
    let info = &*context.stream_info;
    let get = |known: Known| text(headers.get(known).unwrap_or_default());
    let mut http = HttpRequest {
        id: context.services.random_u64().to_string(),
        method: get(Known::Method),
        path: get(Known::Path),
        host: get(Known::Authority),
        scheme: get(Known::Scheme),
        size: i64::try_from(info.bytes_received).unwrap_or(i64::MAX),
        protocol: info
            .protocol
            .map_or_else(String::new, |protocol| protocol.as_str().to_owned()),
        ..HttpRequest::default()
    };
    let partial = body.as_ref().map(|body| match body.is_partial {
        true => "true",
        false => "false",
    });
    if settings.encodes_raw_headers {
        http.header_map = Some(raw_headers(headers, told, partial));
    } else {
        http.headers = joined_headers(headers, told, partial);
    }
    match body {
        Some(body) if body.as_bytes => http.raw_body = body.bytes,
        Some(body) => http.body = text(&body.bytes),
        None => {}
    }
    http
}

/// The headers that are told, in their order.
pub(super) fn told_headers<'h>(
    headers: &'h HeaderMap,
    told: &'h ToldHeaders,
) -> impl Iterator<Item = Header<'h>> {
    headers.iter().filter(|header| told.tells(header.name))
}

fn raw_headers(headers: &HeaderMap, told: &ToldHeaders, partial: Option<&str>) -> HeaderList {
    let mut list: Vec<_> = told_headers(headers, told)
        .map(|header| HeaderValue {
            key: text(header.name),
            value: String::new(),
            raw_value: header.value.to_vec(),
        })
        .collect();
    list.extend(partial.map(|partial| HeaderValue {
        key: PARTIAL_BODY.to_owned(),
        value: String::new(),
        raw_value: partial.as_bytes().to_vec(),
    }));
    HeaderList { headers: list }
}

/// All values of a name as one text, so that none is hidden from the service.
fn joined_headers(
    headers: &HeaderMap,
    told: &ToldHeaders,
    partial: Option<&str>,
) -> BTreeMap<String, String> {
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for header in told_headers(headers, told) {
        let value = text(header.value);
        by_name
            .entry(text(header.name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    if let Some(partial) = partial {
        by_name.insert(PARTIAL_BODY.to_owned(), partial.to_owned());
    }
    by_name
}

fn metadata(of: Option<&Metadata>, namespaces: &[Box<str>]) -> common::Metadata {
    let Some(of) = of else {
        return common::Metadata::default();
    };
    let chosen = namespaces.iter().filter_map(|name| {
        let fields = of.namespace(name)?;
        Some((name.to_string(), structure(fields)))
    });
    common::Metadata {
        filter_metadata: chosen.collect(),
    }
}
