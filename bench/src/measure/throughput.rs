//! Requests per CPU-second of the proxy, and latency.
//!
//! In each round every proxy is started anew; then each load goes to one after another, in an
//! order that moves on by one each round, so that figures that are compared lie seconds apart.
//! The proxies that wait share the core but do nothing on it. CPU time is the difference around the window, so that start and warm-up
//! do not count. Per CPU-second, because neither the load generator nor a neighbour of this
//! machine then limits the figure.

use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use crate::exchange::Script;
use crate::load::{LoadPlan, RunningLoad, Way};
use crate::options::{CompareOptions, Section};
use crate::proxies::Kind;
use crate::running::{Running, StartPlan};
use crate::samples::{self, LoadMetrics, Samples};
use crate::statistics::percentile;

/// Connections of every load.
pub(crate) const CONNECTIONS: u32 = 64;
/// Requests per second of the paced load.
const PACED_RATE: u32 = 4000;
/// Connections of the load of HTTP/2, and streams at once on each.
const HTTP2_CONNECTIONS: u32 = 8;
const HTTP2_STREAMS: u32 = 32;
const WARM_UP: Duration = Duration::from_millis(300);

/// What is sent, and what is measured by it.
pub(crate) struct Load {
    pub(crate) section: Section,
    pub(crate) metrics: LoadMetrics,
    pub(crate) script: fn() -> Script,
    pub(crate) rate: Option<u32>,
    pub(crate) connections: u32,
    pub(crate) way: Way,
}

/// The round, and how long it is measured.
pub(crate) type Window = (u32, Duration);

const LOADS: [Load; 5] = [
    Load {
        section: Section::H1,
        metrics: samples::H1,
        script: Script::get,
        rate: None,
        connections: CONNECTIONS,
        way: Way::Http1,
    },
    Load {
        section: Section::Post,
        metrics: samples::POST,
        script: Script::post,
        rate: None,
        connections: CONNECTIONS,
        way: Way::Http1,
    },
    Load {
        section: Section::Large,
        metrics: samples::LARGE,
        script: Script::large,
        rate: None,
        connections: CONNECTIONS,
        way: Way::Http1,
    },
    Load {
        section: Section::Latency,
        metrics: samples::PACED,
        script: Script::get,
        rate: Some(PACED_RATE),
        connections: CONNECTIONS,
        way: Way::Http1,
    },
    Load {
        section: Section::H2,
        metrics: samples::H2,
        script: Script::get,
        rate: None,
        connections: HTTP2_CONNECTIONS,
        way: Way::Http2 {
            streams: HTTP2_STREAMS,
        },
    },
];

/// Runs all rounds.
pub(crate) fn run(bench: &mut Bench, options: &CompareOptions) {
    let loads: Vec<&Load> = LOADS
        .iter()
        .filter(|load| options.wants(load.section))
        .collect();
    if loads.is_empty() {
        return;
    }
    for round in 0..options.rounds() {
        eprintln!("round {} of {}", round + 1, options.rounds());
        let small = |kind: Kind| Some(kind.template().to_owned());
        run_round(bench, small, &loads, (round, options.window()));
    }
}

/// Starts every proxy that has a configuration for it, and gives each load to one after another.
pub(crate) fn run_round(
    bench: &mut Bench,
    template: impl Fn(Kind) -> Option<String>,
    loads: &[&Load],
    (round, window): Window,
) {
    let mut started = Vec::new();
    for proxy in &bench.proxies {
        let Some(template) = template(proxy.kind) else {
            continue;
        };
        let plan = StartPlan {
            template: &template,
            ..StartPlan::small(proxy, 1)
        };
        match Running::start(&bench.site, &plan) {
            Ok(running) => started.push((proxy.kind, running)),
            Err(error) => bench.samples.note(error),
        }
    }
    if let Some(first) = (round as usize).checked_rem(started.len()) {
        started.rotate_left(first);
    }
    for load in loads {
        for (kind, running) in &started {
            if matches!(load.way, Way::Http2 { .. }) && !kind.speaks_http2() {
                continue;
            }
            if let Err(error) = measure(&mut bench.samples, *kind, running, load, (round, window)) {
                let key = load.metrics.per_cpu_second.key;
                Bench::note(&mut bench.samples, *kind, key, error);
            }
        }
    }
}

/// Sends one load to one proxy.
///
/// # Errors
/// In plain words, when the proxy fails or answers wrongly.
pub(crate) fn measure(
    samples: &mut Samples,
    kind: Kind,
    running: &Running,
    load: &Load,
    (round, window): Window,
) -> Result<(), String> {
    let plan = LoadPlan {
        target: running.address,
        connections: load.connections,
        way: load.way,
        tls: running.tls.clone(),
        script: (load.script)(),
        rate: load.rate,
        limit: None,
    };
    let under_way = RunningLoad::start(plan).map_err(|error| error.to_string())?;
    thread::sleep(WARM_UP);
    let before = (running.cpu_seconds(), under_way.completed());
    under_way.record(true);
    let start = Instant::now();
    thread::sleep(window);
    let after = (running.cpu_seconds(), under_way.completed());
    let elapsed = start.elapsed();
    under_way.record(false);
    let summary = under_way.stop().map_err(|error| error.to_string())?;
    if let Some(failure) = summary.failures.first() {
        return Err(format!("wrong answers, window not counted: {failure}"));
    }
    let (Ok(cpu_before), Ok(cpu_after)) = (before.0, after.0) else {
        return Err("it ended under load".into());
    };
    let requests = after.1 - before.1;
    let cpu = cpu_after - cpu_before;
    if requests == 0 || cpu <= 0.0 {
        return Err("too little happened in the window".into());
    }
    let per_cpu_second = requests as f64 / cpu;
    eprintln!(
        "  {:<8} {:<24} {per_cpu_second:>8.1} ({:.0} requests/s, core {:.0}% busy)",
        kind.name(),
        load.metrics.per_cpu_second.key,
        requests as f64 / elapsed.as_secs_f64(),
        100.0 * cpu / elapsed.as_secs_f64(),
    );
    samples.add(load.metrics.per_cpu_second, kind, round, per_cpu_second);
    let mut latencies = summary.latencies_us;
    latencies.sort_unstable();
    for (metric, percent) in [(load.metrics.p50, 50), (load.metrics.p99, 99)] {
        if let Some(value) = percentile(&latencies, percent) {
            samples.add(metric, kind, round, value.into());
        }
    }
    Ok(())
}
