//! A body that waits for its share of a bucket, in portions at intervals.
//!
//! What there is goes as soon as all that is there to read has been read; what is left tries again after each interval.
//! Limit: what waits is bounded by the buffer limit of the stream, which holds back the peer.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{Late, Then};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::token_bucket::TokenBucket;

/// The time between two portions, where nothing else is said.
pub(crate) const DEFAULT_FILL_INTERVAL: Duration = Duration::from_millis(50);

/// What waits of a body.
#[derive(Default)]
pub(crate) struct Pacing {
    waiting: Buffer,
    interval: Option<LocalFuture<()>>,
    /// Whether the body ends behind what waits.
    is_complete: bool,
}

/// What a body lets go.
pub(crate) struct Portion {
    pub(crate) data: Buffer,
    /// How many bytes the bucket gave for it.
    pub(crate) allowed: u64,
    /// Whether it was all that waited.
    pub(crate) is_all: bool,
    /// Whether the body ends with it.
    pub(crate) is_last: bool,
}

impl Pacing {
    /// Takes a chunk.
    pub(crate) fn take(&mut self, data: &mut Buffer, end_stream: bool) {
        self.waiting.append(std::mem::take(data));
        self.is_complete = end_stream;
    }

    /// Whether bytes wait.
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next portion, when its time has come.
    pub(crate) fn poll(
        &mut self,
        bucket: &TokenBucket,
        fill_interval: Duration,
        services: &dyn WorkerServices,
        cx: &mut Context<'_>,
    ) -> Poll<Portion> {
        if let Some(interval) = &mut self.interval {
            ready!(interval.as_mut().poll(cx));
            self.interval = None;
        }
        let wanted = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        let allowed = bucket.take_up_to(wanted, services.now());
        let data = self.let_go(allowed);
        let is_all = self.waiting.is_empty();
        if !is_all {
            self.interval = Some(services.sleep(fill_interval));
        }
        Poll::Ready(Portion {
            data,
            allowed,
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
}

/// The portion as a filter gives it back, with trailers behind the last one.
pub(crate) fn late(portion: Portion, trailers: Option<Box<HeaderMap>>) -> Late {
    Late {
        taken_bytes: portion.data.len(),
        data: portion.data,
        then: match (portion.is_all, portion.is_last, trailers) {
            (_, true, Some(trailers)) => Then::Trailers(trailers),
            (_, true, None) => Then::End,
            (true, false, _) => Then::Nothing,
            (false, false, _) => Then::More,
        },
    }
}
