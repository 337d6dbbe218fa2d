//! The controller: what it counts and decides. It has no timer of its own; whoever calls it says what time it is;
//! [`Shared::advance`] says when it wants to be called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nuncio_contract::stats::{Scope, WideGauge};

use super::config::{Minimum, Settings};
use super::latencies::Latencies;

/// Updates at the lower limit after which the least latency is doubted.
const DOUBTFUL_UPDATES: u32 = 5;

/// The controller of a chain, shared by the workers.
pub(super) struct Shared {
    pub(super) settings: Settings,
    state: Mutex<State>,
    gauges: OnceLock<Gauges>,
    /// Whether somebody calls it when it is due.
    is_driven: AtomicBool,
}

/// What it shows of itself, at `http.<stat_prefix>.adaptive_concurrency.gradient_controller.`.
struct Gauges {
    burst_queue_size: Arc<WideGauge>,
    concurrency_limit: Arc<WideGauge>,
    gradient: Arc<WideGauge>,
    min_rtt_calculation_active: Arc<WideGauge>,
    min_rtt_msecs: Arc<WideGauge>,
    sample_rtt_msecs: Arc<WideGauge>,
}

struct State {
    limit: u32,
    outstanding: u32,
    latencies: Latencies,
    minimum: Duration,
    /// The limit to return to while the least latency is measured.
    deferred_limit: Option<u32>,
    /// What began before does not count.
    epoch: Option<Instant>,
    updates_at_least: u32,
    update_due: Option<Instant>,
    measure_due: Option<Instant>,
    last: Shown,
}

