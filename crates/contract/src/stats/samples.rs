//! Each value that histograms record, for sinks that want values one by one (timers of statsd).
//!
//! Only a store that was told so keeps them: a histogram then has a queue of the store to put its values into,
//! and finds it where it would otherwise find its first bins, so that counting costs nothing more without
//! such a sink. Limit: 65,536 values wait for the sink; those beyond are counted and lost.

use std::sync::{Arc, Mutex, PoisonError};

use super::histogram::Unit;

/// Values that may wait.
const MAX_WAITING: usize = 65_536;

/// A value that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The histogram's full name.
    pub name: Arc<str>,
    /// What it measures.
    pub unit: Unit,
    /// The value, in that unit.
    pub value: u64,
}

/// The values of all threads, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct SampleQueue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    samples: Vec<Sample>,
    lost: u64,
}

impl SampleQueue {
    pub(super) fn push(&self, sample: Sample) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.samples.len() < MAX_WAITING {
            waiting.samples.push(sample);
        } else {
            waiting.lost += 1;
        }
    }

    /// All that wait, and how many were lost since the last time.
    pub(super) fn take(&self) -> (Vec<Sample>, u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { samples, lost } = std::mem::take(&mut *waiting);
        (samples, lost)
    }
}

/// Where one histogram's values go.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    pub(super) queue: Arc<SampleQueue>,
    pub(super) name: Arc<str>,
    pub(super) unit: Unit,
}

impl Teller {
    pub(super) fn tell(&self, value: u64) {
        self.queue.push(Sample {
            name: self.name.clone(),
            unit: self.unit,
            value,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::stats::groups::ClusterTrafficStats;
    use crate::stats::{StatsStore, Unit};

    #[test]
    fn values_are_told_one_by_one_and_counted_all_the_same() {
        let store = StatsStore::default();
        store.keep_samples();
        let scope = store.scope("cluster.a");
        let cells = scope.worker_group::<ClusterTrafficStats>();
        cells.upstream_cx_length_ms.record(1234);
        scope.histogram("own", Unit::Percent).record(5);
        let (samples, lost) = store.take_samples();
        let told: Vec<_> = samples
            .iter()
            .map(|sample| (&*sample.name, sample.unit, sample.value))
            .collect();
        let expected = [
            ("cluster.a.upstream_cx_length_ms", Unit::Milliseconds, 1234),
            ("cluster.a.own", Unit::Percent, 5),
        ];
        assert_eq!((told.as_slice(), lost), (expected.as_slice(), 0));
        assert_eq!(store.take_samples().0, []);
        store.flush();
        let mut counted = 0;
        scope.for_each(&mut |stat| {
            if let crate::stats::StatValue::Histogram {
                merged: Some(merged),
                ..
            } = stat.value
            {
                counted += merged.cumulative.sample_count();
            }
        });
        assert_eq!(counted, 2);
    }

    #[test]
    fn what_nobody_takes_is_lost_beyond_a_limit() {
        let store = StatsStore::default();
        store.keep_samples();
        let histogram = store.root().histogram("h", Unit::Bytes);
        (0..super::MAX_WAITING as u64 + 3).for_each(|value| histogram.record(value));
        let (samples, lost) = store.take_samples();
        assert_eq!((samples.len(), lost), (super::MAX_WAITING, 3));
    }
}
