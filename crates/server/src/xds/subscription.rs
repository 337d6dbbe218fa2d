//! A subscription: resources come with a version, and are accepted or rejected with a reason, wherever they come from.
//!
//! Each delivery is applied by its caller and answered by [`Subscription::answer`], which counts it and says in
//! Envoy's words what came of it. Nothing outside of this file, [`super::file`], [`super::plane`] and [`super::rest`] knows
//! what sources there are. What a file has is there at once; what a server has comes later, or is not waited for any longer when its
//! `initial_fetch_timeout` has passed ([`Subscription::first`]).

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_config::report::Style;
use nuncio_config::resources::Response;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::hash::xxh64;
use nuncio_contract::stats::groups::{ClusterUpdateStats, EdsStats, SubscriptionStats};
use nuncio_contract::stats::{Scope, TextReadout, WideGauge};
use nuncio_net::tasks::spawn_seldom;

use super::delivery::{Delivery, Failure, Verdict};
use super::file::FileSource;
use super::first::First;
use super::passed_over::PassedOver;
use super::plane::{News, Watching};
use super::planes::ControlPlanes;
use super::rest::{Polling, Said};
use crate::log;

/// How reasons begin that are about what resources say, not about the rules of their messages.
const OF_SINGLE_RESOURCES: &str = "Error adding/updating ";

/// A subscription that runs.
pub(super) struct Subscription {
    kind: &'static str,
    is_named: bool,
    source: Source,
    counts: Rc<Counts>,
    version: Arc<WideGauge>,
    version_text: Arc<TextReadout>,
    first: Rc<First>,
    /// Rejections that others than the subscriber decided on, and waits that took too long, since this was asked last.
    unasked_failures: Rc<Cell<u64>>,
    /// What is done when the first ones took too long, before nobody waits any longer.
    at_timeout: Rc<OnceCell<Box<dyn Fn()>>>,
    passed_over: Rc<PassedOver>,
    /// Keeps all that counts there listed.
    _scope: Scope,
}

/// What is wanted of a source: the kind, and which one, or all of them.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'w> {
    /// The message's full name.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: Option<&'w str>,
    /// The name of the collection of which all are wanted, if it has one.
    pub(super) collection: Option<&'w str>,
}

impl<'w> Wanted<'w> {
    /// One resource.
    pub(super) fn one(kind: &'static str, name: &'w str) -> Self {
        Wanted {
            kind,
            name: Some(name),
            collection: None,
        }
    }

    /// All resources of a kind, or of a collection of it.
    pub(super) fn all_of(kind: &'static str, collection: Option<&'w str>) -> Self {
        Wanted {
            kind,
            name: None,
            collection,
        }
    }
}

/// Where resources come from.
enum Source {
    File(Box<FileSource>),
    Server(Watching),
    Rest(Polling),
    /// The server that is asked for everything is not said.
    Nowhere,
}

/// What a subscription counts with.
enum Counts {
    /// By itself.
    Own(Arc<SubscriptionStats>),
    /// Among what its cluster counts.
    OfCluster(Arc<ClusterUpdateStats>, Arc<EdsStats>),
}

impl Subscription {
    /// Subscribes; what is there at once, if anything, is the first delivery.
    pub(super) fn begin(
        planes: &ControlPlanes,
        wanted: Wanted<'_>,
        source: &ResourceSource,
        scope: Scope,
    ) -> (Self, Option<Delivery>) {
        let counts = Counts::Own(scope.worker_group());
        Self::counting(planes, wanted, source, (scope, counts))
    }

    /// The same for the hosts of the cluster whose scope it is.
    pub(super) fn begin_for_cluster(
        planes: &ControlPlanes,
        wanted: Wanted<'_>,
        source: &ResourceSource,
        (scope, updates): (Scope, &Arc<ClusterUpdateStats>),
    ) -> (Self, Option<Delivery>) {
        let counts = Counts::OfCluster(Arc::clone(updates), scope.worker_group());
        Self::counting(planes, wanted, source, (scope, counts))
    }

