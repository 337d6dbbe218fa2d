//! What the CSRF filter does to a stream.

use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;

use super::config::{ChainConfig, Policy};
use super::origin;

stat_group! {
    /// Requests that change something, at `http.<stat_prefix>.`.
    pub struct CsrfStats("csrf.") {
        counters {
            missing_source_origin,
            request_invalid,
            request_valid,
        }
    }
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared {
    policy: Arc<Policy>,
    stats: Arc<CsrfStats>,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<CsrfStats>();
        Box::new(Shared {
            policy: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
        })
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let request = &*context.request_headers;
        if !changes_something(request) {
            return HeadersStatus::Continue;
        }
        let own = context.route.most_specific::<Policy>();
        let policy = own.unwrap_or(&self.policy);
        let random = || context.services.random_u64();
        if !policy.is_enabled(random) && !policy.is_shadow_enabled(random) {
            return HeadersStatus::Continue;
        }
        let source = origin::source(request);
        if source.is_empty() {
            self.stats.missing_source_origin.inc();
        } else if origin::is_target(source, request) || policy.allows(source) {
            self.stats.request_valid.inc();
            return HeadersStatus::Continue;
        } else {
            self.stats.request_invalid.inc();
        }
        if policy.is_shadow_enabled(random) && !policy.is_enabled(random) {
            return HeadersStatus::Continue;
        }
        HeadersStatus::Reply(Box::new(LocalReply::new(
            403,
            b"Invalid origin".as_slice(),
            "csrf_origin_mismatch",
        )))
    }
}

fn changes_something(request: &HeaderMap) -> bool {
    let method = request.get(Known::Method).unwrap_or_default();
    matches!(method, b"POST" | b"PUT" | b"DELETE" | b"PATCH")
}
