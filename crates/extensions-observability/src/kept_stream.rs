//! A stream of gRPC for messages in one direction: begun when there is something to send, begun anew after it has ended.
//!
//! What comes is passed over. Limit: nothing is taken while 16 MiB wait to be sent; it is lost.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream, GrpcTarget};

/// Bytes that may wait to be sent.
const MAX_UNSENT_BYTES: usize = 16 << 20;

/// The stream.
pub(crate) struct KeptStream {
    target: GrpcTarget,
    method: &'static str,
    state: RefCell<State>,
    me: Weak<KeptStream>,
}

#[derive(Default)]
struct State {
    stream: Option<GrpcStream>,
    /// Of the task that moves it.
    waker: Option<Waker>,
}

impl KeptStream {
    /// Not begun yet.
    pub(crate) fn new(target: GrpcTarget, method: &'static str) -> Rc<Self> {
        Rc::new_cyclic(|me| KeptStream {
            target,
            method,
            state: RefCell::default(),
            me: Weak::clone(me),
        })
    }

    /// Sends a message, made with whether it is the first of its stream.
    pub(crate) fn send(&self, calls: &Calls, message: impl FnOnce(bool) -> Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let is_first = state.stream.is_none();
        if is_first && let Ok(stream) = self.target.stream(&**calls, self.method, None) {
            state.stream = Some(stream);
            self.begin_to_move(calls);
        }
        if let Some(stream) = &mut state.stream
            && stream.unsent_bytes() <= MAX_UNSENT_BYTES
        {
            stream.send(&message(is_first));
        }
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    fn begin_to_move(&self, calls: &Calls) {
        let me = Weak::clone(&self.me);
        calls.spawn(Box::pin(poll_fn(move |cx| match me.upgrade() {
            Some(stream) => stream.poll(cx),
            None => Poll::Ready(()),
        })));
    }

    /// Ready once the stream is over.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        poll_over(&mut state.stream, &mut state.waker, cx)
    }
}

/// Moves a stream of which nothing that comes is wanted: ready once it is over, which leaves none. `waker` is told whom
/// to wake once there is more to send.
pub(crate) fn poll_over(
    stream: &mut Option<GrpcStream>,
    waker: &mut Option<Waker>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while let Some(open) = stream {
        match open.poll_next(cx) {
            Poll::Ready(GrpcEvent::End(_)) => *stream = None,
            Poll::Ready(GrpcEvent::Head(_) | GrpcEvent::Message(_)) => {}
            Poll::Pending => {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
    Poll::Ready(())
}
