//! A body that waits for its share of the bucket, with its counters.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::services::WorkerServices;

use super::config::Limit;
use super::stats::{BandwidthLimitStats, OfDirection};
use crate::level_stats::Counted;
use crate::pacing::{Pacing, Portion};

/// Which direction's counters a limiter has.
pub(super) type Direction = fn(&BandwidthLimitStats) -> OfDirection<'_>;

pub(super) struct Limiter {
    stats: Rc<Counted<BandwidthLimitStats>>,
    direction: Direction,
    pacing: Pacing,
    /// When the first byte came; none before and once the last one has gone.
    begun: Option<Instant>,
    /// How long the bytes were under way in all.
    pub(super) took: Duration,
    /// How long they had to wait for their share.
    pub(super) delayed: Duration,
}

impl Limiter {
    pub(super) fn new(stats: Rc<Counted<BandwidthLimitStats>>, direction: Direction) -> Self {
        Limiter {
            stats,
            direction,
            pacing: Pacing::default(),
            begun: None,
            took: Duration::ZERO,
            delayed: Duration::ZERO,
        }
    }

    fn stats(&self) -> OfDirection<'_> {
        (self.direction)(&self.stats.cells)
    }

    /// Takes a chunk.
    pub(super) fn take(&mut self, data: &mut Buffer, end_stream: bool, now: Instant) {
        let size = bytes(data.len());
        if self.begun.is_none() {
            self.begun = Some(now);
            self.stats().pending.inc();
        }
        // As in Envoy, where the end of a body in HTTP/1 is a chunk of its own.
        let last_size = if end_stream { 0 } else { size };
        self.stats().incoming_size.set(last_size);
        self.stats().incoming_total_size.add(size);
        self.pacing.take(data, end_stream);
    }

    /// Whether bytes wait.
    pub(super) fn has_more(&self) -> bool {
        self.pacing.has_more()
    }

    /// The next portion, when its time has come.
    pub(super) fn poll(
        &mut self,
        limit: &Limit,
        services: &dyn WorkerServices,
        cx: &mut Context<'_>,
    ) -> Poll<Portion> {
        let portion = ready!(
            self.pacing
                .poll(&limit.bytes, limit.fill_interval, services, cx)
        );
        self.stats().allowed_size.set(portion.allowed);
        self.stats().allowed_total_size.add(portion.allowed);
        if !portion.is_all {
            self.stats().enforced.inc();
            self.delayed += limit.fill_interval;
        }
        Poll::Ready(portion)
    }

    /// Notes that the last byte has gone; whether there was any body at all.
    pub(super) fn finish(&mut self, now: Instant) -> bool {
        let Some(begun) = self.begun.take() else {
            return false;
        };
        self.took = now.saturating_duration_since(begun);
        let took_ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        self.stats().transfer_duration.record(took_ms);
        self.stats().pending.dec();
        true
    }

    /// Notes that the stream is over, whatever waits.
    pub(super) fn give_up(&mut self) {
        if self.begun.take().is_some() {
            self.stats().pending.dec();
        }
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
