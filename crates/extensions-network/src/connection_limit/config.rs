//! The messages of the connection limit filter.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_contract::network_filter::NetworkFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct ConnectionLimit: "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" {
        stat_prefix: String,
        max_connections: Option<u64>,
        delay: Option<Duration>,
        runtime_enabled: Option<RuntimeFeatureFlag>,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Limit {
    pub(super) stat_prefix: Box<str>,
    pub(super) most: u64,
    pub(super) delay: Option<Duration>,
    pub(super) enabled: Option<RuntimeFeatureFlag>,
    /// How many there are.
    pub(super) live: AtomicU64,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Limit>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: ConnectionLimit = any.decode(ctx)?;
    Ok(Arc::new(Config(Arc::new(Limit {
        stat_prefix: message.stat_prefix.as_str().into(),
        most: message.max_connections.unwrap_or(0),
        delay: message.delay,
        enabled: message.runtime_enabled,
        live: AtomicU64::new(0),
    }))))
}
