//! What the rate limit filter does to a connection.

use std::sync::Arc;

use nuncio_config::runtime::RuntimeKey;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus,
};
use nuncio_contract::service_values::{fields_of, text};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::Message;
use nuncio_service_messages::rate_limit::{
    Code, Entry, RateLimitDescriptor, RateLimitRequest, RateLimitResponse, SHOULD_RATE_LIMIT,
};

use super::config::{Config, Settings};

/// Where the service's metadata is left for others.
const NAMESPACE: &str = "envoy.filters.network.ratelimit";

stat_group! {
    /// Connections that were counted, at `ratelimit.<stat_prefix>.`.
    pub struct RateLimitStats("") {
        counters { cx_closed, error, failure_mode_allowed, ok, over_limit, total }
        gauges { active }
    }
}

#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    stats: Arc<RateLimitStats>,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("ratelimit.{}", self.0.stat_prefix));
        Box::new(Shared {
            settings: Arc::clone(&self.0),
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
        if !is_chosen(&self.settings.enabled, context.services) {
            return NetworkStatus::Continue;
        }
        self.stats.total.inc();
        let under_way = UnderWay::new(&self.stats);
        let answer = self.settings.ask(context);
        let shared = self.clone();
        NetworkStatus::Wait(Box::pin(async move {
            let answer = answer.await;
            drop(under_way);
            NetworkResume::Then(Box::new(move |info, services| {
                shared.conclude(answer, info, services)
            }))
        }))
    }
}

/// Whether a connection is one of so many percent; all, if runtime says nothing.
fn is_chosen(percent: &RuntimeKey, services: &dyn WorkerServices) -> bool {
    let percent = percent.integer(100);
    percent >= 100 || services.random_u64() % 100 < percent
}

/// A question, counted as long as it is not answered.
struct UnderWay(Arc<RateLimitStats>);

impl UnderWay {
    fn new(stats: &Arc<RateLimitStats>) -> Self {
        stats.active.inc();
        UnderWay(Arc::clone(stats))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.active.dec();
    }
}

impl Settings {
    /// Asks the service; none where it cannot tell.
    fn ask(&self, context: &NetworkContext<'_>) -> LocalFuture<Option<RateLimitResponse>> {
        let Some(calls) = context.services.calls() else {
            return Box::pin(std::future::ready(None));
        };
        let of = FormatContext::new(context.stream_info, context.services);
        let descriptors = self.descriptors.iter().map(|parts| {
            let entries = parts.iter().map(|(key, format)| {
                let mut value = Vec::new();
                format.format(&of, &mut value);
                Entry {
                    key: key.to_string(),
                    value: text(&value),
                }
            });
            RateLimitDescriptor {
                entries: entries.collect(),
                ..RateLimitDescriptor::default()
            }
        });
        let request = RateLimitRequest {
            domain: self.domain.to_string(),
            descriptors: descriptors.collect(),
            hits_addend: 0,
        };
        let message = request.encode_to_vec();
        let (target, timeout) = (&self.service, self.timeout);
        let call = target.unary(&*calls, SHOULD_RATE_LIMIT, &message, timeout, Some(&of));
        Box::pin(async move { RateLimitResponse::decode(&*call.await.ok()?).ok() })
    }
}

impl Shared {
    /// Notes the verdict; how the connection is closed, if it is one too many.
    fn conclude(
        &self,
        answer: Option<RateLimitResponse>,
        info: &mut StreamInfo,
        services: &dyn WorkerServices,
    ) -> Option<NetworkClose> {
        let (settings, stats) = (&self.settings, &self.stats);
        let Some(answer) = answer else {
            stats.error.inc();
            if settings.denies_on_error {
                return Some(self.closed("ratelimit_error_failure_mode_connection_close"));
            }
            stats.failure_mode_allowed.inc();
            return None;
        };
        let is_over = answer.overall_code() == Code::OverLimit;
        if let Some(fields) = answer.dynamic_metadata.filter(|it| !it.fields.is_empty()) {
            info.dynamic_metadata_mut()
                .merge(NAMESPACE, fields_of(fields));
        }
        if !is_over {
            stats.ok.inc();
            return None;
        }
        stats.over_limit.inc();
        is_chosen(&settings.enforced, services).then(|| self.closed("ratelimit_close_over_limit"))
    }

    fn closed(&self, reason: &'static str) -> NetworkClose {
        self.stats.cx_closed.inc();
        NetworkClose::now(reason)
    }
}
