//! A filter driven by hand: one room on one worker, its streams step by step, under a clock that a test
//! moves and random numbers that a test chooses.
//!
//! The harness does what the engine does between calls: it counts the body bytes that are held back and
//! gives each call the limit.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::diagnostic::Severity;
use nuncio_config::source::{Format, Source};
use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{interpret, text, validate};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::Calls;
use nuncio_contract::clock::{Clock, ManualClock};
use nuncio_contract::early_header_mutation::EarlyHeaderMutationRoom;
use nuncio_contract::forward_proxy::ForwardProxy;
use nuncio_contract::head_limits::MaxHead;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, DataStatus, Destination, FilterContext, FilterWorkerContext, HeadersStatus,
    HttpFilter, HttpFilterConfig, HttpFilterFactory, Interest, Late, PerRoute, Then,
    TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::on_demand::{ClusterSource, OnDemandClusters};
use nuncio_contract::on_demand_message::RoutesWith;
use nuncio_contract::registry::{HttpFilterRoom, RouteFilterConfig};
use nuncio_contract::services::{FailingHealth, LocalFuture, Membership, WorkerServices};
use nuncio_contract::stats::{Scope, StatValue, StatsStore};
use nuncio_contract::stream_info::StreamInfo;

/// What a connection's buffer limit is unless a filter changes it.
pub(crate) const DEFAULT_LIMIT_BYTES: u64 = 1 << 20;

/// A worker's services, in the hands of a test.
#[derive(Default)]
pub(crate) struct Services {
    /// Stands still until a test moves it.
    pub(crate) clock: Rc<ManualClock>,
    /// The random numbers to come; 0 after the last.
    pub(crate) randoms: RefCell<VecDeque<u64>>,
    /// Whether health checks are to fail.
    pub(crate) failing_health: FailingHealth,
    /// The clusters that there are.
    pub(crate) clusters: RefCell<HashMap<&'static str, Membership>>,
    /// A cluster whose hosts are whatever names requests ask for.
    pub(crate) forward_proxy: RefCell<Option<(&'static str, Rc<dyn ForwardProxy>)>>,
    /// Who is asked for clusters that are not there.
    pub(crate) on_demand: RefCell<Option<Rc<dyn OnDemandClusters>>>,
    /// What makes calls.
    pub(crate) calls: RefCell<Option<Calls>>,
}

impl Clock for Services {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }
}

impl WorkerServices for Services {
    fn fails_health_checks(&self) -> bool {
        self.failing_health.is_set()
    }

    fn membership(&self, cluster: &str) -> Option<Membership> {
        self.clusters.borrow().get(cluster).copied()
    }

    fn forward_proxy(&self, cluster: &str) -> Option<Rc<dyn ForwardProxy>> {
        let known = self.forward_proxy.borrow();
        let (_, proxy) = known.as_ref().filter(|(name, _)| *name == cluster)?;
        Some(Rc::clone(proxy))
    }

    fn on_demand_clusters(&self) -> Option<Rc<dyn OnDemandClusters>> {
        self.on_demand.borrow().clone()
    }

    fn calls(&self) -> Option<Calls> {
        self.calls.borrow().clone()
    }

    fn random_u64(&self) -> u64 {
        self.randoms.borrow_mut().pop_front().unwrap_or(0)
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        let clock = Rc::clone(&self.clock);
        let end = clock.now() + duration;
        Box::pin(poll_fn(move |_| match clock.now() >= end {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }
}

/// A configured filter on one worker.
pub(crate) struct Worker {
    factory: Box<dyn HttpFilterFactory>,
    scope: Scope,
    store: StatsStore,
    /// Time and chance.
    pub(crate) services: Services,
}

impl Worker {
    /// The room with this configuration, which must be a good one.
    pub(crate) fn new(room: &HttpFilterRoom, yaml: &str) -> Self {
        let mut ctx = Ctx::default();
        let config =
            parse(room.message, yaml, &mut ctx).and_then(|any| (room.parse)(&any, &mut ctx));
        let config = config.unwrap_or_else(|_| panic!("{yaml}: {}", errors(&ctx)));
        assert_eq!(errors(&ctx), "", "{yaml}");
        Worker::of(room, &*config)
    }

    /// The same of a configuration that was made before.
    pub(crate) fn of(room: &HttpFilterRoom, config: &dyn HttpFilterConfig) -> Self {
        let store = StatsStore::default();
        let scope = store.scope("http.test");
        let root = store.root();
        let factory = config.for_worker(&FilterWorkerContext {
            scope: &scope,
            root: &root,
            name: room.name,
            service_cluster: "here",
            is_upstream: false,
            max_request_head: MaxHead::ANY,
        });
        Worker {
            factory,
            scope,
            store,
            services: Services::default(),
        }
    }

    /// Which events the filter wants.
    pub(crate) fn interest(&self) -> Interest {
        self.factory.interest()
    }

    /// A new stream: `GET /` without other headers.
    pub(crate) fn stream(&self) -> Stream<'_> {
        let mut request = HeaderMap::request();
        for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "host")] {
            let name = HeaderName::parse_with_pseudo(name).expect("a name");
            request.append(&name, value.as_bytes());
        }
        let start = self.services.now();
        let mut info = StreamInfo::new(Rc::default(), self.services.wall(), start);
        let mut filter = self.factory.create();
        if self.interest().begin {
            filter.begin(&mut info);
        }
        Stream {
            worker: self,
            filter,
            request,
            info,
            passed: Vec::new(),
            held_body: Vec::new(),
            is_route_stale: Cell::default(),
            limit_bytes: DEFAULT_LIMIT_BYTES,
            levels: Vec::new(),
            destination: To(None, None),
        }
    }

