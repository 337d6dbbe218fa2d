//! What the connections of a worker share: its pools and its counters.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::Worker;

use crate::around::Around;
use crate::client::Pool;
use crate::config::SharedConfig;
use crate::stats::{CommandStats, Latency, ProxyStats, SplitterStats};

/// What the connections of a worker share.
pub(crate) struct OnWorker {
    pub(crate) config: SharedConfig,
    pub(crate) worker: Worker,
    pub(crate) stats: Arc<ProxyStats>,
    pub(crate) splitter_stats: Arc<SplitterStats>,
    /// By the places of clusters in the config's list.
    pools: Vec<Rc<Pool>>,
    /// Made for commands that are used.
    counts: RefCell<HashMap<Box<str>, Rc<Counts>>>,
}

/// What counts a command.
pub(crate) struct Counts {
    pub(crate) stats: Arc<CommandStats>,
    pub(crate) latency: Latency,
}

impl OnWorker {
    pub(crate) fn new(config: SharedConfig, worker: Worker) -> Self {
        let places = 0..config.targets.len();
        let pools = places.filter_map(|target| Pool::new(&config, &worker, target));
        let splitter = config.scope.scope("splitter");
        OnWorker {
            stats: config.scope.worker_group(),
            splitter_stats: splitter.map_or_else(Arc::default, |scope| scope.worker_group()),
            pools: pools.map(Rc::new).collect(),
            counts: RefCell::default(),
            config,
            worker,
        }
    }

    /// What is around a command of this connection.
    pub(crate) fn around<'a>(&'a self, info: &'a StreamInfo) -> Around<'a> {
        Around {
            config: &self.config,
            pools: &self.pools,
            services: &*self.worker.services,
            info,
        }
    }

    /// What counts a command of this name.
    pub(crate) fn counts(&self, name: &str) -> Rc<Counts> {
        let mut counts = self.counts.borrow_mut();
        if let Some(counts) = counts.get(name) {
            return Rc::clone(counts);
        }
        let scope = self.config.command_scopes.get(name);
        let scope = scope.unwrap_or(&self.config.scope);
        let made = Rc::new(Counts {
            stats: scope.worker_group(),
            latency: Latency::new(scope, self.config.in_micros),
        });
        counts.insert(name.into(), Rc::clone(&made));
        made
    }
}
