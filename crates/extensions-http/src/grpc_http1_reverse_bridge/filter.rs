//! What the bridge from gRPC to HTTP/1 does to a stream.

use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::grpc::status_of_http;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::{
    AddedBody, DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter,
    HttpFilterConfig, HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::{Basis, LocalReply};

use super::config::{ChainConfig, Level, Settings};
use crate::grpc::{self, FRAME_HEADER_BYTES};

/// [`FRAME_HEADER_BYTES`], as lengths in headers are counted.
const FRAME_HEADER_LENGTH: u64 = 5;

/// Statuses of gRPC.
const UNKNOWN: u32 = 2;
const INTERNAL: u32 = 13;

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(ChainConfig(Arc::clone(&self.0)))
    }
}

impl HttpFilterFactory for ChainConfig {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: self.0.withholds_frames,
            response_headers: true,
            response_body: true,
            begin: false,
            log: false,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(ReverseBridgeFilter {
            settings: Arc::clone(&self.0),
            call: None,
        })
    }
}

struct ReverseBridgeFilter {
    settings: Arc<Settings>,
    /// None where the request is not one of gRPC.
    call: Option<Box<Call>>,
}

/// A call of gRPC.
#[derive(Default)]
struct Call {
    /// The type of the request as it came.
    content_type: Box<[u8]>,
    /// Whether the head of the request's frame is off.
    is_stripped: bool,
    /// How long the message of the response is to be, where somebody tells.
    told_bytes: Option<u32>,
    /// Whether the head of its frame is on.
    is_framed: bool,
    came_bytes: u64,
    /// The message so far, where nobody tells its length.
    message: Buffer,
    status: u32,
}

/// An answer in the place of the host's.
fn failure(body: impl Into<Vec<u8>>, status: u32, details: &'static str) -> Box<LocalReply> {
    let mut reply = LocalReply::new(200, body.into(), details);
    reply.grpc_status = Some(status);
    Box::new(reply)
}

fn wrong_type(response: &HeaderMap) -> Box<LocalReply> {
    let status = grpc::status_of(response);
    let what = match response.get(Known::ContentType) {
        Some(content_type) => {
            let content_type = String::from_utf8_lossy(content_type);
            format!("unsupported content-type {content_type}")
        }
        None => "no content-type header".to_owned(),
    };
    let text =
        format!("envoy reverse bridge: upstream responded with {what}, status code {status}");
    failure(text, UNKNOWN, "grpc_bridge_content_type_wrong")
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(Known::ContentLength).and_then(grpc::number);
    length.filter(|length| *length > 0)
}

/// How long the message of a response is by its head; none where the head does not tell.
fn told_bytes(settings: &Settings, response: &HeaderMap) -> Result<Option<u32>, Box<LocalReply>> {
    if let Some(name) = &settings.size_header {
        let value = response.get_all_named(name).next();
        let first = value.and_then(|value| value.split(|byte| *byte == b',').next());
        return match first.and_then(grpc::number) {
            Some(length) => Ok(Some(length)),
            None => Err(failure(
                "envoy reverse bridge: upstream did not set content length",
                INTERNAL,
                "grpc_bridge_content_length_missing",
            )),
        };
    }
    let length = content_length(response).map(u32::try_from).transpose();
    length.map_err(|_too_large| {
        failure(
            "envoy reverse bridge: upstream response too large for gRPC frame",
            INTERNAL,
            "grpc_bridge_content_length_wrong",
        )
    })
}

impl Call {
    fn trailers(&self) -> Box<HeaderMap> {
        let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
        trailers.set_integer(Known::GrpcStatus, self.status.into());
        Box::new(trailers)
    }

    /// Puts the head of a frame before what is there of it.
    fn frame(&self, message_bytes: usize, data: &mut Buffer) {
        let message = std::mem::take(data);
        data.extend(&grpc::frame_header(message_bytes));
        data.append(message);
    }

