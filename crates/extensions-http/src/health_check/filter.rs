//! What the health check filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ResponseFlags;

use super::cache::Answer;
use super::config::{ChainConfig, Settings};

const OK: u16 = 200;
const UNAVAILABLE: u16 = 503;

stat_group! {
    /// Health checks that are answered here, at `http.<stat_prefix>.`.
    pub struct HealthCheckStats("health_check.") {
        counters {
            cached_response,
            degraded,
            failed,
            failed_cluster_empty,
            failed_cluster_not_found,
            failed_cluster_unhealthy,
            ok,
            request_total,
        }
    }
}

struct Worker {
    settings: Arc<Settings>,
    stats: Arc<HealthCheckStats>,
    service_cluster: Box<[u8]>,
}

struct Factory(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<HealthCheckStats>();
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            service_cluster: context.service_cluster.as_bytes().into(),
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            request_body: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(HealthCheckFilter {
            worker: Rc::clone(&self.0),
            is_health_check: false,
            answers: false,
        })
    }
}

struct HealthCheckFilter {
    worker: Rc<Worker>,
    is_health_check: bool,
    /// Whether it is answered here.
    answers: bool,
}

impl HttpFilter for HealthCheckFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let settings = &self.worker.settings;
        if !settings.takes(context.request_headers) {
            return HeadersStatus::Continue;
        }
        self.is_health_check = true;
        context.stream_info.health_check = true;
        let services = context.services;
        let remembers = || {
            let cache = settings.cache.as_ref();
            cache.is_some_and(|cache| cache.get(services.now()).is_some())
        };
        self.answers = !settings.passes_through || services.fails_health_checks() || remembers();
        match (self.answers, end_stream) {
            (false, _) => HeadersStatus::Continue,
            (true, false) => HeadersStatus::Stop,
            (true, true) => HeadersStatus::Reply(Box::new(self.worker.answer(services))),
        }
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        if !self.answers {
            return DataStatus::Continue;
        }
        data.clear();
        match end_stream {
            false => DataStatus::StopAndBuffer,
            true => DataStatus::Reply(Box::new(self.worker.answer(context.services))),
        }
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match self.answers {
            false => TrailersStatus::Continue,
            true => TrailersStatus::Reply(Box::new(self.worker.answer(context.services))),
        }
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        if self.is_health_check {
            if let Some(cache) = &self.worker.settings.cache {
                cache.set(answer_of(response), context.services.now());
            }
            let healthchecked = Known::XEnvoyUpstreamHealthcheckedCluster;
            response.set(healthchecked, &self.worker.service_cluster);
        }
        if context.services.fails_health_checks() {
            response.set(Known::XEnvoyImmediateHealthCheckFail, b"true");
        }
        HeadersStatus::Continue
    }
}

fn answer_of(response: &HeaderMap) -> Answer {
    let status = response.get_str(Known::Status);
    Answer {
        status: status
            .and_then(|status| status.parse().ok())
            .unwrap_or_default(),
        is_degraded: response.contains(Known::XEnvoyDegraded),
    }
}

impl Worker {
    fn answer(&self, services: &dyn WorkerServices) -> LocalReply {
        let stats = &self.stats;
        stats.request_total.inc();
        let (answer, details) = match services.fails_health_checks() {
            true => (plain(UNAVAILABLE), "health_check_failed"),
            false => self.verdict(services),
        };
        let is_good = (200..300).contains(&answer.status);
        let mut reply = LocalReply::new(answer.status, b"".as_slice(), details);
        if is_good {
            stats.ok.inc();
        } else {
            stats.failed.inc();
            reply = reply.with_flags(ResponseFlags::FAILED_LOCAL_HEALTH_CHECK);
        }
        if answer.is_degraded {
            stats.degraded.inc();
            reply = reply.with_header(HeaderName::from(Known::XEnvoyDegraded), b"".as_slice());
        }
        reply
    }

    fn verdict(&self, services: &dyn WorkerServices) -> (Answer, &'static str) {
        let stats = &self.stats;
        if let Some(cache) = &self.settings.cache
            && let Some(answer) = cache.get(services.now())
        {
            stats.cached_response.inc();
            return (answer, "health_check_cached");
        }
        let mut details = "health_check_ok";
        for (cluster, least_percent) in &self.settings.least {
            details = "health_check_ok_cluster_healthy";
            let Some(hosts) = services.membership(cluster) else {
                stats.failed_cluster_not_found.inc();
                return (plain(UNAVAILABLE), "health_check_failed_no_cluster_found");
            };
            let count = |hosts: usize| u64::try_from(hosts).unwrap_or(u64::MAX);
            let (total, well) = (count(hosts.total), count(hosts.healthy + hosts.degraded));
            if total == 0 && *least_percent > 0 {
                stats.failed_cluster_empty.inc();
                return (plain(UNAVAILABLE), "health_check_failed_cluster_empty");
            }
            if well.saturating_mul(100) < total.saturating_mul(*least_percent) {
                stats.failed_cluster_unhealthy.inc();
                return (plain(UNAVAILABLE), "health_check_failed_cluster_unhealthy");
            }
        }
        (plain(OK), details)
    }
}

fn plain(status: u16) -> Answer {
    Answer {
        status,
        is_degraded: false,
    }
}
