//! What the on-demand filter does to a stream.

use std::sync::Arc;

use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::on_demand::{ClusterSource, Found};
use nuncio_contract::stats::groups::SubscriptionStats;

use super::config::Asked;

/// The chain's config.
pub(super) struct ChainConfig(pub(super) Asked);

struct Factory(Asked);

struct Stream {
    of_chain: Asked,
    /// Its route was asked for, which is done once.
    has_asked_for_route: bool,
}

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
        Box::new(Stream {
            of_chain: self.0.clone(),
            has_asked_for_route: false,
        })
    }
}

impl HttpFilter for Stream {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        if !context.route.has_route() {
            return self.ask_for_route(context);
        }
        let of_route = context.route.most_specific::<Asked>();
        let Some(source) = &of_route.unwrap_or(&self.of_chain).0 else {
            return HeadersStatus::Continue;
        };
        ask_for_cluster(source, context)
    }
}

impl Stream {
    /// Asks for the request's route where somebody may have more of them.
    fn ask_for_route(&mut self, context: &FilterContext<'_>) -> HeadersStatus {
        if std::mem::replace(&mut self.has_asked_for_route, true) {
            return HeadersStatus::Continue;
        }
        let Some((source, name)) = context.route.more_routes(context.request_headers) else {
            return HeadersStatus::Continue;
        };
        let Some(asking) = context.services.on_demand_clusters() else {
            return HeadersStatus::Continue;
        };
        let found = asking.find(&source, &name);
        HeadersStatus::Wait(Box::pin(async move {
            match found.await {
                Found::Available => Resume::Reroute,
                Found::Missing | Found::TimedOut => Resume::Continue,
            }
        }))
    }
}

/// Asks for the cluster of the request's route if it is not there.
fn ask_for_cluster(source: &Arc<ClusterSource>, context: &FilterContext<'_>) -> HeadersStatus {
    let name = context.route.cluster_name();
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return HeadersStatus::Continue;
    };
    if context.services.knows_cluster(name) {
        return HeadersStatus::Continue;
    }
    let Some(clusters) = context.services.on_demand_clusters() else {
        return HeadersStatus::Continue;
    };
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
