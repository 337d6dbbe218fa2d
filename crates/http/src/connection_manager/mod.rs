//! The HTTP connection manager: its compiled config, and its instance on one worker.

pub mod address;
mod certificate_details;
pub mod client_certificate;
mod compile_filters;
pub mod config;
mod connect_udp;
mod counting;
mod jitter;
pub mod local_reply;
pub mod original_address;
pub(crate) mod overload;
mod path;
pub(crate) mod premature_resets;
pub mod proxy_status;
mod referer;
pub mod request;
pub mod request_id;
pub mod response;
mod route_source;
mod router_parts;
mod scope_source;
mod scoped_routes;
mod span_tags;
mod spans;
pub mod tracing;
pub mod upgrades;

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::head_limits::MaxHead;
use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::overload::OverloadOnWorker;
use nuncio_contract::stats::groups::{
    Http1CodecStats, Http2CodecStats, Http3CodecStats, HttpConnectionManagerStats,
    ListenerHttpStats, RouterStats, TracingStats,
};
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_contract::tracing::Tracer;

pub use config::ConnectionManagerConfig;
pub use route_source::RouteSource;
pub use scope_source::{ScopeSource, is_on_demand, named_routes};

pub use crate::discovered_filter::DiscoveredHttpFilter;

use self::router_parts::RouterParts;
use crate::drain::{Drain, DrainPolicy};
use crate::filter_chain::FilterSlot;
use crate::route::RouteTable;
use crate::service::Service;
use crate::stream::{RouteSnapshot, StreamState};
use crate::worker::Worker;

/// A connection manager on one worker.
pub struct ConnectionManager {
    /// What the config says.
    pub config: Arc<ConnectionManagerConfig>,
    /// The worker.
    pub worker: Rc<Worker>,
    /// The filters before the terminal one.
    pub filters: Box<[FilterSlot]>,
    /// The filters of the upgrades that have their own, by their places in `upgrade_configs`.
    pub upgrade_filters: Box<[Box<[FilterSlot]>]>,
    /// What belongs to the router.
    router: RouterParts,
    /// What belongs to the routers of the upgrades that have their own, by their places in `upgrade_configs`.
    upgrade_routers: Box<[RouterParts]>,
    /// The access logs.
    pub loggers: Box<[Box<dyn AccessLogger>]>,
    /// Its counters.
    pub stats: Stats,
    /// What answers instead of a router, where the config says so.
    pub service: Option<Rc<dyn Service>>,
    /// How it sees its connections off once it is replaced or removed.
    pub drain: Drain,
    /// What the overload manager decides, if it is listened to.
    pub(crate) overload: Option<Rc<OverloadOnWorker>>,
    /// Who makes spans, if anybody does.
    pub(crate) tracer: Option<Rc<dyn Tracer>>,
    pub(crate) routes: RefCell<Rc<RouteSnapshot>>,
    root: Scope,
    /// Made with the first connection that needs them, when Envoy lists them too.
    http2: OnceCell<(Rc<Http2Settings>, Arc<Http2CodecStats>)>,
    /// The same of HTTP/3.
    http3: OnceCell<Box<(Rc<Http3Settings>, Arc<Http3CodecStats>)>>,
}

/// The cells that it counts in.
pub struct Stats {
    /// `http.<stat_prefix>.`
    pub http: Arc<HttpConnectionManagerStats>,
    /// `listener.<address>.http.<stat_prefix>.`
    pub listener: Arc<ListenerHttpStats>,
    /// The router's, at `http.<stat_prefix>.`
    pub router: Arc<RouterStats>,
    /// The codec's.
    pub http1: Arc<Http1CodecStats>,
    /// Which requests are traced, at `http.<stat_prefix>.`
    pub tracing: Arc<TracingStats>,
}

/// Where a connection manager counts.
#[derive(Clone)]
pub struct StatScopes {
    /// `http.<stat_prefix>.`
    pub http: Scope,
    /// `listener.<address>.http.<stat_prefix>.`
    pub listener: Scope,
    /// The root.
    pub root: Scope,
}

impl StatScopes {
    /// Makes the scopes, so that their stats are listed from the start.
    pub fn new(store: &StatsStore, stat_prefix: &str, listener: &str) -> Self {
        let http = store.scope(&format!("http.{stat_prefix}."));
        http.register::<HttpConnectionManagerStats>();
        let listener = store.scope(&format!("listener.{listener}.http.{stat_prefix}."));
        listener.register::<ListenerHttpStats>();
        StatScopes {
            http,
            listener,
            root: store.root(),
        }
    }
}

impl StatScopes {
    /// The same for requests that are passed on, some of which may be traced.
    #[must_use]
    pub fn of_routed(self) -> Self {
        self.http.register::<RouterStats>();
        self.http.register::<TracingStats>();
        self
    }
}

