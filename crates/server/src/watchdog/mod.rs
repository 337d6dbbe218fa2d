//! Watchdogs (`watchdogs`, or the former `watchdog` for both): a thread of their own looks whether the main thread and
//! the workers have their turns, counts what is missed, and aborts the process where it is to.
//!
//! Each thread says every so often that it is there, which is all that it costs. Defaults are Envoy's: a miss after
//! 200 ms, a mega miss after 1 s, and no end of the process. Of the actions there is `abort_action`; others are
//! refused. Unlike in Envoy one thread watches for both.

mod config;
mod rules;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nuncio_config::typed::{Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::WatchdogStats;

use config::{Watchdog, WatchdogEvent};
pub(crate) use config::{Watchdog as WatchdogMessage, Watchdogs as WatchdogsMessage};
use rules::{Event, Times, Watched};

use crate::log;

const ABORT: &str = "envoy.watchdog.v3.AbortActionConfig";
const DEFAULT_MISS: Duration = Duration::from_millis(200);
const DEFAULT_MEGA_MISS: Duration = Duration::from_secs(1);

/// The watchdogs of a bootstrap, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WatchdogConfig {
    main_thread: OfThreads,
    workers: OfThreads,
}

#[derive(Clone, Debug, PartialEq)]
struct OfThreads {
    times: Times,
    /// What ends the process, beside the times to kill.
    aborts_at: Vec<Event>,
}

/// A thread's way to say that it is there.
#[derive(Clone, Default)]
pub(crate) struct Beat {
    is_there: Arc<AtomicBool>,
    interval: Duration,
}

/// The watchdogs while they look; they end with this.
pub(crate) struct Watching {
    _end: Sender<()>,
}

/// Those of some threads, and when they look next.
struct Dog {
    config: OfThreads,
    threads: Vec<Watched>,
    beats: Vec<Beat>,
    names: Vec<String>,
    stats: Arc<WatchdogStats>,
    stats_of_threads: Vec<Arc<WatchdogStats>>,
    next: Instant,
}

impl WatchdogConfig {
    /// Compiles what a bootstrap says; `seed` chooses the jitter.
    pub(crate) fn compile(
        watchdogs: Option<&WatchdogsMessage>,
        former: Option<&WatchdogMessage>,
        seed: u64,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        if let (Some(_), Some(former)) = (watchdogs, former) {
            let text = "Only one of watchdog or watchdogs should be set!";
            ctx.error(former.span(), text);
            return Err(Refused);
        }
        let main_thread = watchdogs.and_then(|both| both.main_thread_watchdog.as_ref());
        let workers = watchdogs.and_then(|both| both.worker_watchdog.as_ref());
        let main_thread = OfThreads::compile(main_thread.or(former), seed, ctx);
        let workers = OfThreads::compile(workers.or(former), seed.rotate_left(32), ctx);
        Ok(WatchdogConfig {
            main_thread: main_thread?,
            workers: workers?,
        })
    }

    /// Watches from now on: a beat for the main thread, and one for each worker.
    pub(crate) fn begin(
        &self,
        workers: usize,
        stats: &StatsStore,
    ) -> std::io::Result<(Watching, Beat, Vec<Beat>)> {
        let main_thread = Dog::new(
            &self.main_thread,
            ("main_thread.", vec!["main_thread".to_string()]),
            stats,
        );
        let names = (0..workers).map(|number| format!("worker_{number}"));
        let of_workers = Dog::new(&self.workers, ("workers.", names.collect()), stats);
        let beats = of_workers.beats.clone();
        let beat = main_thread.beats.first().cloned().unwrap_or_default();
        let (end, ended) = channel();
        std::thread::Builder::new()
            .name("dog:threads".to_string())
            .spawn(move || watch(vec![main_thread, of_workers], &ended))?;
        Ok((Watching { _end: end }, beat, beats))
    }
}

impl OfThreads {
    fn compile(message: Option<&Watchdog>, seed: u64, ctx: &mut Ctx) -> Result<Self, Refused> {
        let time = |of: fn(&Watchdog) -> Option<Duration>| message.and_then(of);
        let limit = |of| time(of).filter(|limit| !limit.is_zero());
        let jitter = time(|it| it.max_kill_timeout_jitter).unwrap_or_default();
        let jitter = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = seed.checked_rem(jitter).map_or(0, |part| part + 1);
        let share = message.and_then(|it| it.multikill_threshold.as_ref());
        let mut aborts_at = Vec::new();
        let mut is_sound = true;
        for action in message.into_iter().flat_map(|it| &it.actions) {
            let Some(extension) = &action.config else {
                continue;
            };
            let any = &extension.typed_config;
            if any.type_name() != ABORT {
                let name = &extension.name;
                let what = format!("the watchdog action `{}`", name.value);
                ctx.unsupported(name.span, what);
                continue;
            }
            is_sound &= any.decode::<config::Abort>(ctx).is_ok();
            match action.event {
                WatchdogEvent::Unknown => {}
                WatchdogEvent::Kill => aborts_at.push(Event::Kill),
                WatchdogEvent::MultiKill => aborts_at.push(Event::MultiKill),
                WatchdogEvent::MegaMiss => aborts_at.push(Event::MegaMiss),
                WatchdogEvent::Miss => aborts_at.push(Event::Miss),
            }
        }
        if !is_sound {
            return Err(Refused);
        }
        Ok(OfThreads {
            times: Times {
                miss: time(|it| it.miss_timeout).unwrap_or(DEFAULT_MISS),
                mega_miss: time(|it| it.megamiss_timeout).unwrap_or(DEFAULT_MEGA_MISS),
                kill: limit(|it| it.kill_timeout).map(|it| it + Duration::from_millis(jitter)),
                multi_kill: limit(|it| it.multikill_timeout),
                multi_kill_share: share.map_or(0.0, |percent| percent.value / 100.0),
            },
            aborts_at,
        })
    }

