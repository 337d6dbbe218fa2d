//! What the transcoder does to a stream.

use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    AddedBody, DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter,
    HttpFilterConfig, HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::stats::Gauge;

use super::call::{Call, Held, Opening, open};
use super::config::{ChainConfig, Delimiter, Level, Settings};
use super::reply::{bad_request, response_too_large, too_large};
use super::request::Upload;
use super::response::Download;
use super::status;
use crate::grpc;

const JSON: &[u8] = b"application/json";
const EVENTS: &[u8] = b"text/event-stream";

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory {
            settings: Arc::clone(&self.0),
            request_bytes: context.scope.gauge("transcoder_request_buffer_bytes"),
            response_bytes: context.scope.gauge("transcoder_response_buffer_bytes"),
        })
    }
}

struct Factory {
    settings: Arc<Settings>,
    request_bytes: Arc<Gauge>,
    response_bytes: Arc<Gauge>,
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
        Box::new(TranscoderFilter {
            settings: Arc::clone(&self.settings),
            request_bytes: Arc::clone(&self.request_bytes),
            response_bytes: Arc::clone(&self.response_bytes),
            call: None,
        })
    }
}

struct TranscoderFilter {
    settings: Arc<Settings>,
    request_bytes: Arc<Gauge>,
    response_bytes: Arc<Gauge>,
    /// None where nothing is transcoded, or not any more.
    call: Option<Box<Call>>,
}

fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend(bytes);
    buffer
}

fn replace(data: &mut Buffer, bytes: &[u8]) {
    data.clear();
    data.extend(bytes);
}

/// Whether so many bytes are too many: by a limit of the filter's own, or by the connection's.
fn is_too_much(bytes: usize, own: Option<u32>, connection: u64) -> bool {
    let most = own.map_or(connection, u64::from);
    u64::try_from(bytes).unwrap_or(u64::MAX) > most
}

/// Makes a request one of gRPC.
fn rewrite(request: &mut HeaderMap, path: &str) {
    let original = request.get(Known::Path).unwrap_or_default().to_vec();
    let method = request.get(Known::Method).unwrap_or_default().to_vec();
    request.remove(Known::ContentLength);
    request.set(Known::ContentType, b"application/grpc");
    request.set(Known::XEnvoyOriginalPath, &original);
    request.set(Known::XEnvoyOriginalMethod, &method);
    request.set(Known::Path, path.as_bytes());
    request.set(Known::Method, b"POST");
    request.set(Known::Te, b"trailers");
}

