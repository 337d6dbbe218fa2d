//! `envoy.filters.listener.local_ratelimit`: closes new connections while a bucket has no tokens.
//!
//! The bucket is the process's, shared by the workers without a lock. Trust: nothing of the client is looked at.
//! Envoy's documentation: listener filters, Local rate limit.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_contract::registry::ListenerFilterRoom;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::token_bucket::{TokenBucket, TokenBucketMessage};

const LEAST_FILL_INTERVAL_MS: u128 = 50;

message! {
    /// The filter's config.
    struct LocalRateLimit: "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit" {
        stat_prefix: String,
        token_bucket: Option<TokenBucketMessage>,
        runtime_enabled: Option<RuntimeFeatureFlag>,
    }
}

stat_group! {
    /// Connections that were closed, at `listener_local_ratelimit.<stat_prefix>.`.
    pub struct ListenerRateLimitStats("") {
        counters { rate_limited }
    }
}

/// The room.
pub static ROOM: ListenerFilterRoom = ListenerFilterRoom {
    name: "envoy.filters.listener.local_ratelimit",
    message: "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
    parse,
    support: |table| LocalRateLimit::support(table),
};

struct Limit {
    stat_prefix: Box<str>,
    enabled: Option<RuntimeFeatureFlag>,
    /// None: there are never any tokens.
    bucket: Option<TokenBucket>,
}

struct Config(Arc<Limit>);

#[derive(Clone)]
struct Shared {
    limit: Arc<Limit>,
    stats: Arc<ListenerRateLimitStats>,
}

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ListenerFilterConfig>, Refused> {
    let message: LocalRateLimit = any.decode(ctx)?;
    let bucket = match &message.token_bucket {
        Some(bucket) if bucket.fill_interval().as_millis() < LEAST_FILL_INTERVAL_MS => {
            let text = "local rate limit token bucket fill timer must be >= 50ms";
            ctx.error(bucket.span(), text);
            return Err(Refused);
        }
        Some(bucket) if bucket.max_tokens() > 0 => Some(bucket.bucket()),
        _ => None,
    };
    Ok(Arc::new(Config(Arc::new(Limit {
        stat_prefix: message.stat_prefix.as_str().into(),
        enabled: message.runtime_enabled,
        bucket,
    }))))
}

impl ListenerFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory> {
        let scope = root.scope(&format!("listener_local_ratelimit.{}", self.0.stat_prefix));
        Box::new(Shared {
            limit: Arc::clone(&self.0),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }
}

impl ListenerFilterFactory for Shared {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(self.clone())
    }

    fn most_bytes(&self) -> usize {
        0
    }
}

impl ListenerFilter for Shared {
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus {
        let enabled = self.limit.enabled.as_ref();
        let now = context.services.now();
        let bucket = self.limit.bucket.as_ref();
        if enabled.is_some_and(|flag| !flag.is_on()) || bucket.is_some_and(|it| it.take(now)) {
            return ListenerStatus::Continue(0);
        }
        self.stats.rate_limited.inc();
        ListenerStatus::Close
    }
}
