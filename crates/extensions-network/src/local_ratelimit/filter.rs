//! What the local rate limit filter does to a connection.

use std::sync::Arc;

use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{Config, Limit};

stat_group! {
    /// Connections that were closed, at `local_rate_limit.<stat_prefix>.`.
    pub struct LocalRateLimitStats("") {
        counters { rate_limited }
    }
}

#[derive(Clone)]
struct Shared {
    limit: Arc<Limit>,
    stats: Arc<LocalRateLimitStats>,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("local_rate_limit.{}", self.0.stat_prefix));
        Box::new(Shared {
            limit: Arc::clone(&self.0),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        false
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(self.clone())
    }
}

impl NetworkFilter for Shared {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        let enabled = self.limit.enabled.as_ref();
        if enabled.is_some_and(|flag| !flag.is_on()) {
            return NetworkStatus::Continue;
        }
        let now = context.services.now();
        let bucket = self.limit.bucket.as_ref();
        if bucket.is_some_and(|bucket| bucket.take(now)) {
            return NetworkStatus::Continue;
        }
        self.stats.rate_limited.inc();
        let flags = ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED;
        context.stream_info.add_flags(flags);
        NetworkStatus::Close(NetworkClose::now("local_ratelimit_close_over_limit"))
    }
}
