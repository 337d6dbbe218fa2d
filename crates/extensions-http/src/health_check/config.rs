//! The message of the health check filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::sorting;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::{CompiledHeaderMatcher, HeaderMatcher};

use super::cache::Cache;

message! {
    /// The filter's config.
    pub(super) struct HealthCheck: "envoy.extensions.filters.http.health_check.v3.HealthCheck" {
        pass_through_mode: Option<bool>,
        cache_time: Option<Duration>,
        cluster_min_healthy_percentages: Vec<(String, Percent)>,
        headers: Vec<HeaderMatcher>,
    }
}

message! {
    /// A share of all hosts.
    pub(super) struct Percent: "envoy.type.v3.Percent" {
        value: f64,
    }
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) passes_through: bool,
    pub(super) cache: Option<Cache>,
    /// How many hosts of a cluster must be well, by the cluster's name.
    pub(super) least: Box<[(Box<str>, u64)]>,
    headers: Box<[CompiledHeaderMatcher]>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: HealthCheck = any.decode(ctx)?;
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
        .collect();
    let passes_through = message.pass_through_mode == Some(true);
    // Envoy's clock knows no less than a millisecond.
    let cache_time = message.cache_time.filter(|time| time.as_millis() > 0);
    if !passes_through && cache_time.is_some() {
        let text = "cache_time_ms must not be set when path_through_mode is disabled";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        passes_through,
        cache: cache_time.map(Cache::new),
        least: least(&message),
        headers: headers.into_iter().collect::<Result<_, _>>()?,
    }))))
}

/// As in Envoy, in the order of the names, and of a percentage the whole part counts.
fn least(message: &HealthCheck) -> Box<[(Box<str>, u64)]> {
    let wanted = message.cluster_min_healthy_percentages.iter();
    let mut wanted: Vec<_> = wanted
        .map(|(cluster, percent)| (Box::from(cluster.as_str()), whole(percent.value)))
        .collect();
    sorting::sort(&mut wanted);
    wanted.into()
}

/// The API keeps it between 0 and 100.
fn whole(percent: f64) -> u64 {
    (1..=100_u32)
        .take_while(|number| f64::from(*number) <= percent)
        .last()
        .map_or(0, u64::from)
}

impl Settings {
    /// Whether a request is a health check.
    pub(super) fn takes(&self, request: &HeaderMap) -> bool {
        self.headers.iter().all(|header| header.matches(request))
    }
}