/// What the last update came to.
#[derive(Clone, Copy, Default)]
struct Shown {
    burst: u64,
    gradient_thousandths: u64,
    sample: Duration,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Self {
        let (minimum, limit, deferred_limit) = match settings.minimum {
            Minimum::Fixed(fixed) => (fixed, settings.least_limit, None),
            Minimum::Measured { concurrency, .. } => {
                (Duration::ZERO, concurrency, Some(concurrency))
            }
        };
        Shared {
            state: Mutex::new(State {
                limit,
                outstanding: 0,
                latencies: Latencies::default(),
                minimum,
                deferred_limit,
                epoch: None,
                updates_at_least: 0,
                update_due: None,
                measure_due: None,
                last: Shown::default(),
            }),
            settings,
            gauges: OnceLock::new(),
            is_driven: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists the gauges; the first worker does.
    pub(super) fn show_at(&self, scope: &Scope) {
        let gauge = |name: &str| {
            scope.wide_gauge(&format!("adaptive_concurrency.gradient_controller.{name}"))
        };
        self.gauges.get_or_init(|| Gauges {
            burst_queue_size: gauge("burst_queue_size"),
            concurrency_limit: gauge("concurrency_limit"),
            gradient: gauge("gradient"),
            min_rtt_calculation_active: gauge("min_rtt_calculation_active"),
            min_rtt_msecs: gauge("min_rtt_msecs"),
            sample_rtt_msecs: gauge("sample_rtt_msecs"),
        });
        self.show(&self.lock());
    }

    fn show(&self, state: &State) {
        let Some(gauges) = self.gauges.get() else {
            return;
        };
        gauges.burst_queue_size.set(state.last.burst);
        gauges.concurrency_limit.set(state.limit.into());
        gauges.gradient.set(state.last.gradient_thousandths);
        let measures = u64::from(state.deferred_limit.is_some());
        gauges.min_rtt_calculation_active.set(measures);
        gauges.min_rtt_msecs.set(millis(state.minimum));
        gauges.sample_rtt_msecs.set(millis(state.last.sample));
    }

    /// Whether somebody is to be found who calls [`Shared::advance`]: true once.
    pub(super) fn wants_driver(&self) -> bool {
        !self.is_driven.load(Ordering::Relaxed) && !self.is_driven.swap(true, Ordering::Relaxed)
    }

    /// Does what has become due; when it wants to be called again.
    pub(super) fn advance(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        self.advance_locked(&mut state, now);
        let later = now + self.settings.update_interval;
        let due = state.update_due.into_iter().chain(state.measure_due).min();
        // A window of measuring ends with a request.
        due.unwrap_or(later)
    }

    fn advance_locked(&self, state: &mut State, now: Instant) {
        let update_due = state
            .update_due
            .get_or_insert(now + self.settings.update_interval);
        if *update_due <= now {
            state.update_due = Some(now + self.settings.update_interval);
            if state.deferred_limit.is_none() && state.latencies.count() > 0 {
                self.update(state, now);
                self.show(state);
            }
        }
        if state.measure_due.is_some_and(|due| due <= now) {
            state.measure_due = None;
            self.measure(state, now);
            self.show(state);
        }
    }

    /// Whether a request may go on.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.lock();
        self.advance_locked(&mut state, now);
        let admits = state.outstanding < state.limit;
        state.outstanding += u32::from(admits);
        admits
    }

    /// A request that was let through has ended; without `began` it broke off.
    pub(super) fn ended(&self, began: Option<Instant>, now: Instant, random: impl FnOnce() -> u64) {
        let mut state = self.lock();
        state.outstanding = state.outstanding.saturating_sub(1);
        let Some(began) = began else {
            return;
        };
        if state.epoch.is_some_and(|epoch| began < epoch) {
            return;
        }
        self.advance_locked(&mut state, now);
        state.latencies.record(now.saturating_duration_since(began));
        self.end_measuring(&mut state, now, random);
    }

    /// Measures the least latency from now on.
    fn measure(&self, state: &mut State, now: Instant) {
        let Minimum::Measured { concurrency, .. } = self.settings.minimum else {
            return;
        };
        if state.deferred_limit.is_some() {
            return;
        }
        state.deferred_limit = Some(state.limit);
        self.set_limit(state, concurrency, now);
        state.latencies = Latencies::default();
        state.epoch = Some(now);
    }

    fn end_measuring(&self, state: &mut State, now: Instant, random: impl FnOnce() -> u64) {
        let Minimum::Measured {
            interval,
            jitter,
            requests,
            ..
        } = self.settings.minimum
        else {
            return;
        };
        let Some(limit) = state.deferred_limit else {
            return;
        };
        if state.latencies.count() < requests {
            return;
        }
        state.minimum = state.latencies.take(self.settings.percentile);
        self.set_limit(state, limit, now);
        state.deferred_limit = None;
        let spread = (interval.as_millis() as f64 * jitter).ceil() as u64;
        let late = random().checked_rem(spread).unwrap_or(0);
        state.measure_due = now.checked_add(interval + Duration::from_millis(late));
        state.update_due = Some(now + self.settings.update_interval);
        self.show(state);
    }

    fn update(&self, state: &mut State, now: Instant) {
        let settings = &self.settings;
        let sample = state.latencies.take(settings.percentile);
        let minimum = state.minimum.as_micros() as f64;
        let gradient = (minimum + minimum * settings.buffer) / sample.as_micros() as f64;
        // Of latencies that are all nothing nothing is known.
        let gradient = match gradient.is_nan() {
            true => 2.0,
            false => gradient.clamp(0.5, 2.0),
        };
        let limit = f64::from(state.limit) * gradient;
        let burst = limit.sqrt();
        state.last = Shown {
            burst: burst as u64,
            gradient_thousandths: (gradient * 1000.0) as u64,
            sample,
        };
        let limit = (limit + burst) as u32;
        let limit = limit.min(settings.most_limit).max(settings.least_limit);
        self.set_limit(state, limit, now);
    }

    fn set_limit(&self, state: &mut State, limit: u32, now: Instant) {
        let least = self.settings.least_limit;
        let stays_least = state.limit == least && limit == least;
        state.limit = limit;
        if state.deferred_limit.is_some() || !stays_least {
            state.updates_at_least = 0;
            return;
        }
        state.updates_at_least += 1;
        if state.updates_at_least >= DOUBTFUL_UPDATES && state.measure_due.is_some() {
            state.measure_due = Some(now);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
