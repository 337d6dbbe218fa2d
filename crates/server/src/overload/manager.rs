//! The overload manager as it runs, on the main thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::overload::{Action, Degree, Overload, ShedPoint};
use nuncio_contract::stats::groups::OverloadStats;
use nuncio_contract::stats::{Counter, Gauge, Scope, StatsStore};
use tokio::time::MissedTickBehavior;

use super::compile::{OverloadConfig, Triggered};
use super::monitor::{CONNECTIONS, Monitor};
use super::trigger::Trigger;
use crate::cli::LogLevel;
use crate::log;

/// An overload manager that runs.
pub(crate) struct OverloadManager {
    refresh: Duration,
    shrink_interval: Duration,
    resources: Vec<Resource>,
    actions: Vec<RunningAction>,
    points: Vec<RunningPoint>,
    shared: Arc<Overload>,
    /// How often memory was given back, if ever it may be.
    shrunk: Option<Arc<Counter>>,
    stats: Arc<OverloadStats>,
}

/// What all workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Actions go further or less far than before.
    LookAgain,
    /// What is kept for later is given back.
    GiveBack,
}

struct Resource {
    name: String,
    monitor: Box<dyn Monitor>,
    pressure: Arc<Gauge>,
    failed: Arc<Counter>,
    /// Listed as in Envoy; a look is over before the next begins.
    _skipped: Arc<Counter>,
}

struct RunningAction {
    action: Action,
    name: String,
    triggers: Vec<Trigger>,
    active: Arc<Gauge>,
    scale_percent: Arc<Gauge>,
}

struct RunningPoint {
    point: Option<ShedPoint>,
    triggers: Vec<Trigger>,
    scale_percent: Arc<Gauge>,
    /// Of points that nobody asks for; the others are counted by the workers.
    _never: Option<Arc<Counter>>,
}

impl OverloadManager {
    /// Lists the stats and begins to look at the resources.
    pub(crate) fn begin(config: OverloadConfig, stats: &StatsStore) -> Self {
        let root = stats.root();
        let shrinks = |it: &&Triggered<Action>| it.what == Action::ShrinkHeap;
        let shrinking = config.actions.iter().find(shrinks);
        let shrunk =
            shrinking.map(|action| root.counter(&format!("overload.{}.shrink_count", action.name)));
        let resources = config.monitors.into_iter();
        let actions = config.actions.into_iter();
        let points = config.points.into_iter();
        OverloadManager {
            refresh: config.refresh,
            shrink_interval: config.shrink_interval,
            resources: resources
                .map(|(name, monitor)| Resource::new(name, monitor.begin(), &root))
                .collect(),
            actions: actions.map(|it| RunningAction::new(it, &root)).collect(),
            points: points.map(|it| RunningPoint::new(it, &root)).collect(),
            shared: config.shared,
            shrunk,
            stats: root.worker_group(),
        }
    }

    /// What workers read.
    pub(crate) fn shared(&self) -> Arc<Overload> {
        Arc::clone(&self.shared)
    }

