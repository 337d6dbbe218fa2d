//! What the local rate limit filter does to a stream.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::rate_limit::Asked;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::token_bucket::TokenBucket;

use super::config::{ChainConfig, Limit};
use super::limiter::Verdict;
use super::worker::Worker;

/// The headers that tell of the bucket.
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
    retry_after: HeaderName,
}

struct Shared {
    worker: Worker,
    names: Names,
}

struct Factory(Rc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let name = |text: &'static str| {
            HeaderName::parse(text).unwrap_or_else(|_| HeaderName::from(Known::Path))
        };
        Box::new(Factory(Rc::new(Shared {
            worker: Worker::new(&self.0, context),
            names: Names {
                limit: name("x-ratelimit-limit"),
                remaining: name("x-ratelimit-remaining"),
                reset: name("x-ratelimit-reset"),
                retry_after: name("retry-after"),
            },
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(LocalRateLimitFilter {
            shared: Rc::clone(&self.0),
            told: None,
        })
    }
}

struct LocalRateLimitFilter {
    shared: Rc<Shared>,
    /// The bucket that headers of the response tell of.
    told: Option<Arc<TokenBucket>>,
}

impl HttpFilter for LocalRateLimitFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let worker = &self.shared.worker;
        let own = context.route.most_specific::<Limit>();
        let limit = own.unwrap_or(&worker.chain);
        if !limit.is_enabled(|| context.services.random_u64()) {
            return HeadersStatus::Continue;
        }
        let stats = match own {
            None => Rc::clone(&worker.stats),
            Some(limit) => worker.stats_of(limit),
        };
        stats.cells.enabled.inc();
        let verdict = worker.verdict(limit, context);
        if verdict.tells_of_limit.unwrap_or(limit.tells_of_bucket) {
            self.told.clone_from(&verdict.bucket);
        }
        if verdict.is_allowed {
            stats.cells.ok.inc();
            return HeadersStatus::Continue;
        }
        stats.cells.rate_limited.inc();
        if verdict.is_shadow {
            stats.cells.shadow_mode.inc();
            return HeadersStatus::Continue;
        }
        if !limit.is_enforced(|| context.services.random_u64()) {
            limit.change_request(context);
            return HeadersStatus::Continue;
        }
        stats.cells.enforced.inc();
        let mut reply = limit.reply();
        if limit.tells_when_to_retry
            && let Some(bucket) = &verdict.bucket
        {
            let seconds = bucket.seconds_to_next(context.services.now()).max(1);
            let name = self.shared.names.retry_after.clone();
            let others = reply.mutations.unwrap_or_default();
            reply.mutations = Some(Arc::new(
                others.with_default(name, seconds.to_string().into()),
            ));
        }
        HeadersStatus::Reply(Box::new(reply))
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        if let Some(bucket) = &self.told {
            let now = context.services.now();
            self.shared.names.tell(bucket, now, response);
        }
        HeadersStatus::Continue
    }
}

impl Worker {
    /// Takes the tokens of a request.
    fn verdict(&self, limit: &Limit, context: &FilterContext<'_>) -> Verdict {
        let descriptors = match limit.limiter.has_descriptors() {
            false => Vec::new(),
            true => limit.describe(
                &Asked {
                    request: context.request_headers,
                    response: None,
                    info: context.stream_info,
                    service_cluster: &self.service_cluster,
                    destination: context.route.cluster_name(),
                    services: context.services,
                },
                &context.route.rate_limits(),
            ),
        };
        let shows_bucket = limit.tells_of_bucket || limit.tells_when_to_retry;
        let now = context.services.now();
        if !limit.is_per_connection {
            return limit.limiter.take(&descriptors, shows_bucket, now);
        }
        let connection = &context.stream_info.connection;
        let limiter = self.limiter_of(connection, &limit.limiter);
        limiter.take(&descriptors, shows_bucket, now)
    }
}

impl Limit {
    fn change_request(&self, context: &mut FilterContext<'_>) {
        if self.request_headers.is_empty() {
            return;
        }
        let mut formats = FormatContext::new(context.stream_info, context.services);
        formats.request_headers = Some(context.request_headers);
        let values = self
            .request_headers
            .evaluate(context.request_headers, &formats);
        values.apply(context.request_headers);
    }

    fn reply(&self) -> LocalReply {
        let body = b"local_rate_limited".as_slice();
        let mut reply = LocalReply::new(self.status, body, "local_rate_limited");
        reply.flags = ResponseFlags::RATE_LIMITED;
        reply.flags_are_late = true;
        reply.grpc_status = self.grpc_status;
        reply.mutations.clone_from(&self.response_headers);
        reply
    }
}

impl Names {
    fn tell(&self, bucket: &TokenBucket, now: std::time::Instant, response: &mut HeaderMap) {
        for (name, number) in [
            (&self.limit, u64::from(bucket.max_tokens())),
            (&self.remaining, u64::from(bucket.remaining(now))),
            (&self.reset, bucket.seconds_to_next(now)),
        ] {
            response.append(name, number.to_string().as_bytes());
        }
    }
}