    /// The value of a counter or gauge behind `http.test.`.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.stat_of_all(&format!("http.test.{name}"))
    }

    /// The value of a counter or gauge of any scope.
    pub(crate) fn stat_of_all(&self, name: &str) -> u64 {
        let mut found = None;
        for scope in self.store.scopes() {
            scope.for_each(&mut |view| {
                let value = match view.value {
                    StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => value,
                    StatValue::TextReadout { .. } | StatValue::Histogram { .. } => return,
                };
                if view.name.to_string() == name {
                    found = Some(value);
                }
            });
        }
        found.unwrap_or_else(|| panic!("no stat is called {name}"))
    }

    /// How many values a histogram of any scope has.
    pub(crate) fn recorded(&self, name: &str) -> u64 {
        self.store.flush();
        let mut found = None;
        for scope in self.store.scopes() {
            scope.for_each(&mut |view| {
                if let StatValue::Histogram { merged, .. } = view.value
                    && view.name.to_string() == name
                {
                    found = merged.map(|merged| merged.cumulative.sample_count());
                }
            });
        }
        found.unwrap_or_else(|| panic!("no histogram is called {name}"))
    }

    /// The sum of all gauges: what streams take and must give back.
    pub(crate) fn gauges(&self) -> u64 {
        let mut sum = 0;
        self.scope.for_each(&mut |view| {
            if let StatValue::Gauge { value, .. } = view.value {
                sum += value;
            }
        });
        sum
    }
}

/// A stream that passes the filter.
pub(crate) struct Stream<'w> {
    worker: &'w Worker,
    filter: Box<dyn HttpFilter>,
    /// The request's headers as the filter left them.
    pub(crate) request: HeaderMap,
    /// What is known of the stream.
    pub(crate) info: StreamInfo,
    /// The bytes of bodies that the filter let through, as the next one sees them.
    pub(crate) passed: Vec<u8>,
    /// What is held back of the body.
    pub(crate) held_body: Vec<u8>,
    /// Whether the filter has asked that the route is looked for again.
    pub(crate) is_route_stale: Cell<bool>,
    /// How much may be.
    pub(crate) limit_bytes: u64,
    levels: Vec<Option<RouteFilterConfig>>,
    destination: To,
}

