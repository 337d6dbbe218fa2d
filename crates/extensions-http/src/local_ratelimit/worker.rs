//! What a worker keeps for the local rate limit filter: counters of levels, and buckets of connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ConnectionInfo;
use nuncio_contract::token_bucket::TokenBucket;

use super::config::Limit;
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
    pub(super) stats: Rc<Counted<LocalRateLimitStats>>,
    levels: LevelStats<LocalRateLimitStats>,
    connections: RefCell<Kept<Rc<ConnectionInfo>, Rc<TokenBucket>>>,
}

impl Worker {
    pub(super) fn new(chain: &Arc<Limit>, root: &Scope) -> Self {
        Worker {
            chain: Arc::clone(chain),
            stats: Counted::new(chain.scope(root)),
            levels: LevelStats::new(root),
            connections: RefCell::default(),
        }
    }

    /// The counters of a level.
    pub(super) fn stats_of(&self, limit: &Limit) -> Rc<Counted<LocalRateLimitStats>> {
        self.levels.of(&limit.alive, |root| limit.scope(root))
    }

    /// The bucket of a connection; a new one is like `bucket`.
    pub(super) fn bucket_of(
        &self,
        connection: &Rc<ConnectionInfo>,
        bucket: &TokenBucket,
    ) -> Rc<TokenBucket> {
        let mut connections = self.connections.borrow_mut();
        Rc::clone(connections.get(connection, || Rc::new(bucket.another())))
    }
}
