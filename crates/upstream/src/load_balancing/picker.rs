//! One worker's choice among the hosts of a level set: the priority, the place, then the host by the policy.
//!
//! Schedules are made when a source is first used, and keep nothing but the turn over updates, as in Envoy.

use std::sync::Arc;
use std::time::Instant;

use super::context::{Around, PickContext};
use super::earliest_deadline::EarliestDeadline;
use super::hashing::BoundedScratch;
use super::level::host;
use super::level_set::LevelSet;
use super::locality_schedule::LocalitySchedule;
use super::priority_load::Availability;
use super::settings::{LbPolicy, LocalityBalancing};
use super::source::{Source, SourceKind};
use super::zone_aware::ZoneRouting;
use crate::host::Host;

/// A worker's turns.
#[derive(Debug)]
pub(super) struct Picker {
    set: Arc<LevelSet>,
    seed: u64,
    /// By priority, and there by the place of the source's kind.
    sources: Vec<Vec<SourceState>>,
    localities: Vec<Option<LocalitySchedule>>,
    zones: Option<ZoneRouting>,
    /// Until when a host may be in its slow start.
    slow_until: Option<Instant>,
    scratch: BoundedScratch,
}

#[derive(Debug)]
struct SourceState {
    turn: u64,
    schedule: Schedule,
}

#[derive(Debug)]
enum Schedule {
    /// Nobody has asked yet.
    Unmade,
    /// Weights are equal.
    Unweighted,
    Weighted(EarliestDeadline),
}

impl Picker {
    pub(super) fn new(set: Arc<LevelSet>, around: &Around<'_>) -> Self {
        let mut picker = Self {
            set,
            seed: around.random.next(),
            sources: Vec::new(),
            localities: Vec::new(),
            zones: None,
            slow_until: None,
            scratch: BoundedScratch::default(),
        };
        picker.prepare(around);
        picker
    }

    /// Goes on with other hosts.
    pub(super) fn follow(&mut self, set: Arc<LevelSet>, around: &Around<'_>) {
        self.set = set;
        self.prepare(around);
    }

    fn prepare(&mut self, around: &Around<'_>) {
        let levels = &self.set.levels;
        let turn = self.seed;
        self.sources.resize_with(levels.len(), Vec::new);
        for (states, level) in self.sources.iter_mut().zip(levels) {
            let kinds = SourceKind::InLocality(level.localities.len(), Availability::Healthy);
            states.resize_with(kinds.place(), || SourceState {
                turn,
                schedule: Schedule::Unmade,
            });
            states
                .iter_mut()
                .for_each(|state| state.schedule = Schedule::Unmade);
        }
        self.localities = levels
            .iter()
            .map(|level| {
                let weights = level.locality_weights.as_deref()?;
                let seed = around.random.next();
                Some(LocalitySchedule::new(
                    level,
                    weights,
                    self.set.options,
                    seed,
                ))
            })
            .collect();
        self.zones = self.zones(around);
        self.slow_until = around.settings.policy.slow_start().map(|slow| {
            let now = around.clock.now();
            slow.begin(&self.set.hosts, now);
            slow.latest(&self.set.hosts, now) + slow.window
        });
    }

    fn zones(&self, around: &Around<'_>) -> Option<ZoneRouting> {
        let LocalityBalancing::ZoneAware(settings) = &around.settings.locality else {
            return None;
        };
        if around.settings.policy.consistent().is_some() {
            return None;
        }
        let (level, proxies) = (self.set.levels.first()?, around.proxies?);
        ZoneRouting::of(&self.set.hosts, level, proxies, settings, around.stats)
    }

    /// The number of a host; none where there is none to pick.
    pub(super) fn pick(&mut self, around: &Around<'_>, context: &PickContext<'_>) -> Option<u32> {
        if !self.set.tables.is_empty() {
            return self.pick_by_hash(around, context);
        }
        let mut picked = self.pick_once(around, context)?;
        for _ in 0..context.repicks {
            if !context.rejects(host(&self.set.hosts, picked)?) {
                break;
            }
            picked = self.pick_once(around, context)?;
        }
        Some(picked)
    }

    fn pick_by_hash(&mut self, around: &Around<'_>, context: &PickContext<'_>) -> Option<u32> {
        let hash = context.hash.unwrap_or_else(|| around.random.next());
        let set = &self.set;
        let (priority, _) = set.loads.load.choose(hash);
        if set.loads.panic.get(priority) == Some(&true) {
            around.stats.lb_healthy_panic.inc();
        }
        let table = set.tables.get(priority)?;
        let mut picked = None;
        for attempt in 0..=context.repicks {
            let first = table.pick(hash, attempt)?;
            let number = match &table.bounded {
                None => first,
                Some(bounded) => {
                    let active = (around.active_requests)();
                    bounded.choose(&set.hosts, first, hash, active, &mut self.scratch)
                }
            };
            picked = Some(number);
            if !context.rejects(host(&set.hosts, number)?) {
                break;
            }
        }
        picked
    }

