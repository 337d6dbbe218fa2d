//! What the Lambda filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_valid_value};
use nuncio_contract::http_filter::{
    AddedBody, DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter,
    HttpFilterConfig, HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::stream_info::metadata::Value;

use super::config::{ChainConfig, Level, Settings};
use super::json;
use crate::aws::signer::Payload;

stat_group! {
    /// Calls of functions, at `http.<stat_prefix>.`.
    pub struct AwsLambdaStats("aws_lambda.") {
        counters { server_error }
        histograms { upstream_rq_payload_size: Bytes }
    }
}

/// Headers that are about the connection, of which a function knows nothing.
const FRAMING: [Known; 6] = [
    Known::Connection,
    Known::ContentLength,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::TransferEncoding,
    Known::Upgrade,
];

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<AwsLambdaStats>,
    /// Whether whoever comes here is on the way to Lambda, whatever the cluster says.
    is_upstream: bool,
}

struct Factory(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<AwsLambdaStats>();
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            is_upstream: context.is_upstream,
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(LambdaFilter {
            worker: Rc::clone(&self.0),
            call: None,
        })
    }
}

struct LambdaFilter {
    worker: Rc<Worker>,
    /// A stream that calls a function.
    call: Option<Box<Call>>,
}

struct Call {
    settings: Arc<Settings>,
    request: Vec<u8>,
    /// What the function returns; none where that goes on as it is.
    response: Option<Vec<u8>>,
}

impl HttpFilter for LambdaFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        if !self.worker.is_upstream && !leads_to_lambda(context) {
            return HeadersStatus::Continue;
        }
        let level = context.route.most_specific::<Level>();
        let settings = level.map_or(&self.worker.settings, |Level(own)| own);
        let settings = Arc::clone(settings);
        if let Some(settled) = settings.signer.credentials.pending() {
            return HeadersStatus::Again(settled);
        }
        let call = self.call.insert(Box::new(Call {
            settings,
            request: Vec::new(),
            response: None,
        }));
        if !end_stream {
            return HeadersStatus::Stop;
        }
        let settings = &call.settings;
        let json = json::of_request(context.request_headers, None);
        settings.address(context.request_headers);
        if settings.is_passed_through {
            settings.sign(context, &Payload::Nothing);
            return HeadersStatus::Continue;
        }
        Settings::describe_json(context.request_headers, &json);
        settings.sign(context, &Payload::Body(&json, b""));
        let mut data = Buffer::default();
        data.extend(&json);
        HeadersStatus::AddBody(Box::new(AddedBody {
            data,
            trailers: None,
        }))
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
        if !take(&mut call.request, data, *context.buffer_limit_bytes) {
            return DataStatus::Reply(Box::new(LocalReply::too_much()));
        }
        if !end_stream {
            return DataStatus::StopAndBuffer;
        }
        data.extend(&call.whole_request(context, &self.worker.stats));
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let Some(call) = &mut self.call else {
            return TrailersStatus::Continue;
        };
        let mut data = Buffer::default();
        data.extend(&call.whole_request(context, &self.worker.stats));
        TrailersStatus::Append(data)
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let Some(call) = self.call.as_mut().filter(|_| !end_stream) else {
            return HeadersStatus::Continue;
        };
        let status = response.get_str(Known::Status);
        let status: u16 = status.and_then(|status| status.parse().ok()).unwrap_or(500);
        let error = HeaderName::to_look_up("x-amz-function-error");
        let settings = &call.settings;
        let is_json = settings.is_waited_for && !settings.is_passed_through;
        if status >= 300 || response.contains(&error) || !is_json {
            return HeadersStatus::Continue;
        }
        call.response = Some(Vec::new());
        HeadersStatus::Stop
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let held = self.call.as_mut().and_then(|call| call.response.as_mut());
        let Some(held) = held else {
            return DataStatus::Continue;
        };
        if !take(held, data, *context.buffer_limit_bytes) {
            let body = b"Internal Server Error".as_slice();
            let reply = LocalReply::new(500, body, "response_payload_too_large");
            return DataStatus::Reply(Box::new(reply.with_flags(ResponseFlags::NONE)));
        }
        if !end_stream {
            return DataStatus::StopAndBuffer;
        }
        data.extend(&self.whole_response(context));
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let mut data = Buffer::default();
        data.extend(&self.whole_response(context));
        match data.is_empty() {
            true => TrailersStatus::Continue,
            false => TrailersStatus::Append(data),
        }
    }
}

