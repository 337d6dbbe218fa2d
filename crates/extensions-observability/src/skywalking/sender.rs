//! The stream of segments: begun with the first request, and again 5 s after it has ended. Segments that come meanwhile wait, the
//! oldest are dropped for the newest.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_contract::stat_group;
use nuncio_service_messages::skywalking::COLLECT;

use super::config::Settings;

/// How long a stream that ended is not begun again.
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes that may wait to be sent.
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
    cached: VecDeque<Vec<u8>>,
    /// A task looks after the stream.
    is_kept: bool,
    /// Of that task.
    waker: Option<Waker>,
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
                state.cached.push_back(segment);
                if state.cached.len() > self.settings.max_cached {
                    state.cached.pop_front();
                    self.stats.segments_dropped.inc();
                }
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
        if !state.cached.is_empty() {
            self.stats.cache_flushed.inc();
        }
        for segment in state.cached.drain(..) {
            stream.send(&segment);
            self.stats.segments_sent.inc();
            self.stats.segments_flushed.inc();
        }
        state.stream = Some(stream);
    }

    /// Ready once there is no stream.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        while let Some(stream) = &mut state.stream {
            match stream.poll_next(cx) {
                Poll::Ready(GrpcEvent::End(_)) => state.stream = None,
                Poll::Ready(GrpcEvent::Head(_) | GrpcEvent::Message(_)) => {}
                Poll::Pending => {
                    state.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
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