    fn counting(
        planes: &ControlPlanes,
        wanted: Wanted<'_>,
        source: &ResourceSource,
        (scope, counts): (Scope, Counts),
    ) -> (Self, Option<Delivery>) {
        let counts = Rc::new(counts);
        let passed_over = &planes.passed_over;
        let version = scope.wide_gauge("version");
        let version_text = scope.text_readout("version_text");
        let mut timeout = None;
        let (source, delivery) = match source {
            ResourceSource::File {
                path,
                watched_directory,
            } => {
                let (file, delivery) = FileSource::begin(
                    Arc::clone(path),
                    watched_directory.clone(),
                    passed_over.unknown,
                );
                (Source::File(Box::new(file)), Some(delivery))
            }
            ResourceSource::Server {
                server,
                fetch_timeout,
            } => {
                timeout = *fetch_timeout;
                let plane = planes.begin(server, wanted.kind, scope.clone());
                (watching(plane, wanted), None)
            }
            ResourceSource::Rest {
                server,
                fetch_timeout,
            } => {
                timeout = *fetch_timeout;
                (Source::Rest(planes.poll(server, wanted)), None)
            }
            ResourceSource::Ads { fetch_timeout } => {
                timeout = *fetch_timeout;
                (watching(planes.for_all(), wanted), None)
            }
        };
        if !matches!(source, Source::Rest(_)) {
            counts.attempt();
        }
        let subscription = Subscription {
            kind: wanted.kind,
            is_named: wanted.name.is_some(),
            source,
            counts,
            version,
            version_text,
            first: Rc::new(First::awaited()),
            unasked_failures: Rc::default(),
            at_timeout: Rc::default(),
            passed_over: Rc::clone(passed_over),
            _scope: scope,
        };
        if let Some(timeout) = timeout {
            subscription.wait_no_longer_than(timeout);
        }
        (
            subscription,
            delivery.map(|delivery| passed_over.told(delivery)),
        )
    }

    /// Done when the first delivery was answered, or is not waited for any longer.
    pub(super) fn first(&self) -> &Rc<First> {
        &self.first
    }

    /// Has something done if the first resources take too long, before those who wait go on without them.
    pub(super) fn when_timed_out(&self, act: impl Fn() + 'static) {
        let _once = self.at_timeout.set(Box::new(act));
    }

