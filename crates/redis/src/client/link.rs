//! The life of a connection to a host: commands out, answers in, one after another.
//!
//! As in Envoy: the cluster's time to connect counts first, `op_timeout` from the first command that is not answered,
//! anew with each answer; a connection that ends fails all its commands; one to a host that the cluster has no more ends
//! once all its commands are answered, unless it is a transaction's.
//!
//! Different from Envoy: the same holds where the whole cluster is replaced, while Envoy fails the commands then.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::resp::{Decoder, Limits, Value};
use nuncio_contract::buffer::Buffer;
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::{EndedBy, OwnConnection, UpstreamError, UpstreamErrorKind};

use super::{Request, Shared};

const OPERATION: usize = 0;
const FLUSH: usize = 1;

/// What a host may answer.
const LIMITS: Limits = Limits {
    max_value_bytes: 512 << 20,
    max_elements: 1 << 24,
    // As in Envoy, whatever a host means by it.
    allows_lines: true,
};

/// Runs a connection to its end.
pub(super) async fn run(shared: Rc<Shared>) {
    match connect(&shared).await {
        Some(Ok(connection)) => serve(&shared, connection).await,
        Some(Err(error)) => shared.host.report(match error.kind {
            UpstreamErrorKind::ConnectionTimeout => Outcome::TimedOut(504),
            _ => Outcome::Failed,
        }),
        None => {}
    }
    shared.is_closed.set(true);
    let rest = shared.incoming.take();
    rest.into_iter()
        .for_each(|request| shared.answer(request, None));
}

/// Connects; none if it is not wanted any more.
async fn connect(shared: &Shared) -> Option<Result<OwnConnection, UpstreamError>> {
    let mut opening = pin!(shared.host.open_own());
    poll_fn(|cx| {
        if shared.is_left.get() {
            return Poll::Ready(None);
        }
        shared.waker.set(Some(cx.waker().clone()));
        opening.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn serve(shared: &Shared, connection: OwnConnection) {
    let mut link = Link {
        shared,
        connection,
        decoder: Decoder::new(LIMITS),
        input: Buffer::new(),
        out: Vec::new(),
        sent: 0,
        is_flushing: false,
        asked: VecDeque::new(),
        deadlines: Deadlines::default(),
    };
    let mut left = pin!(shared.host.left());
    let by = poll_fn(|cx| {
        let stays = shared.is_alone || shared.is_leaving.get();
        if !stays && left.as_mut().poll(cx).is_ready() {
            shared.is_leaving.set(true);
        }
        link.poll(cx)
    })
    .await;
    let Link {
        connection, asked, ..
    } = link;
    let has_requests = !asked.is_empty() || !shared.incoming.borrow().is_empty();
    if by == EndedBy::Host && has_requests {
        shared.host.report(Outcome::Failed);
    }
    shared.is_closed.set(true);
    connection.close(by, has_requests);
    asked
        .into_iter()
        .for_each(|request| shared.answer(request, None));
}

struct Link<'s> {
    shared: &'s Shared,
    connection: OwnConnection,
    decoder: Decoder,
    input: Buffer,
    /// What is to be sent, and how much of it has gone.
    out: Vec<u8>,
    sent: usize,
    is_flushing: bool,
    /// Commands that are not answered.
    asked: VecDeque<Request>,
    deadlines: Deadlines<2>,
}

impl Link<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndedBy> {
        loop {
            if self.shared.is_left.get() {
                return Poll::Ready(EndedBy::Us);
            }
            self.shared.waker.set(Some(cx.waker().clone()));
            self.take_requests();
            if self.poll_expired(cx).is_ready() {
                return Poll::Ready(EndedBy::Us);
            }
            if self.poll_send(cx).is_err() {
                return Poll::Ready(EndedBy::Host);
            }
            // As in Envoy what was sent is answered before.
            if self.shared.is_leaving.get() && self.asked.is_empty() {
                return Poll::Ready(EndedBy::Us);
            }
            let most = Buffer::BODY_BYTES;
            match self.connection.poll_read(cx, &mut self.input, most) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {
                    if !self.take_answers() {
                        return Poll::Ready(EndedBy::Us);
                    }
                }
                Poll::Ready(_) => return Poll::Ready(EndedBy::Host),
            }
        }
    }

    fn take_requests(&mut self) {
        let settings = &self.shared.config.settings;
        let now = self.shared.services.now();
        let mut incoming = self.shared.incoming.borrow_mut();
        while let Some(mut request) = incoming.pop_front() {
            if self.asked.is_empty() {
                self.deadlines.set(OPERATION, now + settings.op_timeout);
            }
            let was_empty = self.out.is_empty();
            self.out.append(&mut request.bytes);
            self.asked.push_back(request);
            if self.out.len() >= settings.flush_bytes {
                self.is_flushing = true;
            } else if was_empty {
                self.deadlines.set(FLUSH, now + settings.flush_timeout);
            }
        }
    }

    /// Ready if the host takes too long.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let services = &*self.shared.services;
        loop {
            match std::task::ready!(self.deadlines.poll_expired(cx, services)) {
                FLUSH => self.is_flushing = true,
                _ => {
                    let traffic = self.shared.cluster.traffic_stats();
                    traffic.upstream_rq_timeout.inc();
                    self.shared.host.counters().rq_timeout.inc();
                    self.shared.host.report(Outcome::TimedOut(504));
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Sends what is due.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        while self.is_flushing {
            let rest = self.out.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                self.out.clear();
                self.sent = 0;
                self.is_flushing = false;
                self.deadlines.clear(FLUSH);
                break;
            }
            match self.connection.poll_write(cx, rest) {
                Poll::Ready(Ok(count @ 1..)) => self.sent += count,
                Poll::Ready(_) => return Err(()),
                Poll::Pending => return Ok(()),
            }
        }
        match self.connection.poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(()),
            _ => Ok(()),
        }
    }

    /// Hands out what has come; false if it cannot be read.
    fn take_answers(&mut self) -> bool {
        self.decoder.push(self.input.readable());
        self.input.clear();
        loop {
            let value = match self.decoder.next_value() {
                Err(_) => {
                    let traffic = self.shared.cluster.traffic_stats();
                    traffic.upstream_cx_protocol_error.inc();
                    self.shared.host.counters().rq_error.inc();
                    self.shared.host.report(Outcome::Answered(500));
                    return false;
                }
                // Nobody has asked for it.
                Ok(Some(Value::Push)) => continue,
                Ok(Some(value)) => value,
                Ok(None) => return true,
            };
            // Nobody has asked for more.
            let Some(request) = self.asked.pop_front() else {
                continue;
            };
            self.shared.answer(request, Some(value));
            self.shared.host.report(Outcome::Answered(200));
            match self.asked.is_empty() {
                true => self.deadlines.clear(OPERATION),
                false => {
                    let settings = &self.shared.config.settings;
                    let at = self.shared.services.now() + settings.op_timeout;
                    self.deadlines.set(OPERATION, at);
                }
            }
        }
    }
}
