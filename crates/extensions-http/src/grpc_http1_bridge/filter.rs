//! What the bridge from HTTP/1 to gRPC does to a stream.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::Protocol;

use super::config::ChainConfig;
use crate::grpc::{self, FRAME_HEADER_BYTES};

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, _context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(*self)
    }
}

impl HttpFilterFactory for ChainConfig {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: self.upgrades_protobuf,
            response_headers: true,
            response_body: true,
            begin: false,
            log: false,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(BridgeFilter {
            config: *self,
            bridges: false,
            frames: false,
            request: Buffer::default(),
            end: None,
        })
    }
}

struct BridgeFilter {
    config: ChainConfig,
    /// Whether the client speaks HTTP/1 and the request is gRPC.
    bridges: bool,
    /// Whether the request was bare protobuf; no longer once the frame of the response is off.
    frames: bool,
    /// The message of such a request so far.
    request: Buffer,
    end: Option<Box<End>>,
}

/// What the trailers of a response say in its head.
struct End {
    status: Option<Box<[u8]>>,
    message: Option<Box<[u8]>>,
    body_bytes: usize,
}

impl HttpFilter for BridgeFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let request = &mut *context.request_headers;
        if !request.contains(Known::Path) {
            return HeadersStatus::Continue;
        }
        let is_protobuf = request.get(Known::ContentType) == Some(b"application/x-protobuf");
        if self.config.upgrades_protobuf && is_protobuf {
            self.frames = true;
            request.set(Known::ContentType, b"application/grpc");
            request.remove(Known::ContentLength);
            context.route_is_stale.set(true);
        }
        let protocol = context.stream_info.protocol;
        let is_http1 = matches!(protocol, Some(Protocol::Http10 | Protocol::Http11));
        self.bridges = is_http1 && grpc::has_grpc_type(request);
        if self.bridges
            && self.config.drops_query
            && let Some(path) = request.get(Known::Path)
            && let Some(query) = path.iter().position(|byte| *byte == b'?')
        {
            let path = path.get(..query).unwrap_or_default().to_vec();
            request.set(Known::Path, &path);
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !self.bridges || !self.frames {
            return DataStatus::Continue;
        }
        self.request.append(std::mem::take(data));
        let held = u64::try_from(self.request.len()).unwrap_or(u64::MAX);
        if held > *context.buffer_limit_bytes {
            return DataStatus::Reply(Box::new(LocalReply::too_much()));
        }
        if !end_stream {
            return DataStatus::StopAndBuffer;
        }
        data.extend(&grpc::frame_header(self.request.len()));
        data.append(std::mem::take(&mut self.request));
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        TrailersStatus::Append(std::mem::take(&mut self.request))
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        match self.bridges && !end_stream {
            true => HeadersStatus::Stop,
            false => HeadersStatus::Continue,
        }
    }

    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !self.bridges || end_stream {
            return DataStatus::Continue;
        }
        if std::mem::take(&mut self.frames) {
            data.advance(FRAME_HEADER_BYTES.min(data.len()));
        }
        DataStatus::StopAndBuffer
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if self.bridges {
            self.end = Some(Box::new(End {
                status: trailers.get(Known::GrpcStatus).map(Box::from),
                message: trailers.get(Known::GrpcMessage).map(Box::from),
                body_bytes: context.held_body.len(),
            }));
        }
        TrailersStatus::Continue
    }

    fn release_response(&mut self, response: &mut HeaderMap) {
        let Some(end) = &self.end else { return };
        if let Some(status) = &end.status {
            if grpc::number::<u64>(status) != Some(0) {
                response.set(Known::Status, b"503");
            }
            response.set(Known::GrpcStatus, status);
        }
        if let Some(message) = &end.message {
            response.set(Known::GrpcMessage, message);
        }
        let length = u64::try_from(end.body_bytes).unwrap_or(u64::MAX);
        response.set_integer(Known::ContentLength, length);
    }
}
