//! What the set metadata filter does to a stream.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilterConfig, HttpFilterFactory,
};
use nuncio_contract::request_head_filter::RequestHeadFilter;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::StreamInfo;

use super::config::{ChainConfig, Entries};

stat_group! {
    /// What was not set, at `http.<stat_prefix>.`, and for levels of the route table at the root.
    pub struct SetMetadataStats("set_metadata.") {
        counters {
            overwrite_denied,
        }
    }
}

struct Worker {
    chain: Arc<Entries>,
    stats: Arc<SetMetadataStats>,
    root: Scope,
    /// Made when a level first needs them.
    of_levels: OnceCell<Arc<SetMetadataStats>>,
}

/// A worker's part of the filter; a stream's too, as it keeps nothing of its own.
#[derive(Clone)]
struct Shared(Rc<Worker>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        context.scope.register::<SetMetadataStats>();
        Box::new(Shared(Rc::new(Worker {
            chain: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            root: context.root.clone(),
            of_levels: OnceCell::new(),
        })))
    }
}

impl RequestHeadFilter for Shared {
    fn on_request(&self, context: &mut FilterContext<'_>) -> HeadersStatus {
        let Worker {
            chain,
            stats,
            root,
            of_levels,
        } = &*self.0;
        chain.set(context.stream_info, || stats);
        if let Some(own) = context.route.most_specific::<Entries>() {
            let stats = || of_levels.get_or_init(|| root.worker_group());
            own.set(context.stream_info, stats);
        }
        HeadersStatus::Continue
    }
}

impl Entries {
    fn set<'a>(&self, info: &mut StreamInfo, stats: impl Fn() -> &'a Arc<SetMetadataStats>) {
        if self.0.is_empty() {
            return;
        }
        let metadata = info.dynamic_metadata_mut();
        for entry in &self.0 {
            if entry.overwrites || metadata.namespace(&entry.namespace).is_none() {
                metadata.merge(&entry.namespace, entry.fields.clone());
            } else {
                stats().overwrite_denied.inc();
            }
        }
    }
}
