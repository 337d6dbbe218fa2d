//! Spans of requests and of their tries, where a connection manager has a tracer.
//!
//! A span begins once the route is known and ends with the stream, before it is logged; requests that are refused before
//! have none. Tags and their names are Envoy's. A stream without a span pays for looking whether it has one. Different from
//! Envoy: the span of a try has the begin of its connection. Copies of requests have theirs in the router, and calls for the
//! sake of a stream in the contract (`call_span.rs`).

use std::rc::Rc;

use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{Address, TraceReason};
use nuncio_contract::tracing::{SharedSpan, Span, SpanKind, SpanStart, Tracer};

use super::ConnectionManager;
use super::span_tags;
use super::tracing::Tracing;
use crate::spans::{ActiveSpan, SpanSettings, TryEnd, TrySpan};
use crate::stream::StreamState;
use crate::worker::Worker;

fn context<'a>(state: &'a StreamState, worker: &'a Worker) -> FormatContext<'a> {
    FormatContext {
        request_headers: Some(&state.request),
        response_headers: Some(&state.response),
        response_trailers: Some(&state.response_trailers),
        stream_info: &state.info,
        local_reply_body: b"",
        access_log_type: AccessLogType::NotSet,
        services: worker,
    }
}

impl ConnectionManager {
    /// The tracer and what spans are to say, if there is a tracer.
    fn spans(&self) -> Option<(&Rc<dyn Tracer>, &SpanSettings)> {
        let settings = &self.config.tracing.as_ref()?.spans;
        Some((self.tracer.as_ref()?, settings))
    }

    /// Decides whether a stream whose route is known is traced, and begins its span.
    #[cold]
    pub(crate) fn trace(&self, tracing: &Tracing, state: &mut StreamState) {
        let ids = self.config.request.request_ids;
        if self.tracer.is_none() {
            return tracing.decide(ids, state, &*self.worker);
        }
        let said = state.request.get_str(Known::XEnvoyDecoratorOperation);
        let said = said.filter(|said| !said.is_empty() && !tracing.spans.is_outbound);
        let said = said.map(str::to_owned);
        tracing.decide(ids, state, &*self.worker);
        self.begin_span(state);
        let is_taken = !state.request.contains(Known::XEnvoyDecoratorOperation);
        if let (Some(active), Some(said)) = (&mut state.span, said.filter(|_| is_taken)) {
            active.span.with(|span| span.set_operation(&said));
        }
    }

    /// Begins the span of a stream whose route is known.
    #[cold]
    pub(crate) fn begin_span(&self, state: &mut StreamState) {
        let Some((tracer, settings)) = self.spans() else {
            return;
        };
        let has_server_side = settings.spawns_upstream_span || !settings.is_outbound;
        let reason = state.info.trace_reason;
        let start = SpanStart {
            kind: match has_server_side {
                true => SpanKind::Server,
                false => SpanKind::Client,
            },
            is_outbound: settings.is_outbound,
            begin: state.info.start_time(),
            is_sampled: !matches!(reason, TraceReason::NotTraceable | TraceReason::HealthCheck),
            request: &state.request,
            info: &state.info,
            services: &*self.worker,
        };
        let Some(mut span) = tracer.begin(&start) else {
            return;
        };
        if span.is_told() {
            let node = self.worker.local_node().unwrap_or_default();
            span.set_tag(span_tags::NODE_ID, &node.id);
            span.set_tag(span_tags::ZONE, &node.zone);
            self.name_span(&mut *span, state, settings);
        }
        let services = Rc::clone(&self.worker);
        state.span = Some(Box::new(ActiveSpan {
            span: SharedSpan::share(span, services, &mut state.info),
            tries: Vec::new(),
        }));
    }

    fn name_span(&self, span: &mut dyn Span, state: &StreamState, settings: &SpanSettings) {
        let index = state.route.index;
        let route = index.and_then(|index| state.route.table.route(index));
        let of_route = route.and_then(|route| route.spans.as_deref());
        let format = of_route.and_then(|spans| spans.operation.as_ref());
        if let Some(format) = format.or(settings.names.operation.as_ref()) {
            let mut name = Vec::new();
            format.format(&context(state, &self.worker), &mut name);
            span.set_operation(&String::from_utf8_lossy(&name));
        } else if let Some(decorator) = route.and_then(|route| route.decorator.as_deref()) {
            span.set_operation(&decorator.operation);
        }
    }

    /// Ends the span of a stream that is over.
    #[cold]
    pub(crate) fn end_span(&self, state: &mut StreamState) {
        let (Some(active), Some((_, settings))) = (state.span.take(), self.spans()) else {
            return;
        };
        let now = self.worker.wall();
        for one in active.tries {
            one.span.end(now, &*self.worker);
        }
        let Some(mut span) = active.span.take() else {
            return;
        };
        if span.is_told() {
            span_tags::of_stream(&mut *span, state, settings);
            self.set_custom_tags(&mut *span, state, settings);
        }
        span.end(now, &*self.worker);
    }

