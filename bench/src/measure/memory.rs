//! Memory at rest and memory of an idle connection.
//!
//! At rest: after /ready and half a second more, no request served. An idle connection: RSS
//! after N connections have each carried one request, one after another, less RSS after the
//! first one, over the rest; buffers that a proxy allocates once count against it, spread over N.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Bench, mib};
use crate::load::{count_closed, open_idle_connections};
use crate::running::{Running, StartPlan};
use crate::samples::{CONNECTION_KIB, IDLE_PSS, IDLE_RSS};

const SETTLE: Duration = Duration::from_millis(500);
const WORKERS: [u32; 2] = [1, 2];

/// Memory of each proxy at rest, with one and two workers.
pub(crate) fn at_rest(bench: &mut Bench, starts: u32) {
    eprintln!("memory at rest");
    for round in 0..starts {
        for proxy in &bench.proxies {
            for (index, workers) in WORKERS.into_iter().enumerate() {
                let running = Running::start(&bench.site, &StartPlan::small(proxy, workers));
                thread::sleep(SETTLE);
                let memory =
                    running.and_then(|running| running.memory().map_err(|error| error.to_string()));
                match memory {
                    Ok(memory) => {
                        let (rss, pss) = (IDLE_RSS[index], IDLE_PSS[index]);
                        bench
                            .samples
                            .add(rss, proxy.kind, round, mib(memory.rss_bytes));
                        bench
                            .samples
                            .add(pss, proxy.kind, round, mib(memory.pss_bytes));
                    }
                    Err(error) => Bench::note(&mut bench.samples, proxy.kind, "at rest", error),
                }
            }
        }
    }
}

/// Memory of an idle connection of each proxy.
pub(crate) fn idle_connection(bench: &mut Bench, count: u32, starts: u32) {
    eprintln!("memory of {count} idle connections");
    for round in 0..starts {
        for proxy in &bench.proxies {
            let growth = Running::start(&bench.site, &StartPlan::small(proxy, 1))
                .and_then(|running| growth(&running, count).map_err(|error| error.to_string()));
            match growth {
                Ok(bytes) => {
                    bench
                        .samples
                        .add(CONNECTION_KIB, proxy.kind, round, bytes / 1024.0);
                }
                Err(error) => Bench::note(&mut bench.samples, proxy.kind, "connections", error),
            }
        }
    }
}

/// Bytes a connection.
fn growth(running: &Running, count: u32) -> io::Result<f64> {
    let first = open_idle_connections(running.address, 1)?;
    thread::sleep(SETTLE);
    let before = running.memory()?.rss_bytes;
    let rest = open_idle_connections(running.address, count)?;
    thread::sleep(SETTLE);
    let after = running.memory()?.rss_bytes;
    let closed = count_closed(&first) + count_closed(&rest);
    if closed > 0 {
        return Err(io::Error::other(format!(
            "the proxy closed {closed} of them"
        )));
    }
    Ok((after as f64 - before as f64) / f64::from(count))
}