/// The cluster that a stream goes to.
struct To(Option<&'static str>, Option<RoutesWith>);

impl Destination for To {
    fn cluster_name(&self) -> Option<&[u8]> {
        self.0.map(str::as_bytes)
    }

    fn has_route(&self) -> bool {
        self.0.is_some()
    }

    fn more_routes(&self, request: &HeaderMap) -> Option<(Arc<ClusterSource>, Box<str>)> {
        let host = request.get(Known::Authority)?;
        let source = self.1.clone()?.into_source();
        Some((source, String::from_utf8_lossy(host).into()))
    }
}

impl Stream<'_> {
    /// The same stream with one more request header.
    pub(crate) fn with(mut self, header: &str, value: &str) -> Self {
        self.request.append(&name(header), value.as_bytes());
        self
    }

    /// The same stream on a route with a configuration of its own, each call for a more specific level.
    pub(crate) fn on_level(mut self, room: &HttpFilterRoom, yaml: &str) -> Self {
        let level = parse_level(room, yaml).unwrap_or_else(|errors| panic!("{yaml}: {errors}"));
        self.levels.push(Some(level));
        self
    }

    /// The same for a configuration that several streams have.
    pub(crate) fn on(mut self, level: &RouteFilterConfig) -> Self {
        self.levels.push(Some(level.clone()));
        self
    }

    /// The same stream where there is no route, but may be more of them.
    pub(crate) fn in_routes_with_more(mut self, routes: RoutesWith) -> Self {
        self.destination.1 = Some(routes);
        self
    }

    /// The same stream on a route to a cluster.
    pub(crate) fn going_to(mut self, name: &'static str) -> Self {
        self.destination.0 = Some(name);
        self
    }

    /// Does what a wait has come to.
    pub(crate) fn apply(&mut self, applied: Applied) -> Option<Box<LocalReply>> {
        self.call(|_, context| (applied.0)(context))
    }

    pub(crate) fn decode_headers(&mut self, end_stream: bool) -> HeadersStatus {
        self.call(|filter, context| filter.decode_headers(context, end_stream))
    }

    /// One chunk of the request's body.
    pub(crate) fn decode_data(&mut self, bytes: &[u8], end_stream: bool) -> DataStatus {
        let mut data = Buffer::new();
        data.extend(bytes);
        let status =
            self.call(|filter, context| filter.decode_data(context, &mut data, end_stream));
        self.hold(&status, &data);
        status
    }

    pub(crate) fn decode_trailers(&mut self) -> TrailersStatus {
        let mut trailers = HeaderMap::request();
        let status = self.call(|filter, context| filter.decode_trailers(context, &mut trailers));
        self.note_trailers(&status);
        status
    }

    pub(crate) fn encode_headers(
        &mut self,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        self.call(|filter, context| filter.encode_headers(context, response, end_stream))
    }

    /// One chunk of the response's body.
    pub(crate) fn encode_data(&mut self, bytes: &[u8], end_stream: bool) -> DataStatus {
        let mut data = Buffer::new();
        data.extend(bytes);
        let status =
            self.call(|filter, context| filter.encode_data(context, &mut data, end_stream));
        self.hold(&status, &data);
        status
    }

    pub(crate) fn encode_trailers(&mut self) -> TrailersStatus {
        self.encode_these_trailers(&mut HeaderMap::response())
    }

    /// The response's trailers.
    pub(crate) fn encode_these_trailers(&mut self, trailers: &mut HeaderMap) -> TrailersStatus {
        let status = self.call(|filter, context| filter.encode_trailers(context, trailers));
        self.note_trailers(&status);
        status
    }

    /// The response's head, which the filter held, goes on.
    pub(crate) fn release_response(&mut self, response: &mut HeaderMap) {
        self.filter.release_response(response);
    }

    /// What the filter gives back of the request's body by now.
    pub(crate) fn decode_late(&mut self) -> Option<Then> {
        let mut cx = Context::from_waker(Waker::noop());
        let late = self.call(|filter, context| filter.poll_decode_late(context, &mut cx));
        self.note_late(late)
    }

    /// What the filter gives back of the response's body by now.
    pub(crate) fn encode_late(&mut self) -> Option<Then> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut response = HeaderMap::response();
        let late =
            self.call(|filter, context| filter.poll_encode_late(context, &mut response, &mut cx));
        self.note_late(late)
    }

    fn note_late(&mut self, late: Poll<Late>) -> Option<Then> {
        let Poll::Ready(late) = late else {
            return None;
        };
        self.passed.extend_from_slice(late.data.readable());
        Some(late.then)
    }

    /// A request header's values as the next filter sees them, joined by ` | `; empty where there is none.
    pub(crate) fn header(&self, header: &str) -> String {
        values(&self.request, header)
    }

    fn hold(&mut self, status: &DataStatus, chunk: &Buffer) {
        match status {
            DataStatus::Continue | DataStatus::AddTrailers(_) => {
                self.passed.append(&mut self.held_body);
                self.passed.extend_from_slice(chunk.readable());
            }
            DataStatus::Later => {}
            DataStatus::Reply(_) => self.held_body.clear(),
            DataStatus::StopAndBuffer | DataStatus::Wait(_) | DataStatus::Again(_) => {
                self.held_body.extend_from_slice(chunk.readable());
            }
        }
    }

    fn note_trailers(&mut self, status: &TrailersStatus) {
        if let TrailersStatus::Append(bytes) = status {
            self.passed.extend_from_slice(bytes.readable());
        }
    }

    fn call<R>(
        &mut self,
        step: impl FnOnce(&mut dyn HttpFilter, &mut FilterContext<'_>) -> R,
    ) -> R {
        let levels: Vec<_> = self.levels.iter().map(Option::as_ref).collect();
        let mut context = FilterContext {
            response: None,
            request_headers: &mut self.request,
            stream_info: &mut self.info,
            route: PerRoute::new(&levels, &self.destination),
            held_body: &self.held_body,
            route_is_stale: &self.is_route_stale,
            buffer_limit_bytes: &mut self.limit_bytes,
            services: &self.worker.services,
        };
        step(&mut *self.filter, &mut context)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.filter.on_destroy();
    }
}

