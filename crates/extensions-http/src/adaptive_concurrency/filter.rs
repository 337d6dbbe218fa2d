//! What adaptive concurrency does to a stream.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;

use super::config::ChainConfig;
use super::controller::Shared;
use crate::grpc;

stat_group! {
    /// What is counted, at `http.<stat_prefix>.`; the gauges are the controller's.
    pub struct AdaptiveConcurrencyStats("adaptive_concurrency.gradient_controller.") {
        counters { rq_blocked }
    }
}

/// A worker's part of the filter.
struct Worker {
    shared: Arc<Shared>,
    stats: Arc<AdaptiveConcurrencyStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<AdaptiveConcurrencyStats>();
        self.0.show_at(context.scope);
        Box::new(Factory(Rc::new(Worker {
            shared: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
        })))
    }
}

struct Factory(Rc<Worker>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            // A request ends with its response's last byte.
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            began: None,
        })
    }
}

struct Filter {
    worker: Rc<Worker>,
    /// Since when the request is under way, if it counts.
    began: Option<Instant>,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let shared = &self.worker.shared;
        if !shared.settings.is_enabled() || context.stream_info.health_check {
            return HeadersStatus::Continue;
        }
        drive(shared, context.services);
        let now = context.services.now();
        if !shared.admits(now) {
            self.worker.stats.rq_blocked.inc();
            let text = b"reached concurrency limit".as_slice();
            let reply = LocalReply::new(shared.settings.status, text, "reached_concurrency_limit");
            return HeadersStatus::Reply(Box::new(reply));
        }
        self.began = Some(now);
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        if end_stream && grpc::status_of(response) >= 200 {
            self.end(context.services);
        }
        HeadersStatus::Continue
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        _data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if end_stream {
            self.end(context.services);
        }
        DataStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.end(context.services);
        TrailersStatus::Continue
    }

    fn on_destroy(&mut self) {
        if let Some(began) = self.began.take() {
            self.worker.shared.ended(None, began, || 0);
        }
    }
}

impl Filter {
    fn end(&mut self, services: &dyn WorkerServices) {
        if let Some(began) = self.began.take() {
            let random = || services.random_u64();
            let shared = &self.worker.shared;
            shared.ended(Some(began), services.now(), random);
        }
    }
}

/// Has a worker that has work call the controller when it is due, as long as there is a controller. Without it the
/// controller goes on with the next request.
fn drive(shared: &Arc<Shared>, services: &dyn WorkerServices) {
    let Some(calls) = services.calls().filter(|_| shared.wants_driver()) else {
        return;
    };
    let controller = Arc::downgrade(shared);
    let sleeper = Rc::clone(&calls);
    calls.spawn(Box::pin(async move {
        while let Some(shared) = controller.upgrade() {
            let now = SystemClock.now();
            let due = shared.advance(now);
            drop(shared);
            sleeper.sleep(due.saturating_duration_since(now)).await;
        }
    }));
}
