//! The message of the filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::token_bucket::TokenBucket;

const KIB_BYTES: u64 = 1024;
const DEFAULT_FILL_INTERVAL: Duration = Duration::from_millis(50);

message! {
    /// The filter's config.
    pub(super) struct TcpBandwidthLimit: "envoy.extensions.filters.network.tcp_bandwidth_limit.v3.TcpBandwidthLimit" {
        stat_prefix: String,
        read_limit_kbps: Option<u64>,
        write_limit_kbps: Option<u64>,
        fill_interval: Option<Duration>,
        runtime_enabled: Option<RuntimeFeatureFlag>,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    /// What may pass from the client, and to it.
    pub(super) buckets: [Option<TokenBucket>; 2],
    pub(super) fill_interval: Duration,
    pub(super) enabled: Option<RuntimeFeatureFlag>,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: TcpBandwidthLimit = any.decode(ctx)?;
    let limits = [message.read_limit_kbps, message.write_limit_kbps];
    let bucket = |kib: u64| TokenBucket::of_a_second(kib.saturating_mul(KIB_BYTES));
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        buckets: limits.map(|limit| limit.map(bucket)),
        fill_interval: message.fill_interval.unwrap_or(DEFAULT_FILL_INTERVAL),
        enabled: message.runtime_enabled,
    }))))
}
