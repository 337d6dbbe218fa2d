//! What the local rate limit filter does to a stream.

use std::rc::Rc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::token_bucket::TokenBucket;

use super::config::{ChainConfig, Limit, Tokens};
use super::worker::Worker;

/// The headers that tell of the bucket.
struct Names {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
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
            worker: Worker::new(&self.0, context.root),
            names: Names {
                limit: name("x-ratelimit-limit"),
                remaining: name("x-ratelimit-remaining"),
                reset: name("x-ratelimit-reset"),
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
            took_part: false,
            is_limited: false,
        })
    }
}

struct LocalRateLimitFilter {
    shared: Rc<Shared>,
    /// Whether the stream was among the enabled ones.
    took_part: bool,
    /// Whether the stream is answered for want of a token.
    is_limited: bool,
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
        self.took_part = true;
        let now = context.services.now();
        let is_allowed = match &limit.tokens {
            Tokens::Unlimited => true,
            Tokens::Never => false,
            Tokens::Bucket(bucket) => {
                worker.with_bucket(limit, bucket, context, |bucket| bucket.take(now))
            }
        };
        if is_allowed {
            stats.cells.ok.inc();
            return HeadersStatus::Continue;
        }
        stats.cells.rate_limited.inc();
        if !limit.is_enforced(|| context.services.random_u64()) {
            limit.change_request(context);
            return HeadersStatus::Continue;
        }
        stats.cells.enforced.inc();
        self.is_limited = true;
        HeadersStatus::Reply(Box::new(limit.reply()))
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        if !self.took_part {
            return HeadersStatus::Continue;
        }
        if self.is_limited {
            // Only now, as in Envoy: what words the answer does not see it yet.
            context.stream_info.response_flags |= ResponseFlags::RATE_LIMITED;
        }
        let worker = &self.shared.worker;
        let own = context.route.most_specific::<Limit>();
        let limit = own.unwrap_or(&worker.chain);
        if limit.tells_of_bucket
            && let Tokens::Bucket(bucket) = &limit.tokens
        {
            let now = context.services.now();
            worker.with_bucket(limit, bucket, context, |bucket| {
                self.shared.names.tell(bucket, now, response);
            });
        }
        HeadersStatus::Continue
    }
}

impl Worker {
    /// Calls `act` with the bucket that the stream takes tokens from.
    fn with_bucket<T>(
        &self,
        limit: &Limit,
        bucket: &TokenBucket,
        context: &FilterContext<'_>,
        act: impl FnOnce(&TokenBucket) -> T,
    ) -> T {
        if !limit.is_per_connection {
            return act(bucket);
        }
        act(&self.bucket_of(&context.stream_info.connection, bucket))
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
