//! What the gRPC-Web filter does to a stream.

use std::rc::Rc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::grpc::{percent_encoded, status_of_http};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::{Basis, LocalReply};

use super::config::ChainConfig;
use super::text::{Fault, RequestText, ResponseText};
use crate::grpc::{self, CallStats, Protocol, WorkerStats};
use nuncio_config::base64;

/// What of a response that is no gRPC becomes its message.
const MAX_MESSAGE_BYTES: usize = 16_384;

/// The flag of the frame of trailers.
const TRAILERS: u8 = 0x80;

struct Factory(Rc<WorkerStats>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(WorkerStats::new(context.root)))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            begin: false,
            log: false,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(GrpcWebFilter {
            stats: Rc::clone(&self.0),
            call: None,
        })
    }
}

struct GrpcWebFilter {
    stats: Rc<WorkerStats>,
    /// None where the request is not one of gRPC-Web.
    call: Option<Box<Call>>,
}

/// A call of gRPC-Web.
struct Call {
    stats: Option<CallStats>,
    request_text: Option<RequestText>,
    response_text: Option<ResponseText>,
    /// The body so far of a response that is no gRPC.
    foreign: Option<Vec<u8>>,
    /// What that becomes in the head of the response.
    status: u32,
}

fn is_text(content_type: &[u8]) -> bool {
    matches!(
        content_type,
        b"application/grpc-web-text" | b"application/grpc-web-text+proto"
    )
}

fn is_grpc_web(content_type: &[u8]) -> bool {
    is_text(content_type)
        || matches!(
            content_type,
            b"application/grpc-web" | b"application/grpc-web+proto"
        )
}

/// Whether a response is one of gRPC-Web already, in binary.
fn is_grpc_web_response(response: &HeaderMap) -> bool {
    let content_type = response.get(Known::ContentType).unwrap_or_default();
    let bare = content_type.split(|byte| *byte == b';').next();
    let bare = bare.unwrap_or_default().trim_ascii_end();
    grpc::is_ok(response)
        && (bare.eq_ignore_ascii_case(b"application/grpc-web")
            || bare.eq_ignore_ascii_case(b"application/grpc-web+proto"))
}

/// The answer to a request that is no base64.
fn refusal(fault: Fault) -> Box<LocalReply> {
    let (details, basis) = match fault {
        Fault::Size => ("grpc_base_64_decode_failed_bad_size", Basis::All),
        Fault::Data => ("grpc_base_64_decode_failed", Basis::Part),
    };
    let body = b"Bad gRPC-web request, invalid base64 data.".as_slice();
    Box::new(LocalReply::new(400, body, details).on(basis))
}

/// The frame of trailers, which are none any more.
fn trailers_frame(trailers: &mut HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for trailer in trailers.iter() {
        lines.extend_from_slice(trailer.name);
        lines.push(b':');
        lines.extend_from_slice(trailer.value);
        lines.extend_from_slice(b"\r\n");
    }
    trailers.clear();
    let [_, length @ ..] = grpc::frame_header(lines.len());
    let mut frame = vec![TRAILERS];
    frame.extend_from_slice(&length);
    frame.append(&mut lines);
    frame
}

impl HttpFilter for GrpcWebFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let request = &mut *context.request_headers;
        let content_type = request.get(Known::ContentType).unwrap_or_default();
        let path = request.get(Known::Path);
        let (true, Some(path)) = (is_grpc_web(content_type), path) else {
            return HeadersStatus::Continue;
        };
        let accepts_text = request.get(Known::Accept).is_some_and(is_text);
        let cluster = context.stream_info.upstream_cluster.as_ref();
        let stats = |cluster| {
            self.stats
                .calls_by_path(cluster, Protocol::GrpcWeb, path, false)
        };
        self.call = Some(Box::new(Call {
            stats: cluster.and_then(stats),
            request_text: is_text(content_type).then(RequestText::default),
            response_text: accepts_text.then(ResponseText::default),
            foreign: None,
            status: 0,
        }));
        request.remove(Known::ContentLength);
        request.set(Known::ContentType, b"application/grpc");
        request.set(Known::Te, b"trailers");
        if !request.contains(Known::GrpcAcceptEncoding) {
            request.set(Known::GrpcAcceptEncoding, b"identity");
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let text = self
            .call
            .as_mut()
            .and_then(|call| call.request_text.as_mut());
        match text.map(|text| text.decode(data, end_stream)) {
            Some(Err(fault)) => DataStatus::Reply(refusal(fault)),
            Some(Ok(())) if data.is_empty() && !end_stream => DataStatus::StopAndBuffer,
            _ => DataStatus::Continue,
        }
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let Some(call) = &mut self.call else {
            return HeadersStatus::Continue;
        };
        if let Some(stats) = &call.stats {
            stats.count_status(response);
        }
        let is_foreign =
            !grpc::is_grpc_response(response, end_stream) && !is_grpc_web_response(response);
        response.remove(Known::ContentLength);
        let content_type = match call.response_text {
            Some(_) => b"application/grpc-web-text+proto".as_slice(),
            None => b"application/grpc-web+proto",
        };
        response.set(Known::ContentType, content_type);
        if end_stream || !is_foreign {
            return HeadersStatus::Continue;
        }
        call.status = status_of_http(grpc::status_of(response));
        call.foreign = Some(Vec::new());
        HeadersStatus::Stop
    }

    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(call) = &mut self.call else {
            return DataStatus::Continue;
        };
        if let Some(foreign) = &mut call.foreign {
            let room = MAX_MESSAGE_BYTES.saturating_sub(foreign.len());
            let bytes = data.readable();
            foreign.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            data.clear();
            return match end_stream {
                true => DataStatus::Continue,
                false => DataStatus::StopAndBuffer,
            };
        }
        if let Some(text) = &mut call.response_text {
            text.encode(data);
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(call) = &mut self.call else {
            return TrailersStatus::Continue;
        };
        if let Some(stats) = &call.stats {
            stats.count_status(trailers);
        }
        if call.foreign.is_some() {
            return TrailersStatus::Continue;
        }
        let frame = trailers_frame(trailers);
        let mut appended = Buffer::default();
        match call.response_text {
            Some(_) => appended.extend(base64::encode(&frame).as_bytes()),
            None => appended.extend(&frame),
        }
        TrailersStatus::Append(appended)
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        let Some(call) = &self.call else { return };
        let message = percent_encoded(call.foreign.as_deref().unwrap_or_default());
        response.set(Known::GrpcMessage, &message);
        response.set_integer(Known::GrpcStatus, call.status.into());
        response.set_integer(Known::ContentLength, 0);
    }
}