impl HttpFilter for TranscoderFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        if let Some(level) = context.route.most_specific::<Level>() {
            self.settings = Arc::clone(&level.0);
        }
        let settings = &self.settings;
        if settings.methods.is_empty() || grpc::has_grpc_type(context.request_headers) {
            return HeadersStatus::Continue;
        }
        let (path, kind, mut upload) = match open(settings, context.request_headers) {
            Opening::Other => return HeadersStatus::Continue,
            Opening::Refused(reply) => return HeadersStatus::Reply(reply),
            Opening::Call(path, kind, upload) => (path, kind, upload),
        };
        rewrite(context.request_headers, &path);
        if !settings.keeps_route {
            context.route_is_stale.set(true);
        }
        let first = match end_stream {
            true => match upload.feed(b"", true) {
                Ok(frames) => Some(frames),
                Err(words) => {
                    return HeadersStatus::Reply(bad_request(words, Upload::when(true)));
                }
            },
            false => None,
        };
        let is_streamed = kind.client_streams;
        self.call = Some(Box::new(Call {
            settings: Arc::clone(settings),
            kind,
            upload,
            download: Download::default(),
            held_request: Held::new(&self.request_bytes),
            held_response: Held::new(&self.response_bytes),
        }));
        match first {
            Some(frames) if frames.is_empty() => HeadersStatus::Continue,
            Some(frames) => HeadersStatus::AddBody(Box::new(AddedBody {
                data: buffer(&frames),
                trailers: None,
            })),
            None if is_streamed => HeadersStatus::Continue,
            None => HeadersStatus::Stop,
        }
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(call) = &mut self.call else {
            return DataStatus::Continue;
        };
        let bytes = call.upload.held_bytes() + data.len();
        let own = call.settings.most_request_bytes;
        if call.upload.is_limited() && is_too_much(bytes, own, *context.buffer_limit_bytes) {
            return DataStatus::Reply(too_large());
        }
        match call.upload.feed(data.readable(), end_stream) {
            Ok(frames) => replace(data, &frames),
            Err(words) => return DataStatus::Reply(bad_request(words, Upload::when(false))),
        }
        call.held_request.set(call.upload.held_bytes());
        match end_stream || call.kind.client_streams {
            true => DataStatus::Continue,
            false => DataStatus::StopAndBuffer,
        }
    }

    fn decode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(call) = &mut self.call else {
            return TrailersStatus::Continue;
        };
        let frames = call.upload.feed(b"", true);
        call.held_request.set(0);
        match frames {
            Ok(frames) if frames.is_empty() => TrailersStatus::Continue,
            Ok(frames) => TrailersStatus::Append(buffer(&frames)),
            Err(words) => TrailersStatus::Reply(bad_request(words, Upload::when(false))),
        }
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        if !grpc::is_grpc_response(response, end_stream) {
            self.call = None;
        }
        let Some(call) = &mut self.call else {
            return HeadersStatus::Continue;
        };
        if end_stream {
            let status = call.trailers_only(response);
            self.call = None;
            return status;
        }
        response.remove(Known::ContentLength);
        let is_sse = call.kind.server_streams && call.settings.delimiter == Delimiter::Events;
        let content_type = match is_sse && call.kind.http_body.is_none() {
            true => EVENTS,
            false => JSON,
        };
        response.set(Known::ContentType, content_type);
        match call.kind.server_streams && call.kind.http_body.is_none() {
            true => HeadersStatus::Continue,
            false => HeadersStatus::Stop,
        }
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
        let limit = *context.buffer_limit_bytes;
        match call.encode(data, end_stream, limit, context.response.as_deref_mut()) {
            Ok(status) => status,
            Err(reply) => {
                self.call = None;
                DataStatus::Reply(reply)
            }
        }
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(mut call) = self.call.take() else {
            return TrailersStatus::Continue;
        };
        match call.end(context.response.as_deref_mut(), trailers) {
            Ok(body) if body.is_empty() => TrailersStatus::Continue,
            Ok(body) => TrailersStatus::Append(buffer(&body)),
            Err(reply) => TrailersStatus::Reply(reply),
        }
    }
}

impl Call {
    /// A response whose head is all there is.
    fn trailers_only(&mut self, response: &mut HeaderMap) -> HeadersStatus {
        let mut body = match self.kind.http_body.is_none() && self.kind.server_streams {
            true => self
                .download
                .finish(&self.settings, &self.kind)
                .unwrap_or_default(),
            false => Vec::new(),
        };
        let converted = self.converted_status(response);
        let is_converted = converted.is_some();
        if let Some(text) = converted {
            forget_status(response);
            body = text;
        }
        let of_head = status::http(status::of(response));
        if !is_converted {
            response.set_integer(Known::Status, of_head);
        }
        if is_converted || self.kind.server_streams {
            response.set(Known::ContentType, JSON);
        }
        if body.is_empty() {
            return HeadersStatus::Continue;
        }
        if is_converted || response.contains(Known::ContentLength) {
            let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
            response.set_integer(Known::ContentLength, length);
        }
        HeadersStatus::AddBody(Box::new(AddedBody {
            data: buffer(&body),
            trailers: None,
        }))
    }