    fn pick_once(&mut self, around: &Around<'_>, context: &PickContext<'_>) -> Option<u32> {
        let random = around.random.next();
        let source = self.source(around, context, random)?;
        let set = Arc::clone(&self.set);
        let members = set.of_source(source);
        if matches!(around.settings.policy, LbPolicy::Random) {
            let place = random.checked_rem(members.len() as u64)?;
            return members.get(usize::try_from(place).ok()?).copied();
        }
        self.pick_scheduled(&set, source, members, around)
    }

    fn pick_scheduled(
        &mut self,
        set: &LevelSet,
        source: Source,
        members: &[u32],
        around: &Around<'_>,
    ) -> Option<u32> {
        let now = self.slow_until.map(|until| (around.clock.now(), until));
        let slow_now = now.filter(|(now, until)| now <= until).map(|(now, _)| now);
        let weigh = Weigh {
            hosts: &set.hosts,
            members,
            policy: &around.settings.policy,
            slow_now,
        };
        let states = self.sources.get_mut(source.priority)?;
        let state = states.get_mut(source.kind.place())?;
        if matches!(state.schedule, Schedule::Unmade) {
            state.schedule = weigh.schedule(self.seed);
        }
        let place = match (&mut state.schedule, &around.settings.policy) {
            (Schedule::Weighted(schedule), LbPolicy::RoundRobin { slow_start: None }) => {
                schedule.pick()?
            }
            (Schedule::Weighted(schedule), _) => schedule.pick_by(|place| weigh.weight(place))?,
            (_, LbPolicy::LeastRequest(least)) => {
                return least.pick(&set.hosts, members, around.random);
            }
            _ => {
                let place = state.turn.checked_rem(members.len() as u64)?;
                state.turn = state.turn.wrapping_add(1);
                usize::try_from(place).ok()?
            }
        };
        members.get(place).copied()
    }

    /// Which hosts a request may go to; none if it must fail.
    fn source(
        &mut self,
        around: &Around<'_>,
        context: &PickContext<'_>,
        random: u64,
    ) -> Option<Source> {
        let loads = &self.set.loads;
        let load = context.priority_load.unwrap_or(&loads.load);
        let (priority, availability) = load.choose(random);
        let of = |kind| Some(Source { priority, kind });
        if loads.panic.get(priority) == Some(&true) {
            around.stats.lb_healthy_panic.inc();
            return match around.settings.fails_on_panic() {
                true => None,
                false => of(SourceKind::All),
            };
        }
        let localities = self.localities.get_mut(priority).and_then(Option::as_mut);
        if let Some(locality) = localities.and_then(|places| places.pick(availability)) {
            return of(SourceKind::InLocality(locality, availability));
        }
        let zones = self.zones.as_ref().filter(|_| priority == 0);
        let (Some(zones), LocalityBalancing::ZoneAware(settings)) =
            (zones, &around.settings.locality)
        else {
            return of(SourceKind::Of(availability));
        };
        let enabled = settings
            .keys
            .enabled
            .integer(settings.routing_enabled_percent);
        if around.random.next() % 100 >= enabled {
            return of(SourceKind::Of(availability));
        }
        let threshold = around.settings.panic_threshold_percent() as f64;
        let proxies = around.proxies?.level;
        if proxies.available_percent() < threshold {
            around.stats.lb_local_cluster_not_ok.inc();
            return match settings.fail_traffic_on_panic {
                true => None,
                false => of(SourceKind::Of(availability)),
            };
        }
        let locality = zones.choose(|| around.random.next(), around.stats);
        of(SourceKind::InLocality(locality, availability))
    }
}

/// What hosts weigh.
struct Weigh<'a> {
    hosts: &'a [Arc<Host>],
    members: &'a [u32],
    policy: &'a LbPolicy,
    /// The time, while a host may be in its slow start.
    slow_now: Option<Instant>,
}

impl Weigh<'_> {
    fn schedule(&self, seed: u64) -> Schedule {
        let weight = |number: &u32| host(self.hosts, *number).map(|host| host.current_weight());
        let first = self.members.first().and_then(weight);
        let equal = self.members.iter().all(|number| weight(number) == first);
        if self.members.len() < 2 || (equal && self.slow_now.is_none()) {
            return Schedule::Unweighted;
        }
        let skipped = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(0);
        let weights = (0..self.members.len()).map(|place| self.weight(place));
        Schedule::Weighted(EarliestDeadline::new(weights, skipped))
    }

    fn weight(&self, place: usize) -> f64 {
        let number = self.members.get(place);
        let Some(host) = number.and_then(|number| host(self.hosts, *number)) else {
            return 1.0;
        };
        let weight = match self.policy {
            LbPolicy::LeastRequest(least) => least.weight(host),
            _ => f64::from(host.current_weight()),
        };
        match (self.policy.slow_start(), self.slow_now) {
            (Some(slow), Some(now)) => slow.weight(weight, host, now),
            _ => weight,
        }
    }
}
