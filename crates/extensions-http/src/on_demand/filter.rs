//! What the on-demand filter does to a stream.

use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::on_demand::Found;
use nuncio_contract::stats::groups::SubscriptionStats;

use super::config::Asked;

/// The chain's config.
pub(super) struct ChainConfig(pub(super) Asked);

struct Factory(Asked);

struct Stream(Asked);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        if self.0.0.is_some()
            && let Some(scope) = context.root.scope("cluster_manager.odcds")
        {
            // Listed before anything is asked for.
            scope.register::<SubscriptionStats>();
        }
        Box::new(Factory(self.0.clone()))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Stream(self.0.clone()))
    }
}

impl HttpFilter for Stream {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let of_route = context.route.most_specific::<Asked>();
        let Some(source) = &of_route.unwrap_or(&self.0).0 else {
            return HeadersStatus::Continue;
        };
        let name = context.route.cluster_name();
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return HeadersStatus::Continue;
        };
        if context.services.knows_cluster(name) {
            return HeadersStatus::Continue;
        }
        match context.services.on_demand_clusters() {
            None => HeadersStatus::Continue,
            Some(clusters) => {
                let (found, name) = (clusters.find(source, name), name.to_owned());
                HeadersStatus::Wait(Box::pin(async move {
                    match found.await {
                        Found::Available => Resume::Then(Box::new(Applied(Box::new(
                            move |context: &mut FilterContext<'_>| {
                                let cluster = context.services.describe_cluster(&name);
                                context.stream_info.upstream_cluster = cluster;
                                None
                            },
                        )))),
                        Found::Missing | Found::TimedOut => Resume::Continue,
                    }
                }))
            }
        }
    }
}
