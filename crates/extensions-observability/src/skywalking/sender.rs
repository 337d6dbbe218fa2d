//! The stream of segments: begun with the first request, and again 5 s after it has ended. Segments that come meanwhile
//! wait, as many as `max_cache_size` says (1024 by default) and 16 MiB at most; the oldest are dropped for the newest.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::GrpcStream;
use nuncio_contract::stat_group;
use nuncio_service_messages::skywalking::COLLECT;

use super::config::Settings;
use crate::kept_stream::poll_over;

/// How long a stream that ended is not begun again.
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes that may wait to be sent, with a stream and without.
const MAX_UNSENT_BYTES: usize = 16 << 20;

stat_group! {
    /// What became of segments.
    pub struct SkyWalkingStats("tracing.skywalking.") {
        counters {
            cache_flushed,
            segments_dropped,
            segments_flushed,
            segments_sent,
        }
    }
}

/// Where segments go.
pub(super) struct Sender {
    settings: Arc<Settings>,
    stats: Arc<SkyWalkingStats>,
    state: RefCell<State>,
    me: Weak<Sender>,
}

#[derive(Default)]
struct State {
    stream: Option<GrpcStream>,
    cached: Cache,
    /// A task looks after the stream.
    is_kept: bool,
    /// Of that task.
    waker: Option<Waker>,
}

/// Segments that wait for a stream.
#[derive(Default)]
struct Cache {
    segments: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Cache {
    /// Keeps a segment, and says how many of the oldest are dropped for it: it too if it is too large by itself.
    fn keep(&mut self, segment: Vec<u8>, most: usize, most_bytes: usize) -> u64 {
        self.bytes = self.bytes.saturating_add(segment.len());
        self.segments.push_back(segment);
        let mut dropped = 0;
        while self.segments.len() > most || self.bytes > most_bytes {
            let Some(oldest) = self.segments.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.len());
            dropped += 1;
        }
        dropped
    }

    fn take(&mut self) -> VecDeque<Vec<u8>> {
        std::mem::take(self).segments
    }
}

impl Sender {
    /// No stream yet.
    pub(super) fn new(settings: &Arc<Settings>, stats: Arc<SkyWalkingStats>) -> Rc<Self> {
        Rc::new_cyclic(|me| Sender {
            settings: Arc::clone(settings),
            stats,
            state: RefCell::default(),
            me: Weak::clone(me),
        })
    }

    /// Has a stream begin, unless that was done, before there is anything to tell: so what is told while the collector is
    /// away waits, and is not lost with a stream that never was.
    pub(super) fn begin(&self, calls: &Calls) {
        if !std::mem::replace(&mut self.state.borrow_mut().is_kept, true) {
            self.open(calls);
            let (me, all) = (Weak::clone(&self.me), Rc::clone(calls));
            calls.spawn(Box::pin(keep(me, all)));
        }
    }

    /// Takes a segment.
    pub(super) fn take(&self, segment: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        match &mut state.stream {
            Some(stream) if stream.unsent_bytes() > MAX_UNSENT_BYTES => {
                self.stats.segments_dropped.inc();
            }
            Some(stream) => {
                stream.send(&segment);
                self.stats.segments_sent.inc();
            }
            None => {
                let most = self.settings.max_cached;
                let dropped = state.cached.keep(segment, most, MAX_UNSENT_BYTES);
                self.stats.segments_dropped.add(dropped);
            }
        }
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Begins a stream if there can be one, and sends what has waited for it.
    fn open(&self, calls: &Calls) {
        let Ok(mut stream) = self.settings.target.stream(&**calls, COLLECT, None) else {
            return;
        };
        let mut state = self.state.borrow_mut();
        let cached = state.cached.take();
        if !cached.is_empty() {
            self.stats.cache_flushed.inc();
        }
        for segment in cached {
            stream.send(&segment);
            self.stats.segments_sent.inc();
            self.stats.segments_flushed.inc();
        }
        state.stream = Some(stream);
    }

    /// Ready once there is no stream.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        poll_over(&mut state.stream, &mut state.waker, cx)
    }
}

/// Has a stream begin again whenever one has ended, as long as the tracer is there.
async fn keep(sender: Weak<Sender>, calls: Calls) {
    loop {
        poll_fn(|cx| match sender.upgrade() {
            Some(sender) => sender.poll(cx),
            None => Poll::Ready(()),
        })
        .await;
        if sender.strong_count() == 0 {
            return;
        }
        calls.sleep(PAUSE).await;
        let Some(sender) = sender.upgrade() else {
            return;
        };
        sender.open(&calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_dropped_for_the_newest_by_count_and_by_bytes() {
        let mut cache = Cache::default();
        let kept = |cache: &Cache| cache.segments.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(cache.keep(vec![0; 4], 2, 10), 0);
        assert_eq!(cache.keep(vec![0; 5], 2, 10), 0);
        assert_eq!(cache.keep(vec![0; 1], 2, 10), 1);
        assert_eq!(kept(&cache), [5, 1]);
        assert_eq!(cache.keep(vec![0; 10], 2, 10), 2);
        assert_eq!(kept(&cache), [10]);
        assert_eq!(cache.keep(vec![0; 11], 2, 10), 2);
        assert_eq!(cache.keep(vec![0; 3], 2, 10), 0);
        assert_eq!(cache.take().len(), 1);
        assert_eq!(cache.keep(vec![0; 10], 2, 10), 0);
    }
}