/// The outcome of a future, if it is there by now.
pub(crate) fn outcome<T>(future: &mut LocalFuture<T>) -> Option<T> {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// All values of a header, joined by ` | `.
pub(crate) fn values(headers: &HeaderMap, header: &str) -> String {
    let name = name(header);
    let values: Vec<_> = headers
        .get_all_named(&name)
        .map(String::from_utf8_lossy)
        .collect();
    values.join(" | ")
}

/// A response with these headers.
pub(crate) fn response(headers: &[(&str, &str)]) -> HeaderMap {
    let mut response = HeaderMap::response();
    for (header, value) in headers {
        response.append(&name(header), value.as_bytes());
    }
    response
}

/// Why a configuration is refused: a room says so, or reports an error, which refuses the whole load.
pub(crate) fn refusal(room: &HttpFilterRoom, yaml: &str) -> String {
    let mut ctx = Ctx::default();
    let _ = parse(room.message, yaml, &mut ctx).and_then(|any| (room.parse)(&any, &mut ctx));
    let errors = errors(&ctx);
    assert_ne!(errors, "", "{yaml} is refused, with a reason");
    errors
}

/// The headers of a request after an early mutation with this configuration.
pub(crate) fn mutated_early(
    room: &EarlyHeaderMutationRoom,
    yaml: &str,
    headers: &[(&str, &str)],
    services: &Services,
) -> HeaderMap {
    let mut ctx = Ctx::default();
    let config = parse(room.message, yaml, &mut ctx).and_then(|any| (room.parse)(&any, &mut ctx));
    let config = config.unwrap_or_else(|_| panic!("{yaml}: {}", errors(&ctx)));
    let mut request = HeaderMap::request();
    for (header, value) in headers {
        request.append(&name(header), value.as_bytes());
    }
    let info = StreamInfo::new(Rc::default(), services.wall(), services.now());
    config.mutate(&mut request, &info, services);
    request
}

/// Why an early mutation is refused.
pub(crate) fn early_refusal(room: &EarlyHeaderMutationRoom, yaml: &str) -> String {
    let mut ctx = Ctx::default();
    let _ = parse(room.message, yaml, &mut ctx).and_then(|any| (room.parse)(&any, &mut ctx));
    errors(&ctx)
}

/// A configuration for a level of the route table, or why it is refused.
pub(crate) fn parse_level(room: &HttpFilterRoom, yaml: &str) -> Result<RouteFilterConfig, String> {
    let per_route = room
        .per_route
        .as_ref()
        .expect("the room has a side on routes");
    let mut ctx = Ctx::default();
    let level =
        parse(per_route.message, yaml, &mut ctx).and_then(|any| (per_route.parse)(&any, &mut ctx));
    level
        .ok()
        .filter(|_| errors(&ctx).is_empty())
        .ok_or_else(|| errors(&ctx))
}

/// The message of a `typed_config`, interpreted and validated.
pub(crate) fn parse(message: &str, yaml: &str, ctx: &mut Ctx) -> Result<Any, Refused> {
    let source = Source::new("filter.yaml", Format::Yaml, yaml);
    let node =
        text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).ok_or(Refused)?;
    let descriptor = nuncio_api::message(message).ok_or(Refused)?;
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).ok_or(Refused)?;
    validate::validate(&tree, &mut ctx.diagnostics);
    if !errors(ctx).is_empty() {
        return Err(Refused);
    }
    let type_url = format!("type.googleapis.com/{message}").into();
    Ok(Any {
        type_url,
        message: Arc::new(tree),
        span: Span::NONE,
    })
}

/// What was found wrong.
pub(crate) fn errors(ctx: &Ctx) -> String {
    let errors = ctx
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| found.message.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

fn name(header: &str) -> HeaderName {
    HeaderName::parse_with_pseudo(header).expect("a header name")
}