    /// A chunk of a message whose frames the host does not make.
    fn frame_chunk(&mut self, data: &mut Buffer, end_stream: bool, limit: u64) -> DataStatus {
        if let Some(told) = self.told_bytes {
            if !std::mem::replace(&mut self.is_framed, true) {
                self.frame(usize::try_from(told).unwrap_or(usize::MAX), data);
            }
            if end_stream && self.came_bytes != u64::from(told) {
                return DataStatus::Reply(failure(
                    "envoy reverse bridge: upstream set incorrect content length",
                    INTERNAL,
                    "grpc_bridge_content_length_wrong",
                ));
            }
            return self.go_on(end_stream);
        }
        self.message.append(std::mem::take(data));
        if u64::try_from(self.message.len()).unwrap_or(u64::MAX) > limit {
            let body = b"Internal Server Error".as_slice();
            let reply = LocalReply::new(500, body, "response_payload_too_large");
            return DataStatus::Reply(Box::new(reply));
        }
        if !end_stream {
            return DataStatus::StopAndBuffer;
        }
        *data = std::mem::take(&mut self.message);
        self.frame(data.len(), data);
        self.go_on(true)
    }

    fn go_on(&self, end_stream: bool) -> DataStatus {
        match end_stream {
            true => DataStatus::AddTrailers(self.trailers()),
            false => DataStatus::Continue,
        }
    }
}

impl HttpFilter for ReverseBridgeFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let level = context.route.most_specific::<Level>();
        if end_stream || level.is_some_and(|level| level.disabled) {
            return HeadersStatus::Continue;
        }
        let request = &mut *context.request_headers;
        if !request.contains(Known::Path) || !grpc::has_grpc_type(request) {
            return HeadersStatus::Continue;
        }
        let content_type = request.get(Known::ContentType).unwrap_or_default();
        self.call = Some(Box::new(Call {
            content_type: content_type.into(),
            ..Call::default()
        }));
        request.set(Known::ContentType, &self.settings.content_type);
        request.set(Known::Accept, &self.settings.content_type);
        if self.settings.withholds_frames
            && let Some(length) = content_length(request)
        {
            let length = length.saturating_sub(FRAME_HEADER_LENGTH);
            request.set_integer(Known::ContentLength, length);
        }
        context.route_is_stale.set(true);
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        _end_stream: bool,
    ) -> DataStatus {
        let Some(call) = &mut self.call else {
            return DataStatus::Continue;
        };
        if self.settings.withholds_frames && !call.is_stripped {
            if data.len() < FRAME_HEADER_BYTES {
                let details = "grpc_bridge_data_too_small";
                let reply = failure("invalid request body", UNKNOWN, details);
                return DataStatus::Reply(Box::new(reply.on(Basis::Part)));
            }
            data.advance(FRAME_HEADER_BYTES);
            call.is_stripped = true;
        }
        DataStatus::Continue
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
        let content_type = response.get(Known::ContentType).unwrap_or_default();
        if *content_type != *self.settings.content_type {
            return HeadersStatus::Reply(wrong_type(response));
        }
        response.set(Known::ContentType, &call.content_type);
        if self.settings.withholds_frames {
            match told_bytes(&self.settings, response) {
                Ok(told) => call.told_bytes = told,
                Err(reply) => return HeadersStatus::Reply(reply),
            }
            if let Some(told) = call.told_bytes {
                let length = u64::from(told) + FRAME_HEADER_LENGTH;
                response.set_integer(Known::ContentLength, length);
            }
        }
        // Unlike in gRPC's specification, a success of HTTP is one of gRPC.
        call.status = match grpc::status_of(response) {
            200 => 0,
            status => status_of_http(status),
        };
        response.set(Known::Status, b"200");
        if !end_stream || !self.settings.withholds_frames {
            return HeadersStatus::Continue;
        }
        response.set_integer(Known::ContentLength, FRAME_HEADER_LENGTH);
        let mut data = Buffer::default();
        data.extend(&grpc::frame_header(0));
        HeadersStatus::AddBody(Box::new(AddedBody {
            data,
            trailers: Some(call.trailers()),
        }))
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(call) = &mut self.call else {
            return DataStatus::Continue;
        };
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        call.came_bytes = call.came_bytes.saturating_add(bytes);
        match self.settings.withholds_frames {
            true => call.frame_chunk(data, end_stream, *context.buffer_limit_bytes),
            false => call.go_on(end_stream),
        }
    }

    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(call) = &mut self.call else {
            return TrailersStatus::Continue;
        };
        trailers.set_integer(Known::GrpcStatus, call.status.into());
        if !self.settings.withholds_frames || call.told_bytes.is_some() {
            return TrailersStatus::Continue;
        }
        let mut message = std::mem::take(&mut call.message);
        call.frame(message.len(), &mut message);
        TrailersStatus::Append(message)
    }
}
