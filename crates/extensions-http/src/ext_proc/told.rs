//! What the processor is told: parts of a stream as messages.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::service_values::{structure, text};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::common::{HeaderList, HeaderValue, Metadata};
use nuncio_service_messages::ext_proc::{
    HttpBody, HttpHeaders, HttpTrailers, Part, ProcessingRequest, ProtocolConfiguration,
};

use super::config::{Settings, ToldHeaders};
use super::modes::Modes;
use super::side::Way;

/// The headers that are told, in their order.
pub(super) fn headers(of: &HeaderMap, told: &ToldHeaders) -> Option<HeaderList> {
    let told = of.iter().filter(|header| told.tells(header.name));
    let headers = told.map(|header| HeaderValue {
        key: text(header.name),
        value: String::new(),
        raw_value: header.value.to_vec(),
    });
    Some(HeaderList {
        headers: headers.collect(),
    })
}

/// A head.
pub(super) fn head(way: Way, of: &HeaderMap, told: &ToldHeaders, end_of_stream: bool) -> Part {
    let message = HttpHeaders {
        headers: headers(of, told),
        end_of_stream,
    };
    match way {
        Way::Request => Part::RequestHeaders(message),
        Way::Response => Part::ResponseHeaders(message),
    }
}

/// Some of a body.
pub(super) fn body(way: Way, bytes: &[u8], end_of_stream: bool) -> Part {
    let message = HttpBody {
        body: bytes.to_vec(),
        end_of_stream,
    };
    match way {
        Way::Request => Part::RequestBody(message),
        Way::Response => Part::ResponseBody(message),
    }
}

/// Trailers.
pub(super) fn trailers(way: Way, trailers: Option<HeaderList>) -> Part {
    let message = HttpTrailers { trailers };
    match way {
        Way::Request => Part::RequestTrailers(message),
        Way::Response => Part::ResponseTrailers(message),
    }
}

/// The message of a part, without its attributes.
pub(super) fn message(
    part: Part,
    settings: &Settings,
    namespaces: &[String],
    info: &StreamInfo,
) -> ProcessingRequest {
    ProcessingRequest {
        part: Some(part),
        metadata_context: Some(metadata(info, namespaces)),
        observability_mode: settings.observes.is_some(),
        ..ProcessingRequest::default()
    }
}

/// What the first message says of all.
pub(super) fn protocol(settings: &Settings, modes: Modes) -> ProtocolConfiguration {
    ProtocolConfiguration {
        request_body_mode: modes.request.body.number(),
        response_body_mode: modes.response.body.number(),
        send_body_without_waiting_for_header_response: settings.bodies_do_not_wait,
    }
}

fn metadata(info: &StreamInfo, namespaces: &[String]) -> Metadata {
    let Some(of) = info.dynamic_metadata() else {
        return Metadata::default();
    };
    let chosen = namespaces
        .iter()
        .filter_map(|name| Some((name.clone(), structure(of.namespace(name)?))));
    Metadata {
        filter_metadata: chosen.collect(),
    }
}