impl LambdaFilter {
    /// The body of the response that the function has returned.
    fn whole_response(&mut self, context: &mut FilterContext<'_>) -> Vec<u8> {
        let held = self.call.as_mut().and_then(|call| call.response.take());
        let (Some(held), Some(head)) = (held, context.response.as_deref_mut()) else {
            return Vec::new();
        };
        let body = match json::returned(&held) {
            None => {
                head.set_integer(Known::Status, 500);
                self.worker.stats.server_error.inc();
                Vec::new()
            }
            Some(returned) => {
                respond(head, &returned);
                returned.body
            }
        };
        if matches!(head.get(Known::Status), Some(b"204" | b"304")) {
            // The bytes would be read as the next response.
            head.remove(Known::ContentLength);
            return Vec::new();
        }
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        head.set_integer(Known::ContentLength, length);
        body
    }
}

impl Call {
    /// The body that goes to the function, whose call the head becomes.
    fn whole_request(
        &mut self,
        context: &mut FilterContext<'_>,
        stats: &AwsLambdaStats,
    ) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.request);
        let request = &mut *context.request_headers;
        if !self.settings.is_passed_through {
            body = json::of_request(request, Some(&body));
            Settings::describe_json(request, &body);
        }
        self.settings.address(request);
        self.settings.sign(context, &Payload::Body(&body, b""));
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        stats.upstream_rq_payload_size.record(length);
        body
    }
}

impl Settings {
    fn describe_json(request: &mut HeaderMap, json: &[u8]) {
        let length = u64::try_from(json.len()).unwrap_or(u64::MAX);
        request.set_integer(Known::ContentLength, length);
        request.set(Known::ContentType, b"application/json");
    }

    fn address(&self, request: &mut HeaderMap) {
        request.set(Known::Method, b"POST");
        request.set(Known::Path, self.path.as_bytes());
        let kind: &[u8] = match self.is_waited_for {
            true => b"RequestResponse",
            false => b"Event",
        };
        request.replace(&self.invocation_type, kind);
        if !self.host.is_empty() {
            request.set(Known::Authority, self.host.as_bytes());
        }
    }

    fn sign(&self, context: &mut FilterContext<'_>, payload: &Payload<'_>) {
        let now = context.services.wall();
        self.signer.sign(context.request_headers, payload, now);
    }
}

/// Whether the cluster says of itself that it leads to Lambda.
fn leads_to_lambda(context: &FilterContext<'_>) -> bool {
    let name = context.route.cluster_name();
    let name = name.and_then(|name| str::from_utf8(name).ok());
    let cluster = name.and_then(|name| context.services.describe_cluster(name));
    let says = cluster.as_ref().and_then(|cluster| {
        let own = cluster.metadata.namespace("com.amazonaws.lambda")?;
        own.get("egress_gateway")
    });
    says == Some(&Value::Bool(true))
}

/// Takes what is in `data`; false if that is more than may be held.
fn take(held: &mut Vec<u8>, data: &mut Buffer, limit_bytes: u64) -> bool {
    held.extend_from_slice(data.readable());
    data.clear();
    u64::try_from(held.len()).is_ok_and(|len| len <= limit_bytes)
}

/// The head of what a function returns. A status that is none is an error of the function.
fn respond(head: &mut HeaderMap, returned: &json::Returned) {
    head.set(Known::ContentType, b"application/json");
    for (name, value) in &returned.headers {
        let Ok(name) = HeaderName::parse(&name.to_ascii_lowercase()) else {
            continue;
        };
        let is_framing = name.known().is_some_and(|known| FRAMING.contains(&known));
        if !is_framing && is_valid_value(value.as_bytes()) {
            head.replace(&name, value.as_bytes());
        }
    }
    let cookies = returned.cookies.iter().map(String::as_bytes);
    for cookie in cookies.filter(|cookie| is_valid_value(cookie)) {
        head.append(Known::SetCookie, cookie);
    }
    match returned.status {
        0 => {}
        status @ 200..=999 => head.set_integer(Known::Status, u64::from(status)),
        _ => head.set_integer(Known::Status, 500),
    }
}
