//! What admission control does to a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Settings};
use super::controller::Controller;
use crate::grpc;

stat_group! {
    /// Requests by what became of them, at `http.<stat_prefix>.`.
    pub struct AdmissionControlStats("admission_control.") {
        counters { rq_failure, rq_rejected, rq_success }
    }
}

/// A worker's part of the filter.
struct Worker {
    settings: Arc<Settings>,
    stats: Arc<AdmissionControlStats>,
    controller: RefCell<Controller>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<AdmissionControlStats>();
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            controller: RefCell::new(Controller::new(self.0.window)),
        })))
    }
}

struct Factory(Rc<Worker>);

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            // The status of gRPC may come with the trailers.
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            wants: Wants::Nothing,
        })
    }
}

/// What a stream's filter waits for to count the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    Head,
    Trailers,
}

struct Filter {
    worker: Rc<Worker>,
    wants: Wants,
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let worker = &*self.worker;
        if !worker.settings.is_enabled() || context.stream_info.health_check {
            return HeadersStatus::Continue;
        }
        let (random, now) = (context.services.random_u64(), context.services.now());
        let thresholds = worker.settings.thresholds();
        if worker
            .controller
            .borrow_mut()
            .rejects(&thresholds, random, now)
        {
            worker.stats.rq_rejected.inc();
            let reply = LocalReply::new(503, b"".as_slice(), "denied_by_admission_control");
            return HeadersStatus::Reply(Box::new(reply));
        }
        self.wants = Wants::Head;
        HeadersStatus::Continue
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        if self.wants != Wants::Head || is_interim(response) {
            return HeadersStatus::Continue;
        }
        self.wants = Wants::Nothing;
        let settings = &self.worker.settings;
        if !grpc::is_grpc_response(response, end_stream) {
            self.count(context, settings.is_http_success(grpc::status_of(response)));
        } else if response.contains(Known::GrpcStatus) {
            self.count(context, is_grpc_success(settings, response));
        } else {
            self.wants = Wants::Trailers;
        }
        HeadersStatus::Continue
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        if self.wants == Wants::Trailers {
            self.wants = Wants::Nothing;
            self.count(context, is_grpc_success(&self.worker.settings, trailers));
        }
        TrailersStatus::Continue
    }
}

fn is_interim(response: &HeaderMap) -> bool {
    (100..200).contains(&grpc::status_of(response))
}

fn is_grpc_success(settings: &Settings, headers: &HeaderMap) -> bool {
    let status = headers.get(Known::GrpcStatus).and_then(grpc::number);
    status.is_some_and(|status| settings.is_grpc_success(status))
}

impl Filter {
    fn count(&self, context: &FilterContext<'_>, is_success: bool) {
        let worker = &*self.worker;
        match is_success {
            true => worker.stats.rq_success.inc(),
            false => worker.stats.rq_failure.inc(),
        }
        let now = context.services.now();
        worker.controller.borrow_mut().record(is_success, now);
    }
}
