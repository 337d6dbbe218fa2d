//! What the connection limit filter does to a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::config::{Config, Limit};

const CLOSED: NetworkClose = NetworkClose::now("over_connection_limit");

stat_group! {
    /// Connections, at `connection_limit.<stat_prefix>.`.
    pub struct ConnectionLimitStats("") {
        counters { limited_connections }
        gauges { active_connections }
    }
}

#[derive(Clone)]
struct Shared {
    limit: Arc<Limit>,
    stats: Arc<ConnectionLimitStats>,
}

struct Limiting {
    shared: Shared,
    /// Whether the connection is one of those that live.
    is_counted: bool,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("connection_limit.{}", self.0.stat_prefix));
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
        Box::new(Limiting {
            shared: self.clone(),
            is_counted: false,
        })
    }
}

impl Limiting {
    /// Counts the connection, if there is a place for it.
    fn take_place(&mut self) -> bool {
        let Shared { limit, stats } = &self.shared;
        let next = |live: u64| (live < limit.most).then_some(live + 1);
        self.is_counted = limit.live.fetch_update(Relaxed, Relaxed, next).is_ok();
        if self.is_counted {
            stats.active_connections.inc();
        }
        self.is_counted
    }
}

impl NetworkFilter for Limiting {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        let enabled = self.shared.limit.enabled.as_ref();
        if enabled.is_some_and(|flag| !flag.is_on()) || self.take_place() {
            return NetworkStatus::Continue;
        }
        self.shared.stats.limited_connections.inc();
        let Some(delay) = self.shared.limit.delay.filter(|delay| !delay.is_zero()) else {
            return NetworkStatus::Close(CLOSED);
        };
        let over = context.services.sleep(delay);
        NetworkStatus::Wait(Box::pin(async move {
            over.await;
            NetworkResume::Close(CLOSED)
        }))
    }
}

impl Drop for Limiting {
    fn drop(&mut self) {
        if self.is_counted {
            self.shared.limit.live.fetch_sub(1, Relaxed);
            self.shared.stats.active_connections.dec();
        }
    }
}
