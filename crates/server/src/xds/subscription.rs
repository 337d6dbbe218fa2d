//! A subscription: resources come with a version, and are accepted or rejected with a reason, wherever they come from.
//!
//! Each delivery is applied by its caller and answered by [`Subscription::answer`], which counts it and says in
//! Envoy's words what came of it. Nothing outside of this file and [`super::file`] knows that there are files.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_config::report::Style;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::hash::xxh64;
use nuncio_contract::stats::groups::SubscriptionStats;
use nuncio_contract::stats::{Scope, TextReadout, WideGauge};

use super::delivery::{Delivery, Failure, Verdict};
use super::file::FileSource;
use crate::log;

/// A subscription that runs.
pub(super) struct Subscription {
    source: FileSource,
    stats: Arc<SubscriptionStats>,
    version: Arc<WideGauge>,
    version_text: Arc<TextReadout>,
    /// Keeps all that counts there listed.
    _scope: Scope,
}

impl Subscription {
    /// Subscribes; what is there at once is the first delivery.
    pub(super) fn begin(source: &ResourceSource, scope: Scope) -> (Self, Delivery) {
        let stats: Arc<SubscriptionStats> = scope.worker_group();
        let version = scope.wide_gauge("version");
        let version_text = scope.text_readout("version_text");
        // What is watched beside makes no difference: whatever moves there, the file looks another then.
        let ResourceSource::File {
            path,
            watched_directory: _,
        } = source;
        let (source, delivery) = FileSource::begin(Arc::clone(path));
        let subscription = Subscription {
            source,
            stats,
            version,
            version_text,
            _scope: scope,
        };
        subscription.stats.update_attempt.inc();
        (subscription, delivery)
    }

    /// The next delivery, if there is one.
    pub(super) fn look(&mut self) -> Option<Delivery> {
        let delivery = self.source.look()?;
        self.stats.update_attempt.inc();
        Some(delivery)
    }

    /// Counts a failure and says why.
    pub(super) fn fail(&self, failure: &Failure, style: Style) {
        self.stats.update_failure.inc();
        let text = format!("Filesystem config update failure: {}", failure.envoy);
        log::warning("config", &text);
        eprint!("{}", failure.findings.render(style));
    }

    /// Counts what came of a delivery, and says so where it was rejected.
    pub(super) fn answer(&self, version: &str, verdict: &Verdict) {
        match verdict {
            Ok(()) => {
                self.stats.update_success.inc();
                self.stats.update_time.set(millis(SystemTime::now()));
                self.version.set(xxh64(version.as_bytes(), 0));
                self.version_text.set(version);
            }
            Err(reason) => {
                self.stats.update_rejected.inc();
                let text = format!("Filesystem config update rejected: {reason}");
                log::warning("config", &text);
            }
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
