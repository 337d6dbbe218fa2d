//! The latencies of a window, in bins of two decimal digits, as Envoy's histograms have them.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often latencies occurred, by the least one of each bin in microseconds.
#[derive(Default)]
pub(super) struct Latencies {
    bins: BTreeMap<u64, u64>,
    count: u64,
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let step = step(micros).max(1);
        *self.bins.entry(micros / step * step).or_default() += 1;
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The latency that this share of all is not above; the window begins anew.
    pub(super) fn take(&mut self, share: f64) -> Duration {
        let rank = (self.count as f64 * share).ceil().max(1.0);
        let mut before = 0.0;
        let mut quantile = 0.0;
        for (least, count) in std::mem::take(self).bins {
            let count = count as f64;
            if rank <= before + count {
                let width = if least < 10 { 0.1 } else { step(least) as f64 };
                quantile = least as f64 + width * (rank - before) / (count + 1.0);
                break;
            }
            before += count;
        }
        Duration::from_micros(quantile as u64)
    }
}

/// The unit of the second digit; 0 below 10, whose bins are finer than numbers.
fn step(micros: u64) -> u64 {
    match micros.checked_ilog10() {
        None | Some(0) => 0,
        Some(digits) => 10_u64.pow(digits - 1),
    }
}
