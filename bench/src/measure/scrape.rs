//! Prometheus' exposition of 10,000 static clusters: how long it takes, what /ready answers meanwhile, and how much
//! memory it takes.
//!
//! Only for the proxies that read Envoy's configuration. `/ready` is asked on a connection of its own every 2 ms; its
//! slowest answer counts, that of a neighbour on a shared machine too.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Bench, clusters, mib};
use crate::running::{Running, StartPlan};
use crate::samples::{SCRAPE_READY_MS, SCRAPE_RSS, SCRAPE_S};

/// Scrapes of each start; the first is not counted.
const SCRAPES: u32 = 4;
const READY_INTERVAL: Duration = Duration::from_millis(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Less is no exposition of so many clusters.
const LEAST_BYTES: usize = 50 << 20;

/// One scrape.
struct Scrape {
    took: Duration,
    slowest_ready: Duration,
    /// Beyond what was there before.
    most_rss_bytes: u64,
}

/// Starts each proxy `starts` times.
pub(crate) fn run(bench: &mut Bench, starts: u32) {
    eprintln!("/stats/prometheus of 10,000 clusters");
    let template = clusters::template();
    for start in 0..starts {
        for proxy in bench
            .proxies
            .iter()
            .filter(|proxy| proxy.kind.reads_bootstrap())
        {
            let plan = StartPlan {
                template: &template,
                limit: clusters::LIMIT,
                ..StartPlan::small(proxy, 1)
            };
            let outcome = Running::start(&bench.site, &plan).and_then(|running| {
                let scrapes = (0..SCRAPES).map(|_| scrape(&running));
                let scrapes: io::Result<Vec<_>> = scrapes.collect();
                scrapes.map_err(|error| error.to_string())
            });
            let samples = &mut bench.samples;
            let scrapes = match outcome {
                Ok(scrapes) => scrapes,
                Err(error) => {
                    Bench::note(samples, proxy.kind, "/stats/prometheus", error);
                    continue;
                }
            };
            for (number, scrape) in (0u32..).zip(scrapes).skip(1) {
                let round = start * SCRAPES + number;
                let ready_ms = 1000.0 * scrape.slowest_ready.as_secs_f64();
                samples.add(SCRAPE_S, proxy.kind, round, scrape.took.as_secs_f64());
                samples.add(SCRAPE_READY_MS, proxy.kind, round, ready_ms);
                samples.add(SCRAPE_RSS, proxy.kind, round, mib(scrape.most_rss_bytes));
            }
        }
    }
}

fn scrape(running: &Running) -> io::Result<Scrape> {
    let before = running.resident_bytes()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        let ready = threads.spawn(|| ask_ready(running.admin, &is_over));
        let memory = threads.spawn(|| most_memory(running, &is_over));
        let took = exposition(running.admin);
        is_over.store(true, Ordering::Relaxed);
        let gone = |_| io::Error::other("a thread of the bench panicked");
        let slowest_ready = ready.join().map_err(gone)??;
        let most = memory.join().map_err(gone)??;
        Ok(Scrape {
            took: took?,
            slowest_ready,
            most_rss_bytes: most.saturating_sub(before),
        })
    })
}

/// How long it takes to read all of it.
fn exposition(admin: SocketAddr) -> io::Result<Duration> {
    let began = Instant::now();
    let mut stream = connect(admin)?;
    stream.write_all(
        b"GET /stats/prometheus HTTP/1.1\r\nhost: bench.test\r\nconnection: close\r\n\r\n",
    )?;
    let mut buffer = vec![0; 1 << 20];
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => bytes += count,
        }
    }
    if !start.ends_with(b" 200") || bytes < LEAST_BYTES {
        let text = format!("{bytes} bytes are no exposition of 10,000 clusters");
        return Err(io::Error::other(text));
    }
    Ok(began.elapsed())
}

/// The slowest answer until it is over.
fn ask_ready(admin: SocketAddr, is_over: &AtomicBool) -> io::Result<Duration> {
    let mut stream = connect(admin)?;
    let mut buffer = vec![0; 4096];
    let mut slowest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: bench.test\r\n\r\n")?;
        if stream.read(&mut buffer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        slowest = slowest.max(asked.elapsed());
        thread::sleep(READY_INTERVAL);
    }
    Ok(slowest)
}

/// The most resident memory until it is over.
fn most_memory(running: &Running, is_over: &AtomicBool) -> io::Result<u64> {
    let mut most = 0;
    loop {
        most = most.max(running.resident_bytes()?);
        if is_over.load(Ordering::Relaxed) {
            return Ok(most);
        }
        thread::sleep(10 * READY_INTERVAL);
    }
}

fn connect(admin: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(admin)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}
