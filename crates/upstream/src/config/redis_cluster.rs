//! `envoy.clusters.redis`.

use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

use crate::redis_cluster::RedisClusterSettings;

message! {
    /// A cluster of Redis, whose hosts say which slots are theirs.
    pub(crate) struct RedisClusterConfig: "envoy.extensions.clusters.redis.v3.RedisClusterConfig" {
        cluster_refresh_rate: Option<Duration>,
        cluster_refresh_timeout: Option<Duration>,
        redirect_refresh_interval: Option<Duration>,
        redirect_refresh_threshold: Option<u32>,
        failure_refresh_threshold: u32,
        host_degraded_refresh_threshold: u32,
        enable_zone_discovery: bool,
    }
}

/// How it is discovered.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Box<RedisClusterSettings>, Refused> {
    let message: RedisClusterConfig = any.decode(ctx)?;
    let defaults = RedisClusterSettings::default();
    Ok(Box::new(RedisClusterSettings {
        refresh_rate: message
            .cluster_refresh_rate
            .unwrap_or(defaults.refresh_rate),
        refresh_timeout: message
            .cluster_refresh_timeout
            .unwrap_or(defaults.refresh_timeout),
        redirect_interval: message
            .redirect_refresh_interval
            .unwrap_or(defaults.redirect_interval),
        redirections: message
            .redirect_refresh_threshold
            .unwrap_or(defaults.redirections),
        failures: message.failure_refresh_threshold,
        degraded_hosts: message.host_degraded_refresh_threshold,
        asks_for_zones: message.enable_zone_discovery,
    }))
}
