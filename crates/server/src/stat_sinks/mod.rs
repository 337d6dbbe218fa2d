//! `stats_sinks`: what is told to them, on a thread of its own, so that neither traffic nor the admin waits.
//!
//! At each flush the thread reads all stats and tells those that were ever written; the values of histograms it
//! tells every 20 ms to those who want them. At the end of the process there is a last flush.
//!
//! Differs from Envoy, where each worker tells the values of histograms itself, at once.

mod reports;
mod to_cluster;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use nuncio_config::typed::{Attempt, Ctx, Refused};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_sink::{
    self, ByteSink, Reading, Reporter, SinkServices, StatSink, StatSinkConfig, StatSinkRooms,
    StatsSink, Told,
};
use nuncio_contract::stats::{Scope, StatValue, StatsSettings, StatsStore};
use nuncio_http::worker::Worker;

use crate::log;

/// How often values of histograms are told.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);
/// How long who wants a flush at once waits until stats were read.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Compiles all sinks. Each that is refused is reported, and left out where what is not supported is allowed.
pub(crate) fn compile(
    sinks: &[Attempt<StatsSink>],
    rooms: StatSinkRooms,
    knows_cluster: &dyn Fn(&str) -> bool,
    ctx: &mut Ctx,
) -> Vec<Arc<dyn StatSinkConfig>> {
    let compiled = sinks.iter().map(|attempt| match attempt {
        Attempt(Ok(sink)) => {
            let config = stat_sink::compile(sink, rooms, ctx)?;
            if let Some(cluster) = config.cluster()
                && !knows_cluster(cluster.name)
            {
                ctx.error(cluster.span, cluster.error);
                return Err(Refused);
            }
            Ok(config)
        }
        Attempt(Err(Refused)) => Err(Refused),
    });
    compiled.flat_map(Result::ok).collect()
}

/// A flush is wanted; who is there is told once stats were read.
type Ask = Option<Sender<()>>;

/// The sinks of a process.
pub(crate) struct StatSinks {
    asks: Option<Sender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl StatSinks {
    /// None, for a process without sinks.
    pub(crate) fn none() -> Self {
        let (asks, thread) = (None, None);
        Self { asks, thread }
    }

    /// Opens them, on the main thread.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(
        configs: &[Arc<dyn StatSinkConfig>],
        store: &StatsStore,
        settings: &StatsSettings,
        worker: &Rc<Worker>,
    ) -> Result<Self, String> {
        if configs.is_empty() {
            return Ok(Self::none());
        }
        let bytes_to = |cluster: &str| -> Box<dyn ByteSink> {
            Box::new(to_cluster::ToCluster::start(cluster, store, worker))
        };
        let reports_to = |reporter: Reporter| -> Box<dyn ByteSink> {
            Box::new(reports::ToReporter::start(reporter, worker))
        };
        let services = SinkServices {
            tags: &settings.tags,
            buckets: &settings.buckets,
            local_node: worker.local_node().unwrap_or_default(),
            bytes_to: &bytes_to,
            reports_to: &reports_to,
        };
        let sinks = configs.iter().map(|config| config.open(&services));
        let teller = Teller {
            sinks: sinks.collect::<Result<_, _>>()?,
            store: store.clone(),
            wants_histograms: configs.iter().any(|config| config.wants_histograms()),
        };
        let (asks, asked) = channel();
        let thread = std::thread::Builder::new().name("stat_sinks".to_owned());
        let thread = thread
            .spawn(move || teller.run(&asked))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            asks: Some(asks),
            thread: Some(thread),
        })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.asks.is_none()
    }

    /// Tells them all stats, soon.
    pub(crate) fn flush(&self) {
        if let Some(asks) = &self.asks {
            let _the_thread_is_there_as_long_as_we_are = asks.send(None);
        }
    }

    /// Tells them all stats as they are now.
    pub(crate) fn flush_now(&self) {
        if let Some(asks) = &self.asks {
            let (done, were_read) = channel();
            let _the_thread_is_there_as_long_as_we_are = asks.send(Some(done));
            let _late_is_no_harm = were_read.recv_timeout(MAX_WAIT);
        }
    }

    /// Flushes for the last time and waits until that is done.
    pub(crate) fn end(mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::critical("main", "the thread of the stats sinks panicked");
        }
    }
}

/// What the thread owns.
struct Teller {
    sinks: Vec<Box<dyn StatSink>>,
    store: StatsStore,
    wants_histograms: bool,
}

impl Teller {
    fn run(mut self, asked: &Receiver<Ask>) {
        loop {
            match asked.recv_timeout(SAMPLE_INTERVAL) {
                Ok(done) => {
                    self.flush();
                    let _who_waits_may_have_gone = done.map(|done| done.send(()));
                }
                Err(RecvTimeoutError::Timeout) => self.tell_samples(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn tell_samples(&mut self) {
        let (samples, lost) = self.store.take_samples();
        for sample in &samples {
            self.sinks
                .iter_mut()
                .for_each(|sink| sink.tell_sample(sample));
        }
        if lost > 0 {
            let text = format!("{lost} values of histograms came too fast for the stats sinks");
            log::warning("stats", &text);
        }
    }

    fn flush(&mut self) {
        self.tell_samples();
        let now = SystemTime::now();
        self.sinks.iter_mut().for_each(|sink| sink.begin_flush(now));
        let mut readings = Vec::new();
        for scope in self.store.scopes() {
            // Nothing is sent while the scope is locked.
            self.read(&scope, &mut readings);
            let own_tags = scope.own_tags().map(|own| (scope.prefix().len(), own));
            for (name, reading) in readings.drain(..) {
                let told = Told {
                    name: &name,
                    reading: &reading,
                    own_tags,
                };
                self.sinks.iter_mut().for_each(|sink| sink.tell(&told));
            }
        }
        self.sinks.iter_mut().for_each(|sink| sink.end_flush());
    }

    fn read(&self, scope: &Scope, readings: &mut Vec<(String, Reading)>) {
        scope.for_each_since_last(&mut |stat, more| {
            let reading = match stat.value {
                StatValue::Counter { used: true, value } => {
                    let total = value;
                    Reading::Counter { more, total }
                }
                StatValue::Gauge { used: true, value } => Reading::Gauge(value),
                StatValue::Histogram {
                    merged: Some(merged),
                    unit,
                } if self.wants_histograms => {
                    let merged = merged.clone();
                    Reading::Histogram { merged, unit }
                }
                _ => return,
            };
            readings.push((stat.name.to_string(), reading));
        });
    }
}
