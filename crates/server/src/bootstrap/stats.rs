//! What the bootstrap says of stats: names, tags, choice, buckets, and where they are told to.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::stat_sink::StatSinkConfig;
use nuncio_contract::stats::StatsSettings;

use super::Surroundings;
use crate::cli::Options;
use crate::config::{Bootstrap, StatsFlush};
use crate::process_options::DEFAULT_FLUSH_INTERVAL;
use crate::stat_sinks;

/// What the bootstrap says of stats.
pub(crate) struct Stats {
    /// Tags, choice and buckets.
    pub settings: StatsSettings,
    /// How often they are flushed; Envoy's default: 5 s.
    pub flush_interval: Duration,
    /// Where they are told to.
    pub sinks: Vec<Arc<dyn StatSinkConfig>>,
    /// They are flushed when the admin is asked for them, and not by the clock.
    pub flush_on_admin: bool,
    /// What `server.version` is.
    pub server_version: u64,
}

/// From here on the store lists what is chosen only.
pub(super) fn compile(
    bootstrap: &Bootstrap,
    around: &Surroundings<'_>,
    knows_cluster: &dyn Fn(&str) -> bool,
    ctx: &mut Ctx,
) -> Result<Stats, Refused> {
    let fixed = fixed_tags(around.options);
    let settings = StatsSettings::compile(bootstrap.stats_config.as_ref(), &fixed, ctx);
    let rooms = around.extensions.stat_sinks;
    let sinks = stat_sinks::compile(&bootstrap.stats_sinks, rooms, knows_cluster, ctx);
    let settings = settings?;
    around.stats.select(settings.selection.clone());
    if sinks.iter().any(|sink| sink.wants_samples()) {
        around.stats.keep_samples();
    }
    Ok(Stats {
        settings,
        sinks,
        flush_interval: bootstrap
            .stats_flush_interval
            .unwrap_or(DEFAULT_FLUSH_INTERVAL),
        server_version: bootstrap.stats_server_version_override.unwrap_or(0),
        flush_on_admin: matches!(bootstrap.stats_flush, Some(StatsFlush::OnAdmin(true))),
    })
}

/// The tags of `--stats-tag`; of two with the same name the first counts, as in Envoy.
fn fixed_tags(options: &Options) -> Vec<(String, String)> {
    let mut fixed: Vec<(String, String)> = Vec::new();
    for tag in &options.stats_tags {
        if fixed.iter().all(|(name, _)| *name != tag.name) {
            fixed.push((tag.name.clone(), tag.value.clone()));
        }
    }
    fixed
}