impl ConnectionManager {
    /// Makes the worker's instance.
    pub fn new(
        config: Arc<ConnectionManagerConfig>,
        routes: Arc<RouteTable>,
        worker: Rc<Worker>,
        scopes: &StatScopes,
        service: Option<Rc<dyn Service>>,
        drain: DrainPolicy,
    ) -> Self {
        let slot = |filter: &config::FilterConfig| {
            let context = FilterWorkerContext {
                scope: &scopes.http,
                root: &scopes.root,
                name: &filter.name,
                service_cluster: &config.service_cluster,
                is_upstream: false,
                max_request_head: MaxHead {
                    headers: config.codec.max_headers_count,
                    bytes: config.codec.max_headers_bytes,
                },
            };
            FilterSlot::new(
                &filter.name,
                filter.place,
                filter.config.for_worker(&context),
                filter.disabled,
            )
        };
        let own = |upgrade: &upgrades::Upgrade| match &upgrade.chain {
            Some(chain) => chain.filters.iter().map(slot).collect(),
            None => Box::default(),
        };
        let own_router = |upgrade: &upgrades::Upgrade| match &upgrade.chain {
            Some(chain) => RouterParts::new(&chain.terminal, scopes),
            None => RouterParts::default(),
        };
        ConnectionManager {
            filters: config.filters.iter().map(slot).collect(),
            upgrade_filters: config.upgrades.iter().map(own).collect(),
            router: RouterParts::new(&config.terminal, scopes),
            upgrade_routers: config.upgrades.iter().map(own_router).collect(),
            loggers: config
                .access_logs
                .iter()
                .map(|log| log.worker(&scopes.root))
                .collect(),
            tracer: config
                .tracing
                .as_ref()
                .and_then(|tracing| tracing.tracer.as_ref())
                .map(|tracer| tracer.worker(&scopes.root)),
            stats: Stats {
                http: scopes.http.worker_group(),
                listener: scopes.listener.worker_group(),
                http1: scopes.root.worker_group(),
                // The process's own answers are not counted so.
                router: match service.is_some() {
                    true => Arc::default(),
                    false => scopes.http.worker_group(),
                },
                tracing: match service.is_some() {
                    true => Arc::default(),
                    false => scopes.http.worker_group(),
                },
            },
            routes: RefCell::new(RouteSnapshot::new(routes, &scopes.root)),
            root: scopes.root.clone(),
            http2: OnceCell::new(),
            http3: OnceCell::new(),
            config,
            worker,
            service,
            drain: Drain::new(drain),
            overload: None,
        }
    }

    /// The settings of HTTP/2's codec on this worker, and the cells that it counts in.
    pub(crate) fn http2(&self) -> (Rc<Http2Settings>, Arc<Http2CodecStats>) {
        let make = || {
            self.root.register::<Http2CodecStats>();
            (Rc::new(self.config.http2.clone()), self.root.worker_group())
        };
        self.http2.get_or_init(make).clone()
    }

    /// The settings of HTTP/3's codec on this worker, and the cells that it counts in.
    pub(crate) fn http3(&self) -> (Rc<Http3Settings>, Arc<Http3CodecStats>) {
        let make = || {
            self.root.register::<Http3CodecStats>();
            let settings = Rc::new(self.config.http3.clone());
            Box::new((settings, self.root.worker_group()))
        };
        (**self.http3.get_or_init(make)).clone()
    }

    /// The filters of a stream: the connection manager's, or those of the upgrade at this place.
    #[inline]
    pub(crate) fn filters_of(&self, upgrade: Option<usize>) -> &[FilterSlot] {
        let own = upgrade.and_then(|place| self.upgrade_filters.get(place));
        own.unwrap_or(&self.filters)
    }

    /// What belongs to the router that ends the filters of a stream.
    #[inline]
    pub(crate) fn router_parts(&self, upgrade: Option<usize>) -> &RouterParts {
        let own = upgrade.and_then(|place| self.upgrade_routers.get(place));
        own.unwrap_or(&self.router)
    }

    /// What ends the filters of a stream.
    #[inline]
    pub(crate) fn terminal_of(&self, upgrade: Option<usize>) -> &config::Terminal {
        let own = self.config.upgrade_chain(upgrade);
        own.map_or(&self.config.terminal, |chain| &chain.terminal)
    }

    /// Counts a connection that a filter before the connection manager has closed, as Envoy does.
    pub fn count_refused_connection(&self) {
        let stats = &self.stats.http;
        stats.downstream_cx_total.inc();
        stats.downstream_cx_destroy.inc();
        stats.downstream_cx_destroy_local.inc();
    }

    /// The route table of now; a stream keeps the one that it began with.
    pub fn routes(&self) -> Rc<RouteSnapshot> {
        Rc::clone(&self.routes.borrow())
    }

    /// Takes another route table for the streams to come, those of open connections among them.
    pub fn set_routes(&self, routes: Arc<RouteTable>) {
        *self.routes.borrow_mut() = RouteSnapshot::new(routes, &self.root);
    }

    /// Writes the stream to the access logs.
    pub(crate) fn log(&self, state: &StreamState, moment: AccessLogType) {
        if self.loggers.is_empty() {
            return;
        }
        let context = self.log_context(state, moment);
        for logger in &self.loggers {
            logger.log(&context);
        }
    }

    /// Lets the filters that want it see how the stream was logged.
    pub(crate) fn log_to_filters(&self, state: &mut StreamState) {
        let mut filters = std::mem::take(&mut state.filters.active);
        let context = self.log_context(state, AccessLogType::DownstreamEnd);
        for active in filters.iter_mut().filter(|active| active.interest.log) {
            active.filter.on_log(&context);
        }
        state.filters.active = filters;
    }

    fn log_context<'a>(
        &'a self,
        state: &'a StreamState,
        moment: AccessLogType,
    ) -> FormatContext<'a> {
        FormatContext {
            request_headers: Some(&state.request),
            response_headers: Some(&state.response),
            response_trailers: Some(&state.response_trailers),
            stream_info: &state.info,
            // Envoy has it at hand only while it words the reply.
            local_reply_body: b"",
            access_log_type: moment,
            services: &*self.worker,
        }
    }
}
