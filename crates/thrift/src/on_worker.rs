//! What the connections of a worker share.

use std::sync::Arc;

use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::Worker;
use nuncio_tcp::proxy::Drains;

use crate::config::ThriftProxyConfig;
use crate::stats::{ProxyStats, RouterStats};

/// What the connections of a worker share.
pub(crate) struct OnWorker {
    pub(crate) config: Arc<ThriftProxyConfig>,
    pub(crate) worker: Worker,
    pub(crate) stats: Arc<ProxyStats>,
    /// Listed nowhere where there is no router.
    pub(crate) router: Arc<RouterStats>,
    loggers: Vec<Box<dyn AccessLogger>>,
    /// Whether answers tell clients that they had better go.
    pub(crate) drains: Drains,
}

impl OnWorker {
    pub(crate) fn new(config: Arc<ThriftProxyConfig>, worker: Worker, drains: Drains) -> Self {
        let logs = config.access_logs.iter();
        OnWorker {
            stats: config.scope.worker_group(),
            router: match config.chain.has_router {
                true => config.scope.worker_group(),
                false => Arc::default(),
            },
            loggers: logs.map(|log| log.worker(&config.scope)).collect(),
            config,
            worker,
            drains,
        }
    }

    /// Writes what is known of a call that is over.
    pub(crate) fn log(&self, info: &StreamInfo) {
        let context = FormatContext::new(info, &*self.worker.services);
        self.loggers.iter().for_each(|logger| logger.log(&context));
    }
}
