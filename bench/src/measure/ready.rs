//! Time from starting the program to the first 200 for /ready, on the small configuration.
//!
//! It includes pinning the process, about a millisecond. /ready is asked every half millisecond;
//! HAProxy and nginx get a listener of their own that answers it.

use super::Bench;
use crate::running::{Running, StartPlan};
use crate::samples::{READY_LEAST_MS, READY_MS};

/// Starts each proxy several times.
pub(crate) fn run(bench: &mut Bench, starts: u32) {
    eprintln!("time to /ready");
    for proxy in &bench.proxies {
        let mut least_ms = f64::INFINITY;
        for round in 0..starts {
            match Running::start(&bench.site, &StartPlan::small(proxy, 1)) {
                Ok(running) => {
                    let ms = running.ready_after.as_secs_f64() * 1000.0;
                    least_ms = least_ms.min(ms);
                    bench.samples.add(READY_MS, proxy.kind, round, ms);
                }
                Err(error) => bench.samples.note(error),
            }
        }
        if least_ms.is_finite() {
            bench.samples.add(READY_LEAST_MS, proxy.kind, 0, least_ms);
        }
    }
}