    /// Whether what is new comes by itself, so that looking costs nothing.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.source, Source::File(_))
    }

    /// The next delivery, if there is one.
    pub(super) fn look(&mut self) -> Option<Delivery> {
        let delivery = match &mut self.source {
            Source::File(file) => file.look()?,
            Source::Server(_) => loop {
                match self.told()? {
                    News::Update(response) => break Ok(*response),
                    News::Rejected(reason) => {
                        self.counts.attempt();
                        self.reject(&reason);
                        count_one(&self.unasked_failures);
                    }
                    News::Disconnected => {
                        self.counts.attempt();
                        self.counts.failure();
                    }
                }
            },
            Source::Rest(_) => {
                let delivery = self.polled().map(Ok);
                return delivery.map(|delivery| self.passed_over.told(delivery));
            }
            Source::Nowhere => return None,
        };
        self.counts.attempt();
        Some(self.passed_over.told(delivery))
    }

    /// Asks for one more name, which counts as an attempt. Only of servers that tell what changes.
    pub(super) fn also(&self, name: &str) {
        if let Source::Server(watching) = &self.source {
            self.counts.attempt();
            watching.also(name);
        }
    }

    /// Asks for a name no more that was asked for besides others.
    pub(super) fn no_more(&self, name: &str) {
        if let Source::Server(watching) = &self.source {
            watching.no_more(name);
        }
    }

    /// How often it failed without a delivery to answer since this was asked last.
    pub(super) fn take_unasked_failures(&self) -> u64 {
        self.unasked_failures.take()
    }

    /// The next update of a server that is asked again and again; each time counts when it is asked.
    fn polled(&self) -> Option<Response> {
        let Source::Rest(polling) = &self.source else {
            return None;
        };
        loop {
            match polling.take()? {
                Said::Asked => self.counts.attempt(),
                Said::Update(response) => return Some(*response),
                Said::Rejected(reason) => {
                    self.reject(&reason);
                    count_one(&self.unasked_failures);
                }
                Said::Failed => {
                    self.counts.failure();
                    let text = format!("REST update for {} failed", polling.path());
                    log::warning("config", &text);
                }
            }
        }
    }

    fn told(&self) -> Option<News> {
        match &self.source {
            Source::Server(watching) => watching.take(),
            _ => None,
        }
    }

    /// Counts a failure, or a rejection for fields that the API does not have, and says why.
    pub(super) fn fail(&self, failure: &Failure, style: Style) {
        if failure.findings.has_unknown_fields_alone {
            self.reject(&failure.envoy);
        } else {
            self.counts.failure();
            let text = format!("Filesystem config update failure: {}", failure.envoy);
            log::warning("config", &text);
            self.first.done();
        }
        eprint!("{}", failure.findings.render(style));
    }

    /// Counts what came of a delivery, says so where it was rejected, and tells the server.
    pub(super) fn answer(&self, version: &str, verdict: &Verdict) {
        self.note(version, verdict);
        self.tell(version, verdict);
    }

    /// The same, but that nothing is told yet.
    pub(super) fn note(&self, version: &str, verdict: &Verdict) {
        match verdict {
            Ok(()) => {
                self.counts.success(millis(SystemTime::now()));
                self.version.set(xxh64(version.as_bytes(), 0));
                self.version_text.set(version);
                self.first.done();
            }
            Err(reason) => self.reject(reason),
        }
    }

    /// Tells the server what came of a delivery.
    pub(super) fn tell(&self, version: &str, verdict: &Verdict) {
        if let Source::Rest(polling) = &self.source {
            polling.answer(verdict.is_ok().then_some(version));
        }
        if let Source::Server(watching) = &self.source {
            if let Err(reason) = verdict
                && watching.is_delta()
                && (self.is_named || reason.starts_with(OF_SINGLE_RESOURCES))
            {
                // As in Envoy, which counts the update and its rejection there, unless resources broke their rules: for
                // those who want all it sees that before there is an update.
                self.counts.attempt();
            }
            watching.answer(verdict.as_ref().err().map(String::as_str));
        }
    }

    fn reject(&self, reason: &str) {
        self.counts.rejected();
        let text = match &self.source {
            Source::File(_) => format!("Filesystem config update rejected: {reason}"),
            Source::Rest(polling) => {
                format!("REST config for {} rejected: {reason}", polling.path())
            }
            _ => {
                let kind = self.kind;
                format!("gRPC config for type.googleapis.com/{kind} rejected: {reason}")
            }
        };
        log::warning("config", &text);
        self.first.done();
    }

    fn wait_no_longer_than(&self, timeout: Duration) {
        let (first, counts) = (Rc::downgrade(&self.first), Rc::downgrade(&self.counts));
        let failures = Rc::clone(&self.unasked_failures);
        let at_timeout = Rc::clone(&self.at_timeout);
        let (text, is_attempt) = match &self.source {
            Source::Rest(polling) => {
                let path = polling.path();
                (
                    format!("REST config: initial fetch timeout for {path}"),
                    false,
                )
            }
            _ => {
                let kind = self.kind;
                let text =
                    format!("gRPC config: initial fetch timed out for type.googleapis.com/{kind}");
                (text, true)
            }
        };
        spawn_seldom(async move {
            tokio::time::sleep(timeout).await;
            let (Some(first), Some(counts)) = (first.upgrade(), counts.upgrade()) else {
                return;
            };
            if !first.is_done() {
                if is_attempt {
                    counts.attempt();
                }
                counts.timed_out();
                count_one(&failures);
                log::warning("config", &text);
                if let Some(act) = at_timeout.get() {
                    act();
                }
                first.done();
            }
        });
    }
}

fn watching(plane: Option<Rc<super::plane::Plane>>, wanted: Wanted<'_>) -> Source {
    match plane {
        Some(plane) => {
            let name = wanted.name.or(wanted.collection);
            let may_be_collection = wanted.collection.is_some();
            Source::Server(plane.watch(wanted.kind, name, may_be_collection))
        }
        None => Source::Nowhere,
    }
}

fn count_one(count: &Cell<u64>) {
    count.set(count.get() + 1);
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

    fn timed_out(&self) {
        match self {
            Counts::Own(stats) => stats.init_fetch_timeout.inc(),
            Counts::OfCluster(_, stats) => stats.init_fetch_timeout.inc(),
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