    /// The tags of the configuration, of which a route's take the place of others.
    fn set_custom_tags(&self, span: &mut dyn Span, state: &StreamState, settings: &SpanSettings) {
        let context = context(state, &self.worker);
        let index = state.route.index;
        let route = index.and_then(|index| state.route.table.route(index));
        let of_route = route.and_then(|route| route.spans.as_deref());
        let of_route = of_route.map_or(&[][..], |spans| &spans.tags);
        let is_replaced = |name: &str| of_route.iter().any(|tag| *tag.name == *name);
        let of_manager = settings.names.tags.iter();
        let tags = of_manager.filter(|tag| !is_replaced(&tag.name));
        for tag in tags.chain(of_route) {
            if let Some(value) = tag.value(&context) {
                span.set_tag(&tag.name, &value);
            }
        }
    }

    /// Begins the span of a try if there is to be one, and tells its host of the trace.
    #[cold]
    pub(crate) fn begin_try_span(
        &self,
        state: &mut StreamState,
        host: &Address,
        starts_child_spans: bool,
    ) {
        let (Some((_, settings)), Some(mut active)) = (self.spans(), state.span.take()) else {
            return;
        };
        if settings.spawns_upstream_span || starts_child_spans {
            let span = self.try_span(&active, state, settings, host);
            active.tries.extend(span.map(|span| TrySpan {
                span,
                host: host.clone(),
            }));
        }
        if settings.propagates {
            let request = &mut state.request;
            match active.tries.last() {
                Some(last) => last.span.inject(request),
                None => _ = active.span.with(|span| span.inject(request)),
            }
        }
        state.span = Some(active);
    }

    /// Whether tries have spans of their own.
    pub(crate) fn spans_tries(&self, starts_child_spans: bool) -> bool {
        let spans = self.spans();
        spans.is_some_and(|(_, settings)| settings.spawns_upstream_span || starts_child_spans)
    }

    fn try_span(
        &self,
        active: &ActiveSpan,
        state: &StreamState,
        settings: &SpanSettings,
        host: &Address,
    ) -> Option<Box<dyn Span>> {
        if !active.span.with(|span| span.is_told())? {
            return active.span.child("");
        }
        let index = state.route.index;
        let route = index.and_then(|index| state.route.table.route(index));
        let of_route = route.and_then(|route| route.spans.as_deref());
        let format = of_route.and_then(|spans| spans.upstream_operation.as_ref());
        let format = format.or(settings.names.upstream_operation.as_ref());
        let name = match format {
            None => {
                let cluster = state.info.upstream_cluster.as_ref();
                let cluster = cluster.map_or("", |cluster| &*cluster.observability_name);
                format!("router {cluster} egress")
            }
            Some(format) => {
                let mut name = Vec::new();
                format.format(&context(state, &self.worker), &mut name);
                String::from_utf8_lossy(&name).into_owned()
            }
        };
        let mut span = active.span.child(&name)?;
        if let Some(again) = state.info.attempt_count.filter(|count| *count > 1) {
            span.set_tag(span_tags::RETRY_COUNT, &(again - 1).to_string());
        }
        span_tags::of_try(&mut *span, &state.info, host);
        Some(span)
    }

    /// Ends the span of the try that went to this host. `head` is of its answer, if that is not the stream's.
    #[cold]
    pub(crate) fn end_try_span(
        &self,
        state: &mut StreamState,
        host: &Address,
        end: &TryEnd<'_>,
        head: Option<&HeaderMap>,
    ) {
        let Some(mut active) = state.span.take() else {
            return;
        };
        if let Some(at) = active.tries.iter().position(|one| one.host == *host) {
            let mut span = active.tries.remove(at).span;
            if span.is_told() {
                self.tell_end_of_try(&mut *span, state, end, head);
            }
            span.end(self.worker.wall(), &*self.worker);
        }
        state.span = Some(active);
    }

    fn tell_end_of_try(
        &self,
        span: &mut dyn Span,
        state: &StreamState,
        end: &TryEnd<'_>,
        head: Option<&HeaderMap>,
    ) {
        let head = head.unwrap_or(&state.response);
        let answer = (head, &state.response_trailers);
        span_tags::of_try_end(span, end, end.status.map(|_| answer));
        if let Some((_, settings)) = self.spans() {
            if settings.is_verbose {
                span_tags::note_times_of_try(span, &state.info);
            }
            self.set_custom_tags(span, state, settings);
        }
    }

    /// What the host says is done.
    #[cold]
    pub(crate) fn rename_span(&self, state: &mut StreamState) {
        let said = state.response.get_str(Known::XEnvoyDecoratorOperation);
        if let (Some(active), Some(said)) = (&mut state.span, said.filter(|it| !it.is_empty())) {
            active.span.with(|span| span.set_operation(said));
        }
    }
}