    /// Looks at the resources for ever. As in Envoy, nothing is looked at where there is nothing but the limit of
    /// connections.
    pub(crate) async fn run(mut self, tell: impl Fn(Order)) {
        if self.resources.iter().all(|it| it.name == CONNECTIONS) {
            return std::future::pending().await;
        }
        let mut last = Instant::now();
        let start = tokio::time::Instant::now();
        let every = |interval| {
            let mut ticks = tokio::time::interval_at(start + interval, interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut refreshes = every(self.refresh);
        let mut shrinks = every(self.shrink_interval);
        loop {
            tokio::select! {
                _ = refreshes.tick() => {
                    if self.refresh() {
                        tell(Order::LookAgain);
                    }
                    let now = Instant::now();
                    let passed = now.duration_since(std::mem::replace(&mut last, now));
                    let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
                    self.stats.refresh_interval_delay.record(millis);
                }
                _ = shrinks.tick(), if self.shrunk.is_some() => self.shrink(&tell),
            }
        }
    }

    /// Looks at each resource once; whether anything changed that workers have to be told of.
    fn refresh(&mut self) -> bool {
        let mut is_news = false;
        for resource in &mut self.resources {
            let pressure = match resource.monitor.pressure() {
                Ok(pressure) => pressure,
                Err(why) => {
                    let name = &resource.name;
                    log::info("main", &format!("Failed to update resource {name}: {why}"));
                    resource.failed.inc();
                    continue;
                }
            };
            for action in &mut self.actions {
                is_news |= action.update(&resource.name, pressure, &self.shared);
            }
            for point in &mut self.points {
                point.update(&resource.name, pressure, &self.shared);
            }
            resource.pressure.set(percent(pressure));
        }
        is_news
    }

    fn shrink(&self, tell: impl Fn(Order)) {
        if let Some(shrunk) = &self.shrunk
            && self.shared.action(Action::ShrinkHeap).is_saturated()
        {
            tell(Order::GiveBack);
            shrunk.inc();
        }
    }
}

impl Resource {
    fn new(name: String, monitor: Box<dyn Monitor>, root: &Scope) -> Self {
        let stat = |what: &str| format!("overload.{name}.{what}");
        let pressure = root.gauge(&stat("pressure"));
        Resource {
            monitor,
            pressure,
            failed: root.counter(&stat("failed_updates")),
            _skipped: root.counter(&stat("skipped_updates")),
            name,
        }
    }
}

impl RunningAction {
    fn new(from: Triggered<Action>, root: &Scope) -> Self {
        let stat = |what: &str| root.gauge(&format!("overload.{}.{what}", from.name));
        let (active, scale_percent) = (stat("active"), stat("scale_percent"));
        active.set(0);
        scale_percent.set(0);
        RunningAction {
            action: from.what,
            active,
            scale_percent,
            triggers: from.triggers,
            name: from.name,
        }
    }

    /// Takes a resource's pressure; whether the action goes further or less far than before. As in Envoy, the gauges
    /// show what the last trigger said, and the action goes as far as the furthest one.
    fn update(&mut self, resource: &str, pressure: f64, shared: &Overload) -> bool {
        let mut triggers = self.triggers.iter_mut();
        let Some(trigger) = triggers.find(|trigger| &*trigger.resource == resource) else {
            return false;
        };
        if !trigger.update(pressure) {
            return false;
        }
        let degree = trigger.degree();
        self.active.set(u64::from(degree >= 1.0));
        self.scale_percent.set(percent_of(degree));
        let state = shared.action(self.action);
        let was_saturated = state.is_saturated();
        let is_news = set_furthest(&self.triggers, state);
        if state.is_saturated() != was_saturated {
            let what = match was_saturated {
                true => "scaling",
                false => "saturated",
            };
            let text = format!("Overload action {} became {what}", self.name);
            log::write(LogLevel::Debug, "main", &text);
        }
        is_news
    }
}

impl RunningPoint {
    fn new(from: Triggered<Option<ShedPoint>>, root: &Scope) -> Self {
        let stat = |what: &str| format!("overload.{}.{what}", from.name);
        let is_unknown = from.what.is_none();
        RunningPoint {
            point: from.what,
            scale_percent: root.gauge(&stat("scale_percent")),
            _never: is_unknown.then(|| root.counter(&stat("shed_load_count"))),
            triggers: from.triggers,
        }
    }

    fn update(&mut self, resource: &str, pressure: f64, shared: &Overload) {
        let mut triggers = self.triggers.iter_mut();
        let Some(trigger) = triggers.find(|trigger| &*trigger.resource == resource) else {
            return;
        };
        trigger.update(pressure);
        let furthest = furthest(&self.triggers);
        self.scale_percent.set(percent_of(furthest));
        if let Some(point) = self.point {
            shared.point(point).set(furthest.into());
        }
    }
}

fn furthest(triggers: &[Trigger]) -> f32 {
    triggers.iter().map(Trigger::degree).fold(0.0, f32::max)
}

/// Stores the furthest of the triggers; whether that differs from before.
fn set_furthest(triggers: &[Trigger], degree: &Degree) -> bool {
    let before = degree.get().to_bits();
    degree.set(furthest(triggers).into());
    degree.get().to_bits() != before
}

/// How far something goes as whole percent.
fn percent_of(degree: f32) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut off, as gauges are"
    )]
    let percent = (degree * 100.0) as u64;
    percent
}

/// A share as whole percent.
fn percent(share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut off, as gauges are"
    )]
    let percent = (share * 100.0) as u64;
    percent
}