    /// The status as a body, where that is wanted; the status of HTTP is set then.
    fn converted_status(&self, headers: &mut HeaderMap) -> Option<Vec<u8>> {
        if !self.settings.converts_status || self.download.has_messages() {
            return None;
        }
        let text = status::as_json(&self.settings.pool, headers, self.settings.print)?;
        if headers.contains(Known::Status) {
            let of_head = status::http(status::of(headers));
            headers.set_integer(Known::Status, of_head);
        }
        Some(text)
    }

    fn encode(
        &mut self,
        data: &mut Buffer,
        end_stream: bool,
        limit: u64,
        head: Option<&mut HeaderMap>,
    ) -> Result<DataStatus, Box<nuncio_contract::local_reply::LocalReply>> {
        let bytes = self.download.held_bytes() + data.len();
        let is_http_body = self.kind.http_body.is_some();
        let own = self.settings.most_response_bytes.filter(|_| !is_http_body);
        if is_too_much(bytes, own, limit) {
            return Err(response_too_large());
        }
        let mut out = self
            .download
            .feed(&self.settings, &self.kind, data.readable())?;
        if end_stream {
            out.append(&mut self.download.finish(&self.settings, &self.kind)?);
        }
        self.held_response.set(self.download.held_bytes());
        if self.kind.server_streams {
            replace(data, &out);
            if !is_http_body || end_stream {
                self.set_type(head);
                return Ok(DataStatus::Continue);
            }
            // The head waits for the first body, whose type it has.
            return Ok(match self.download.has_messages() {
                true => {
                    self.set_type(head);
                    DataStatus::Continue
                }
                false => DataStatus::StopAndBuffer,
            });
        }
        if !end_stream {
            data.clear();
            return Ok(DataStatus::StopAndBuffer);
        }
        self.set_type(head);
        replace(data, &std::mem::take(&mut self.download.unary));
        Ok(DataStatus::Continue)
    }

    /// Gives the head the type that an `HttpBody` has.
    fn set_type(&mut self, head: Option<&mut HeaderMap>) {
        if let Some(head) = head
            && let Some(content_type) = &mut self.download.content_type
            && !content_type.is_empty()
        {
            head.set(Known::ContentType, &std::mem::take(content_type));
        }
    }

    /// The end by trailers: what is still to be sent of the body.
    fn end(
        &mut self,
        head: Option<&mut HeaderMap>,
        trailers: &mut HeaderMap,
    ) -> Result<Vec<u8>, Box<nuncio_contract::local_reply::LocalReply>> {
        let mut body = self.download.finish(&self.settings, &self.kind)?;
        let has_body = self.download.has_messages();
        let converted = self.converted_status(trailers);
        let of_trailers = status::of(trailers);
        let is_head_held = !self.kind.server_streams
            || (self.kind.http_body.is_some() && !self.download.has_messages());
        if !self.kind.server_streams {
            body = std::mem::take(&mut self.download.unary);
        }
        let is_converted = converted.is_some();
        if let Some(text) = converted {
            body = text;
        }
        let Some(head) = head.filter(|_| is_head_held) else {
            return Ok(body);
        };
        self.set_type(Some(head));
        if self.kind.server_streams && !is_converted {
            return Ok(body);
        }
        head.set_integer(Known::Status, status::http(of_trailers));
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let is_raw = self.kind.http_body.is_some() && has_body && !is_converted;
        if is_raw {
            head.set_integer(Known::ContentLength, length);
        }
        if !is_converted {
            if of_trailers.is_some() {
                let text = trailers.get(Known::GrpcStatus).unwrap_or_default();
                head.set(Known::GrpcStatus, text);
            }
            if let Some(words) = trailers.get(Known::GrpcMessage) {
                head.set(Known::GrpcMessage, words);
            }
        }
        if !is_raw {
            head.set_integer(Known::ContentLength, length);
        }
        Ok(body)
    }
}

fn forget_status(head: &mut HeaderMap) {
    head.remove(Known::GrpcStatus);
    head.remove(Known::GrpcMessage);
    head.remove(Known::GrpcStatusDetailsBin);
}
