//! A body that waits for its share of the bucket.
//!
//! What there is goes as soon as all that is there to read has been read; what is left tries again after each interval.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::services::{LocalFuture, WorkerServices};

use super::config::Limit;
use super::stats::{BandwidthLimitStats, OfDirection};
use crate::level_stats::Counted;

/// Which direction's counters a limiter has.
pub(super) type Direction = fn(&BandwidthLimitStats) -> OfDirection<'_>;

pub(super) struct Limiter {
    stats: Rc<Counted<BandwidthLimitStats>>,
    direction: Direction,
    waiting: Buffer,
    interval: Option<LocalFuture<()>>,
    /// Whether the body ends behind what waits.
    is_complete: bool,
    /// When the first byte came; none before and once the last one has gone.
    begun: Option<Instant>,
    /// How long the bytes were under way in all.
    pub(super) took: Duration,
    /// How long they had to wait for their share.
    pub(super) delayed: Duration,
}

/// What a body lets go.
pub(super) struct Portion {
    pub(super) data: Buffer,
    /// Whether it was all that waited.
    pub(super) is_all: bool,
    /// Whether the body ends with it.
    pub(super) is_last: bool,
}

impl Limiter {
    pub(super) fn new(stats: Rc<Counted<BandwidthLimitStats>>, direction: Direction) -> Self {
        Limiter {
            stats,
            direction,
            waiting: Buffer::new(),
            interval: None,
            is_complete: false,
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
        self.waiting.append(std::mem::take(data));
        self.is_complete = end_stream;
    }

    /// Whether bytes wait.
    pub(super) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next portion, when its time has come.
    pub(super) fn poll(
        &mut self,
        limit: &Limit,
        services: &dyn WorkerServices,
        cx: &mut Context<'_>,
    ) -> Poll<Portion> {
        if let Some(interval) = &mut self.interval {
            ready!(interval.as_mut().poll(cx));
            self.interval = None;
        }
        let wanted = bytes(self.waiting.len());
        let allowed = limit.bytes.take_up_to(wanted, services.now());
        let data = self.let_go(allowed);
        self.stats().allowed_size.set(allowed);
        self.stats().allowed_total_size.add(allowed);
        let is_all = self.waiting.is_empty();
        if !is_all {
            self.stats().enforced.inc();
            self.delayed += limit.fill_interval;
            self.interval = Some(services.sleep(limit.fill_interval));
        }
        Poll::Ready(Portion {
            data,
            is_all,
            is_last: is_all && self.is_complete,
        })
    }

    fn let_go(&mut self, count: u64) -> Buffer {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count >= self.waiting.len() {
            return std::mem::take(&mut self.waiting);
        }
        let mut portion = Buffer::new();
        if let Some(first) = self.waiting.readable().get(..count) {
            portion.extend(first);
        }
        self.waiting.advance(count);
        portion
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