    /// Whether the process ends with it.
    fn aborts(&self, event: Event) -> bool {
        matches!(event, Event::Kill | Event::MultiKill) || self.aborts_at.contains(&event)
    }
}

impl Beat {
    /// Says for ever that the calling thread is there, twice between two looks.
    pub(crate) async fn go_on(self) {
        let interval = self.interval / 2;
        loop {
            self.is_there.store(true, Ordering::Relaxed);
            tokio::time::sleep(interval).await;
        }
    }
}

impl Dog {
    fn new(
        config: &OfThreads,
        (group, names): (&'static str, Vec<String>),
        stats: &StatsStore,
    ) -> Self {
        let now = Instant::now();
        let of_thread = |name: &String| stats.scope(&format!("server.{name}")).worker_group();
        let beat = || Beat {
            is_there: Arc::new(AtomicBool::new(true)),
            interval: config.times.interval(),
        };
        Dog {
            threads: names.iter().map(|_| Watched::new(now)).collect(),
            beats: names.iter().map(|_| beat()).collect(),
            stats: stats.root().worker_group_at(group),
            stats_of_threads: names.iter().map(of_thread).collect(),
            next: now + config.times.interval(),
            config: config.clone(),
            names,
        }
    }

    /// Looks, counts, and ends the process if it is to end.
    fn look(&mut self, now: Instant) {
        let beats = &self.beats;
        let seen = |number: usize| {
            let beat = beats.get(number);
            beat.is_none_or(|beat| beat.is_there.swap(false, Ordering::Relaxed))
        };
        let times = &self.config.times;
        for (event, number) in times.look(&mut self.threads, seen, now) {
            let counters = [Some(&self.stats), self.stats_of_threads.get(number)];
            for stats in counters.into_iter().flatten() {
                match event {
                    Event::Miss => stats.watchdog_miss.inc(),
                    Event::MegaMiss => stats.watchdog_mega_miss.inc(),
                    Event::Kill | Event::MultiKill => {}
                }
            }
            if self.config.aborts(event) {
                let name = self.names.get(number).map_or("", String::as_str);
                let text = format!("watchdog: {name} is stuck ({event:?}), the process is aborted");
                log::critical("assert", &text);
                std::process::abort();
            }
        }
        self.next = now + times.interval();
    }
}

fn watch(mut dogs: Vec<Dog>, ended: &Receiver<()>) {
    loop {
        let now = Instant::now();
        for dog in dogs.iter_mut().filter(|dog| dog.next <= now) {
            dog.look(now);
        }
        let Some(next) = dogs.iter().map(|dog| dog.next).min() else {
            return;
        };
        match ended.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What is honoured of messages that stand in others as any.
pub(crate) fn support(table: &mut SupportTable) {
    config::Abort::support(table);
}

#[cfg(test)]
mod tests {
    use nuncio_config::bootstrap::{Input, load};
    use nuncio_config::tree::Value;
    use nuncio_config::typed::decode;
    use nuncio_contract::stats::StatValue;

    use super::*;

    fn counted(stats: &StatsStore, wanted: &str) -> u64 {
        let mut count = 0;
        for scope in stats.scopes() {
            scope.for_each(&mut |stat| {
                let mut name = String::new();
                stat.name.push_to(&mut name);
                if name == wanted
                    && let StatValue::Counter { value, .. } = stat.value
                {
                    count += value;
                }
            });
        }
        count
    }

    #[test]
    fn a_thread_that_says_nothing_is_counted_by_its_name_and_with_the_others() {
        let stats = StatsStore::default();
        let config = WatchdogConfig::compile(None, None, 1, &mut Ctx::new(false));
        let config = config.expect("there is nothing wrong with the defaults");
        let names = vec!["worker_0".to_string(), "worker_1".to_string()];
        let mut dog = Dog::new(&config.workers, ("workers.", names), &stats);
        let start = Instant::now();
        dog.look(start);
        let [first, second] = &dog.beats[..] else {
            panic!("there is a beat for each");
        };
        let (first, _stuck) = (first.clone(), second.clone());
        for millis in [300, 600, 900, 1200] {
            first.is_there.store(true, Ordering::Relaxed);
            dog.look(start + Duration::from_millis(millis));
        }
        assert_eq!(counted(&stats, "workers.watchdog_miss"), 1);
        assert_eq!(counted(&stats, "workers.watchdog_mega_miss"), 1);
        assert_eq!(counted(&stats, "server.worker_0.watchdog_miss"), 0);
        assert_eq!(counted(&stats, "server.worker_1.watchdog_miss"), 1);
    }

    #[test]
    fn kills_come_late_by_chance_and_never_early() {
        let yaml = "watchdog: {kill_timeout: 3s, max_kill_timeout_jitter: 1s}";
        let input = Input {
            yaml: Some(yaml.to_string()),
            ..Input::default()
        };
        let tree = load(&input).expect("the bootstrap is sound").tree;
        let message = tree.find(&["watchdog"]).and_then(Value::as_message);
        let message = message.expect("it is there");
        let message: WatchdogMessage =
            decode(message, &mut Ctx::new(false)).expect("it is honoured");
        for seed in [0, 999, 12345] {
            let mut ctx = Ctx::new(false);
            let config = WatchdogConfig::compile(None, Some(&message), seed, &mut ctx);
            let kill = config.expect("it is sound").main_thread.times.kill;
            let kill = kill.expect("it kills").as_millis();
            assert!((3001..=4000).contains(&kill), "{kill}");
        }
    }
}
