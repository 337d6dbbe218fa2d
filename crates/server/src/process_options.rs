//! What of a bootstrap concerns the process itself: the overload manager, watchdogs, the log, and options that are
//! accepted, or not, by their value alone.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused};

use crate::cli::Options;
use crate::config::{Bootstrap, StatsEviction};
use crate::overload::OverloadConfig;
use crate::watchdog::WatchdogConfig;

/// The one engine of regular expressions, which Envoy's is.
const REGEX_ENGINE: &str = "envoy.extensions.regex_engines.v3.GoogleRE2";
/// What the names of our own headers begin with.
const HEADER_PREFIX: &str = "x-envoy";
pub(crate) const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(5);

/// What concerns the process.
pub(crate) struct ProcessConfig {
    /// What is watched, so that load is shed in time.
    pub(crate) overload: Option<OverloadConfig>,
    /// How long threads may take for one turn.
    pub(crate) watchdogs: WatchdogConfig,
    /// How lines of the log look, if it is said.
    pub(crate) log_format: Option<String>,
}

impl ProcessConfig {
    /// Compiles what a bootstrap says; all mistakes go to the context.
    pub(crate) fn compile(
        bootstrap: &Bootstrap,
        options: &Options,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let is_sound = check(bootstrap, ctx);
        let log = bootstrap.application_log_config.as_ref();
        let log_format = log.map(|it| it.pattern(options.log_format.as_deref(), ctx));
        let overload = bootstrap.overload_manager.as_ref();
        let overload = overload.map(|message| OverloadConfig::compile(message, ctx));
        let seed = RandomState::new().hash_one("watchdog");
        let (watchdogs, former) = (bootstrap.watchdogs.as_ref(), bootstrap.watchdog.as_ref());
        let watchdogs = WatchdogConfig::compile(watchdogs, former, seed, ctx);
        is_sound?;
        Ok(ProcessConfig {
            overload: overload.transpose()?,
            watchdogs: watchdogs?,
            log_format: log_format.transpose()?.flatten(),
        })
    }
}

/// Refuses values that mean something else than what is done.
fn check(bootstrap: &Bootstrap, ctx: &mut Ctx) -> Result<(), Refused> {
    if let Some(engine) = &bootstrap.default_regex_engine
        && engine.typed_config.type_name() != REGEX_ENGINE
    {
        let name = &engine.name;
        ctx.unsupported(name.span, format!("the regex engine `{}`", name.value));
    }
    let prefix = &bootstrap.header_prefix;
    if !matches!(prefix.value.as_str(), "" | HEADER_PREFIX) {
        let what = format!("a `header_prefix` other than `{HEADER_PREFIX}`");
        ctx.unsupported(prefix.span, what);
    }
    eviction(bootstrap, ctx)
}

/// Stats leave the list with what they are of, so that none is left to evict; the interval is checked all the same.
fn eviction(bootstrap: &Bootstrap, ctx: &mut Ctx) -> Result<(), Refused> {
    let Some(StatsEviction::Interval(interval)) = &bootstrap.stats_eviction else {
        return Ok(());
    };
    let flush = bootstrap.stats_flush_interval;
    let flush = flush.unwrap_or(DEFAULT_FLUSH_INTERVAL).as_millis();
    if interval.value.as_millis().checked_rem(flush) == Some(0) {
        return Ok(());
    }
    let text = "stats_eviction_interval must be a multiple of stats_flush_interval";
    ctx.error(interval.span, text);
    Err(Refused)
}
