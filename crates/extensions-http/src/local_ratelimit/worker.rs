//! What a worker keeps for the local rate limit filter: counters of levels, and buckets of connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::FilterWorkerContext;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ConnectionInfo;

use super::config::Limit;
use super::limiter::Limiter;
use crate::level_stats::{Counted, Kept, LevelStats};

stat_group! {
    /// Requests and tokens, at `<stat_prefix>.`.
    pub struct LocalRateLimitStats("http_local_rate_limit.") {
        counters {
            enabled,
            enforced,
            ok,
            rate_limited,
            shadow_mode,
        }
    }
}

/// A worker's part of the filter.
pub(super) struct Worker {
    pub(super) chain: Arc<Limit>,
    pub(super) service_cluster: Box<str>,
    pub(super) stats: Rc<Counted<LocalRateLimitStats>>,
    levels: LevelStats<LocalRateLimitStats>,
    connections: RefCell<Kept<Rc<ConnectionInfo>, Rc<Limiter>>>,
}

impl Worker {
    pub(super) fn new(chain: &Arc<Limit>, context: &FilterWorkerContext<'_>) -> Self {
        Worker {
            chain: Arc::clone(chain),
            service_cluster: context.service_cluster.into(),
            stats: Counted::new(chain.scope(context.root)),
            levels: LevelStats::new(context.root),
            connections: RefCell::default(),
        }
    }

    /// The counters of a level.
    pub(super) fn stats_of(&self, limit: &Limit) -> Rc<Counted<LocalRateLimitStats>> {
        self.levels.of(&limit.alive, |root| limit.scope(root))
    }

    /// The buckets of a connection; new ones are like `limiter`'s.
    pub(super) fn limiter_of(
        &self,
        connection: &Rc<ConnectionInfo>,
        limiter: &Limiter,
    ) -> Rc<Limiter> {
        let mut connections = self.connections.borrow_mut();
        Rc::clone(connections.get(connection, || Rc::new(limiter.another())))
    }
}
