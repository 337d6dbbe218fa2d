//! A processor that only looks on: parts of the stream are told and go on at once, and whatever it says does not count.
//!
//! Its stream is driven by a task of its own, and ends once all is sent and the processor has ended it, or a time after
//! the stream that it is for. Envoy keeps what a slow processor does not read without limit; here it sees no more of
//! the stream once [`MAX_UNSENT_BYTES`] wait for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcEvent, GrpcStream};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::stream_info::Protocol;
use nuncio_service_messages::Message;
use nuncio_service_messages::ext_proc::{Part, ProcessingRequest};

use super::filter::Filter;
use super::modes::BodyMode;
use super::session::{Session, linger};
use super::side::Way;
use super::told;

/// Bytes that wait for the processor at most.
const MAX_UNSENT_BYTES: usize = 1 << 20;

/// The way to the task.
pub(super) struct Observer(Rc<RefCell<Queue>>);

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    is_finished: bool,
    waker: Option<Waker>,
}

impl Observer {
    fn begin(stream: GrpcStream, calls: &Calls, patience: std::time::Duration) -> Self {
        let queue = Rc::<RefCell<Queue>>::default();
        let task = drive(stream, Rc::clone(&queue), Rc::clone(calls), patience);
        calls.spawn(Box::pin(task));
        Observer(queue)
    }

    fn send(&self, message: &ProcessingRequest) {
        let bytes = message.encode_to_vec();
        let queue = &mut *self.0.borrow_mut();
        queue.bytes = queue.bytes.saturating_add(bytes.len());
        if queue.bytes > MAX_UNSENT_BYTES {
            queue.is_finished = true;
        }
        if !queue.is_finished {
            queue.messages.push_back(bytes);
        }
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    /// Nothing more is told.
    pub(super) fn finish(self) {
        let queue = &mut *self.0.borrow_mut();
        queue.is_finished = true;
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

async fn drive(
    mut stream: GrpcStream,
    queue: Rc<RefCell<Queue>>,
    calls: Calls,
    patience: std::time::Duration,
) {
    let is_open = poll_fn(|cx| {
        loop {
            {
                let mut queue = queue.borrow_mut();
                for message in std::mem::take(&mut queue.messages) {
                    stream.send(&message);
                }
            }
            if let Poll::Ready(event) = stream.poll_next(cx) {
                match event {
                    GrpcEvent::End(_) => return Poll::Ready(false),
                    _ => continue,
                }
            }
            let mut queue = queue.borrow_mut();
            queue.bytes = stream.unsent_bytes();
            if queue.is_finished {
                return Poll::Ready(true);
            }
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
    })
    .await;
    if is_open {
        linger(stream, &calls, patience);
    }
}

impl Filter {
    pub(super) fn observe_head(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        head: Option<&HeaderMap>,
        end_stream: bool,
    ) {
        if self.side(way).modes.head {
            let headers = head.unwrap_or(&*context.request_headers);
            let part = told::head(way, headers, &self.worker.settings.headers, end_stream);
            self.observe(way, part, context, head);
        } else if self.observer.is_none() && self.side(way).modes.body == BodyMode::Streamed {
            self.begin_observing(context);
        }
    }

    pub(super) fn observe_data(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        data: &Buffer,
        end_stream: bool,
    ) {
        if self.side(way).is_over || self.side(way).modes.body != BodyMode::Streamed {
            return;
        }
        let protocol = match way {
            Way::Request => context.stream_info.protocol,
            Way::Response => context.stream_info.upstream.protocol,
        };
        // As Envoy's codec of HTTP/1 tells the end of a body by itself.
        let is_http1 = matches!(protocol, Some(Protocol::Http10 | Protocol::Http11));
        let is_apart = end_stream && is_http1 && !data.is_empty();
        let part = told::body(way, data.readable(), end_stream && !is_apart);
        self.observe(way, part, context, None);
        if is_apart {
            self.observe(way, told::body(way, &[], true), context, None);
        }
    }

    pub(super) fn observe_trailers(
        &mut self,
        way: Way,
        context: &FilterContext<'_>,
        trailers: &HeaderMap,
    ) {
        if self.side(way).modes.trailers && !self.side(way).is_over {
            let list = told::headers(trailers, &self.worker.settings.headers);
            self.observe(way, told::trailers(way, list), context, None);
        }
    }

    fn begin_observing(&mut self, context: &FilterContext<'_>) {
        let Some(patience) = self.worker.settings.observes else {
            return;
        };
        match self.open(context) {
            Ok(Session::Open(stream, calls)) => {
                self.observer = Some(Observer::begin(*stream, &calls, patience));
            }
            Ok(_) | Err(_) => {
                self.request.is_over = true;
                self.response.is_over = true;
            }
        }
    }

    fn observe(
        &mut self,
        way: Way,
        part: Part,
        context: &FilterContext<'_>,
        response: Option<&HeaderMap>,
    ) {
        if self.observer.is_none() {
            self.begin_observing(context);
        }
        if let Some(observer) = &self.observer {
            let message = self.message(way, part, context, response);
            observer.send(&message);
            self.worker.stats.cells.stream_msgs_sent.inc();
        }
    }
}
