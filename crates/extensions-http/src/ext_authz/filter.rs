//! What the external authorization filter does to a stream.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::head_limits::MaxHead;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    Applied, DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter,
    HttpFilterConfig, HttpFilterFactory, Interest, PerRoute, Resume, TrailersStatus,
};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::ClusterDescription;

use super::apply::{conclude, invalid};
use super::check::ToldBody;
use super::config::{BodyLimit, ChainConfig, Level, LevelCheck, Settings};
use super::stats::WorkerStats;
use super::verdict::{Changes, RESPONSE_ORDER};

/// How many headers a response of a host may have with the service's (`enforce_response_header_limits`).
const MAX_RESPONSE_HEADERS: usize = 100;

/// A worker's part of the filter.
pub(super) struct Worker {
    pub(super) settings: Arc<Settings>,
    pub(super) stats: WorkerStats,
    /// The filter's name in the chain.
    pub(super) name: Box<str>,
    pub(super) max_request_head: MaxHead,
}

/// What is kept of a question until its answer comes.
pub(super) struct Question {
    pub(super) cluster: Option<Rc<ClusterDescription>>,
    pub(super) asked_at: Instant,
    /// What the response is changed by.
    pub(super) response: Rc<RefCell<Changes>>,
}

struct Factory(Rc<Worker>);

/// A stream's.
struct Filter {
    worker: Rc<Worker>,
    /// The body is held until the service has seen it.
    holds_body: Option<BodyLimit>,
    response: Rc<RefCell<Changes>>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: WorkerStats::new(context, &self.0.stat_prefix),
            name: context.name.into(),
            max_request_head: context.max_request_head,
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            // A route may want it where the chain does not.
            request_body: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            holds_body: None,
            response: Rc::default(),
        })
    }
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let check = match context.route.most_specific::<Level>() {
            Some(Level::Disabled) => return HeadersStatus::Continue,
            Some(Level::Check(check)) => Some(check),
            None => None,
        };
        if !context.route.has_route() {
            return HeadersStatus::Continue;
        }
        if !self.is_enabled(context) {
            return self.pass_unchecked();
        }
        self.holds_body = match end_stream || is_upgrade(context.request_headers) {
            true => None,
            false => self.body_limit(check),
        };
        match self.holds_body {
            None => HeadersStatus::Wait(self.ask(context, None)),
            Some(limit) => {
                if !limit.allows_part {
                    *context.buffer_limit_bytes =
                        u64::try_from(limit.max_bytes).unwrap_or(u64::MAX);
                }
                HeadersStatus::Stop
            }
        }
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(limit) = self.holds_body else {
            return DataStatus::Continue;
        };
        let all_bytes = context.held_body.len() + data.len();
        let is_full = limit.allows_part && all_bytes >= limit.max_bytes;
        if !end_stream && !is_full {
            return DataStatus::StopAndBuffer;
        }
        if !limit.allows_part && all_bytes > limit.max_bytes {
            // The engine answers that it is too much.
            return DataStatus::StopAndBuffer;
        }
        self.holds_body = None;
        let body = told_body(limit, context.held_body, data.readable());
        DataStatus::Wait(self.ask(context, Some(body)))
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match self.holds_body.take() {
            None => TrailersStatus::Continue,
            Some(limit) => {
                let body = told_body(limit, context.held_body, &[]);
                TrailersStatus::Wait(self.ask(context, Some(body)))
            }
        }
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let most = match self.worker.settings.limits_response && is_of_host(context) {
            true => MAX_RESPONSE_HEADERS,
            false => usize::MAX,
        };
        let is_done = self
            .response
            .borrow()
            .apply(response, &RESPONSE_ORDER, most);
        match is_done {
            true => HeadersStatus::Continue,
            false => {
                self.response.take();
                self.worker.stats.own.response_header_limits_reached.inc();
                HeadersStatus::Reply(invalid())
            }
        }
    }
}

/// Whether the response came from a host.
fn is_of_host(context: &FilterContext<'_>) -> bool {
    context.stream_info.response_code_details.as_deref() == Some("via_upstream")
}

/// As much as is told of what is held and what has come.
fn told_body(limit: BodyLimit, held: &[u8], data: &[u8]) -> ToldBody {
    let mut bytes = Vec::with_capacity(limit.max_bytes.min(held.len() + data.len()));
    bytes.extend(held.iter().chain(data).take(limit.max_bytes));
    ToldBody {
        is_partial: bytes.len() < held.len() + data.len(),
        bytes,
        as_bytes: limit.as_bytes,
    }
}

/// Whether what follows the head is no body.
fn is_upgrade(request: &HeaderMap) -> bool {
    let is_websocket = request
        .get(Known::Upgrade)
        .is_some_and(|upgrade| upgrade.eq_ignore_ascii_case(b"websocket"));
    is_websocket || request.contains(Known::Protocol)
}

impl Filter {
    fn is_enabled(&self, context: &FilterContext<'_>) -> bool {
        let settings = &*self.worker.settings;
        let share = settings.enabled.as_ref();
        let metadata = settings.enabled_metadata.as_ref();
        share.is_none_or(|share| share.chooses(context.services.random_u64()))
            && metadata.is_none_or(|it| it.matches(context.stream_info.dynamic_metadata()))
    }

    fn pass_unchecked(&self) -> HeadersStatus {
        self.worker.stats.own.disabled.inc();
        let denies = self.worker.settings.deny_at_disable.as_ref();
        match denies.is_some_and(|denies| denies.is_on()) {
            true => HeadersStatus::Reply(self.worker.error()),
            false => HeadersStatus::Continue,
        }
    }

    fn body_limit(&self, check: Option<&LevelCheck>) -> Option<BodyLimit> {
        match check {
            Some(check) if check.tells_no_body => None,
            Some(LevelCheck {
                body: Some(own), ..
            }) => Some(*own),
            _ => self.worker.settings.body,
        }
    }

    fn ask(&self, context: &mut FilterContext<'_>, body: Option<ToldBody>) -> LocalFuture<Resume> {
        self.worker.begin_info(context);
        let settings = &*self.worker.settings;
        let own = match context.route.most_specific::<Level>() {
            Some(Level::Check(check)) => Some(check),
            _ => None,
        };
        let service = own.and_then(|own| own.service.as_ref());
        let service = service.unwrap_or(&settings.asked.service);
        let emits_span = own.and_then(|own| own.emits_span);
        let emits_span = emits_span.unwrap_or(settings.emits_span);
        let extensions = extensions_of(&context.route);
        let told = (settings, &settings.asked.told);
        let answer = service.ask(context, told, extensions, body, emits_span);
        let worker = Rc::clone(&self.worker);
        let question = Question {
            cluster: context.stream_info.upstream_cluster.clone(),
            asked_at: context.services.now(),
            response: Rc::clone(&self.response),
        };
        Box::pin(async move {
            let verdict = answer.await;
            Resume::Then(Box::new(Applied(Box::new(move |context| {
                conclude(&worker, &question, verdict, context)
            }))))
        })
    }
}

/// What all levels say of the request, of which the more specific ones count.
fn extensions_of(route: &PerRoute<'_>) -> BTreeMap<String, String> {
    let mut extensions = BTreeMap::new();
    for level in route.all::<Level>() {
        if let Level::Check(check) = level {
            extensions.extend(check.extensions.iter().cloned());
        }
    }
    extensions
}
