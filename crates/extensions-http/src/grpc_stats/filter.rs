//! What the gRPC statistics filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};

use super::config::{ChainConfig, Named, Settings};
use super::connect::ResponseMessages;
use super::filter_state::Messages;
use crate::grpc::{self, CallStats, FrameScanner, Piece, Protocol, WorkerStats};

struct Shared {
    settings: Arc<Settings>,
    stats: Rc<WorkerStats>,
    connect_version: HeaderName,
}

struct Factory(Rc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Shared {
            settings: Arc::clone(&self.0),
            stats: WorkerStats::new(context.root),
            connect_version: HeaderName::parse("connect-protocol-version").expect("a header name"),
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
            begin: false,
            log: false,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(GrpcStatsFilter {
            shared: Rc::clone(&self.0),
            kind: Kind::default(),
            is_grpc_response: false,
            calls: None,
            request: FrameScanner::default(),
            messages: Messages::default(),
            response: ResponseMessages::default(),
            request_end: None,
        })
    }
}

/// What a request looks like; calls of the Connect protocol may look like both of its kinds.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    grpc: bool,
    connect_stream: bool,
    connect_unary: bool,
}

struct GrpcStatsFilter {
    shared: Rc<Shared>,
    kind: Kind,
    is_grpc_response: bool,
    calls: Option<CallStats>,
    request: FrameScanner,
    messages: Messages,
    response: ResponseMessages,
    /// When the request had passed.
    request_end: Option<Instant>,
}

/// Whether the content is that of a stream of the Connect protocol.
fn is_connect_stream(head: &HeaderMap) -> bool {
    let content_type = head.get(Known::ContentType).unwrap_or_default();
    content_type.starts_with(b"application/connect+")
}

impl Shared {
    fn kind(&self, request: &HeaderMap) -> Kind {
        if !request.contains(Known::Path) {
            return Kind::default();
        }
        Kind {
            grpc: grpc::has_grpc_type(request),
            connect_stream: is_connect_stream(request),
            connect_unary: request.contains(&self.connect_version),
        }
    }

    fn calls(&self, context: &FilterContext<'_>) -> Option<CallStats> {
        let cluster = context.stream_info.upstream_cluster.as_ref()?;
        let path = context.request_headers.get(Known::Path)?;
        let listed = match &self.settings.named {
            Named::All { replaces_dots } => {
                let dots = *replaces_dots;
                return self
                    .stats
                    .calls_by_path(cluster, Protocol::Grpc, path, dots);
            }
            Named::These(listed) => listed,
        };
        let (service, method) = grpc::service_and_method(path)?;
        if listed.is_empty() || !listed.contains(&(service.into(), method.into())) {
            return self.stats.calls(cluster, Protocol::Grpc, None);
        }
        self.stats
            .calls_by_path(cluster, Protocol::Grpc, path, false)
    }
}

impl GrpcStatsFilter {
    fn count(&self, name: &str, amount: u64) {
        if let Some(calls) = &self.calls {
            calls.count(name, amount);
        }
    }

    fn requests_came(&mut self, context: &mut FilterContext<'_>, count: u64) {
        if count == 0 {
            return;
        }
        self.messages.requests += count;
        self.leave(context);
        self.count("request_message_count", count);
    }

    fn responses_came(&mut self, context: &mut FilterContext<'_>, count: u64) {
        if count == 0 {
            return;
        }
        self.messages.responses += count;
        self.leave(context);
        self.count("response_message_count", count);
    }

    fn leave(&self, context: &mut FilterContext<'_>) {
        if !self.shared.settings.leaves_filter_state {
            return;
        }
        // Those of Connect's unary calls are one at most; what looks like both of its kinds has none.
        let is_stream = self.kind.grpc || self.kind.connect_stream;
        let messages = match self.kind.connect_unary && is_stream {
            true => Messages::default(),
            false => self.messages,
        };
        messages.leave(context.stream_info);
    }

    /// Records how long the host took, if it answered.
    fn record_time(&self, context: &FilterContext<'_>) {
        let has_answered = context.stream_info.upstream.timing.first_rx_byte.is_some();
        if let (Some(calls), Some(end)) = (&self.calls, self.request_end)
            && self.shared.settings.records_times
            && has_answered
        {
            let now = context.services.now();
            calls.record_time(now.saturating_duration_since(end));
        }
    }
}

impl HttpFilter for GrpcStatsFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        self.kind = self.shared.kind(context.request_headers);
        let Kind {
            grpc,
            connect_stream,
            connect_unary,
        } = self.kind;
        if grpc || connect_stream || connect_unary {
            self.calls = self.shared.calls(context);
        }
        if end_stream {
            self.request_end = Some(context.services.now());
        }
        HeadersStatus::Continue
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if self.kind.grpc || self.kind.connect_stream {
            let mut count = 0;
            self.request.scan(data.readable(), |piece| {
                count += u64::from(matches!(piece, Piece::Begin(_)));
                true
            });
            self.requests_came(context, count);
        } else if self.kind.connect_unary && end_stream {
            self.requests_came(context, 1);
        }
        if end_stream {
            self.request_end = Some(context.services.now());
        }
        DataStatus::Continue
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.request_end = Some(context.services.now());
        TrailersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        self.is_grpc_response = grpc::is_grpc_response(response, end_stream);
        let Some(calls) = &self.calls else {
            return HeadersStatus::Continue;
        };
        let is_connect = grpc::is_ok(response) && is_connect_stream(response);
        if self.kind.connect_unary {
            calls.count_end(grpc::is_ok(response));
        } else if !is_connect {
            calls.count_status(response);
        }
        if end_stream {
            self.record_time(context);
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if self.is_grpc_response || self.kind.connect_stream {
            let count = self.response.inspect(data.readable());
            self.responses_came(context, count);
            if let (false, true, Some(calls)) = (self.is_grpc_response, end_stream, &self.calls) {
                calls.count_end(self.response.is_connect_success());
                self.record_time(context);
            }
        } else if self.kind.connect_unary && end_stream {
            self.responses_came(context, 1);
            self.record_time(context);
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if let (true, Some(calls)) = (self.kind.grpc, &self.calls) {
            calls.count_status(trailers);
            self.record_time(context);
        }
        TrailersStatus::Continue
    }
}
