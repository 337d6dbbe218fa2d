//! What the cache does to a stream: it has its answer found, and gives it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stats::Gauge;
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{ChainConfig, Settings};
use super::resolve::{Ask, Nothing};
use super::serving::Serving;
use super::stats::{CacheStats, Status};
use crate::caching::control::RequestControl;
use crate::caching::request::key_of;

struct Factory(Option<Rc<Worker>>);

struct Worker {
    settings: Arc<Settings>,
    stats: CacheStats,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let worker = self.0.as_ref().map(|settings| {
            settings.sessions.store.begin(context.root);
            Worker {
                settings: Arc::clone(settings),
                stats: CacheStats::new(context.root, settings.sessions.label),
            }
        });
        Box::new(Factory(worker.map(Rc::new)))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        let is_on = self.0.is_some();
        Interest {
            request_headers: is_on,
            response_headers: is_on,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(CacheFilter {
            worker: self.0.as_ref().map(Rc::clone),
            state: State::Passing,
        })
    }
}

struct CacheFilter {
    worker: Option<Rc<Worker>>,
    state: State,
}

enum State {
    /// The stream is none of ours.
    Passing,
    /// Its answer is looked for, and put there.
    Asking(Outcome),
    /// Its answer is ours.
    Serving(Box<Serving>),
}

type Outcome = Rc<RefCell<Option<Result<Serving, Nothing>>>>;

impl HttpFilter for CacheFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let Some(worker) = self.worker.as_ref().map(Rc::clone) else {
            return HeadersStatus::Continue;
        };
        if let State::Asking(outcome) = &self.state {
            let found = outcome.borrow_mut().take();
            return self.found(&worker, found.unwrap_or(Err(Nothing::UpstreamReset)));
        }
        let Some(key) = key_of(context.request_headers).filter(|_| end_stream) else {
            worker.stats.count(Status::Uncacheable);
            return HeadersStatus::Continue;
        };
        match worker.ask(context, &key) {
            Err(reply) => HeadersStatus::Reply(Box::new(reply)),
            Ok(ask) => {
                let outcome = Outcome::default();
                self.state = State::Asking(Rc::clone(&outcome));
                let subscription = Subscription::new(&worker.stats.subscribers);
                HeadersStatus::Again(Box::pin(async move {
                    let found = ask.resolve().await;
                    *outcome.borrow_mut() = Some(found);
                    drop(subscription);
                }))
            }
        }
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        let State::Serving(serving) = &mut self.state else {
            return HeadersStatus::Continue;
        };
        std::mem::swap(response, &mut serving.head);
        match serving.has_more() {
            true => HeadersStatus::Later,
            false => HeadersStatus::Continue,
        }
    }

    fn poll_encode_late(
        &mut self,
        _context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match &mut self.state {
            State::Serving(serving) => serving.poll_next(cx),
            State::Passing | State::Asking(_) => Poll::Pending,
        }
    }

    fn on_destroy(&mut self) {
        self.state = State::Passing;
    }
}

impl CacheFilter {
    fn found(&mut self, worker: &Worker, found: Result<Serving, Nothing>) -> HeadersStatus {
        self.state = State::Passing;
        let reply = match found {
            Err(Nothing::NoCluster) => no_cluster(),
            Err(Nothing::UpstreamReset) => {
                worker.stats.count(Status::UpstreamReset);
                LocalReply::new(503, b"".as_slice(), Status::UpstreamReset.details())
            }
            Ok(serving) => {
                worker.stats.count(serving.status);
                let status = serving.head.get_str(Known::Status);
                let status = status.and_then(|status| status.parse().ok()).unwrap_or(200);
                let reply = LocalReply::bare(status, serving.status.details());
                let is_ours = serving.status != Status::Uncacheable;
                self.state = State::Serving(Box::new(serving));
                match is_ours {
                    true => reply.with_flags(ResponseFlags::RESPONSE_FROM_CACHE_FILTER),
                    false => reply,
                }
            }
        };
        HeadersStatus::Reply(Box::new(reply))
    }
}

impl Worker {
    /// The request as it is looked for; or an answer, if there is nobody who could be asked.
    fn ask(&self, context: &FilterContext<'_>, key: &[u8]) -> Result<Ask, LocalReply> {
        let settings = &self.settings;
        let request = &*context.request_headers;
        let of_route = context.route.cluster_name();
        let of_route = of_route.map(|name| String::from_utf8_lossy(name).into_owned());
        let cluster = match (&settings.cluster, &of_route) {
            (Some(cluster), _) => cluster.clone(),
            (None, Some(cluster)) => cluster.as_str().into(),
            (None, None) => return Err(LocalReply::new(404, b"".as_slice(), "cache_no_route")),
        };
        let calls = context.services.calls();
        let calls = calls.filter(|_| context.services.knows_cluster(&cluster));
        let calls = calls.ok_or_else(no_cluster)?;
        let control = match settings.ignores_request_control {
            true => RequestControl::default(),
            false => {
                RequestControl::of(request.get(Known::CacheControl), request.get(Known::Pragma))
            }
        };
        let origin = of_route.as_deref().unwrap_or("unknown");
        let key: Box<[u8]> = [origin.as_bytes(), b"\n", key].concat().into();
        let now = context.services.wall();
        let sessions = &settings.sessions;
        Ok(Ask {
            store: Arc::clone(&sessions.store),
            session: sessions.session(&key, now, &self.stats.entries),
            key,
            request: request.clone(),
            cluster,
            calls,
            control,
            now,
            max_body_bytes: settings.max_body_bytes,
            is_head: request.get(Known::Method) == Some(b"HEAD"),
        })
    }
}

/// A request that waits.
struct Subscription(Arc<Gauge>);

impl Subscription {
    fn new(subscribers: &Arc<Gauge>) -> Self {
        subscribers.inc();
        Subscription(Arc::clone(subscribers))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn no_cluster() -> LocalReply {
    LocalReply::new(503, b"".as_slice(), "cache_no_cluster")
}
