//! A subscription: resources come with a version, and are accepted or rejected with a reason, wherever they come from.
//!
//! Each delivery is applied by its caller and answered by [`Subscription::answer`], which counts it and says in
//! Envoy's words what came of it. Nothing outside of this file and [`super::file`] knows that there are files.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nuncio_config::report::Style;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::hash::xxh64;
use nuncio_contract::stats::groups::{ClusterUpdateStats, EdsStats, SubscriptionStats};
use nuncio_contract::stats::{Scope, TextReadout, WideGauge};

use super::delivery::{Delivery, Failure, Verdict};
use super::file::FileSource;
use crate::log;

/// A subscription that runs.
pub(super) struct Subscription {
    source: FileSource,
    counts: Counts,
    version: Arc<WideGauge>,
    version_text: Arc<TextReadout>,
    /// Keeps all that counts there listed.
    _scope: Scope,
}

/// What a subscription counts with.
enum Counts {
    /// By itself.
    Own(Arc<SubscriptionStats>),
    /// Among what its cluster counts.
    OfCluster(Arc<ClusterUpdateStats>, Arc<EdsStats>),
}

impl Subscription {
    /// Subscribes; what is there at once is the first delivery.
    pub(super) fn begin(source: &ResourceSource, scope: Scope) -> (Self, Delivery) {
        let counts = Counts::Own(scope.worker_group());
        Self::counting(source, scope, counts)
    }

    /// The same for the hosts of the cluster whose scope it is.
    pub(super) fn begin_for_cluster(
        source: &ResourceSource,
        scope: Scope,
        updates: &Arc<ClusterUpdateStats>,
    ) -> (Self, Delivery) {
        let counts = Counts::OfCluster(Arc::clone(updates), scope.worker_group());
        Self::counting(source, scope, counts)
    }

    fn counting(source: &ResourceSource, scope: Scope, counts: Counts) -> (Self, Delivery) {
        let version = scope.wide_gauge("version");
        let version_text = scope.text_readout("version_text");
        let ResourceSource::File {
            path,
            watched_directory,
        } = source;
        let (source, delivery) = FileSource::begin(Arc::clone(path), watched_directory.clone());
        counts.attempt();
        let subscription = Subscription {
            source,
            counts,
            version,
            version_text,
            _scope: scope,
        };
        (subscription, delivery)
    }

    /// The next delivery, if there is one.
    pub(super) fn look(&mut self) -> Option<Delivery> {
        let delivery = self.source.look()?;
        self.counts.attempt();
        Some(delivery)
    }

    /// Counts a failure and says why.
    pub(super) fn fail(&self, failure: &Failure, style: Style) {
        self.counts.failure();
        let text = format!("Filesystem config update failure: {}", failure.envoy);
        log::warning("config", &text);
        eprint!("{}", failure.findings.render(style));
    }

    /// Counts what came of a delivery, and says so where it was rejected.
    pub(super) fn answer(&self, version: &str, verdict: &Verdict) {
        match verdict {
            Ok(()) => {
                self.counts.success(millis(SystemTime::now()));
                self.version.set(xxh64(version.as_bytes(), 0));
                self.version_text.set(version);
            }
            Err(reason) => {
                self.counts.rejected();
                let text = format!("Filesystem config update rejected: {reason}");
                log::warning("config", &text);
            }
        }
    }
}

impl Counts {
    fn attempt(&self) {
        match self {
            Counts::Own(stats) => stats.update_attempt.inc(),
            Counts::OfCluster(stats, _) => stats.update_attempt.inc(),
        }
    }

    fn failure(&self) {
        match self {
            Counts::Own(stats) => stats.update_failure.inc(),
            Counts::OfCluster(stats, _) => stats.update_failure.inc(),
        }
    }

    fn rejected(&self) {
        match self {
            Counts::Own(stats) => stats.update_rejected.inc(),
            Counts::OfCluster(_, stats) => stats.update_rejected.inc(),
        }
    }

    fn success(&self, now_ms: u64) {
        match self {
            Counts::Own(stats) => {
                stats.update_success.inc();
                stats.update_time.set(now_ms);
            }
            Counts::OfCluster(updates, stats) => {
                updates.update_success.inc();
                stats.update_time.set(now_ms);
            }
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
