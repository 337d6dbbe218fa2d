//! A call as its owner holds it. What moves it is a future inside of it, polled with it; the two share what waits in
//! either direction.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_contract::calls::{CallEvent, HttpCall};

/// So much of a request is kept for another try.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// What waits in either direction.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) outgoing: RefCell<Outgoing>,
    events: RefCell<VecDeque<CallEvent>>,
    /// Whether the head of an answer was given to the owner.
    pub(super) has_begun: Cell<bool>,
    /// Why that is the proxy's own, if it is.
    pub(super) own_details: RefCell<Option<Box<str>>>,
}

/// The body of the request.
#[derive(Default)]
pub(super) struct Outgoing {
    /// From its beginning where it is kept; else what was not taken yet, behind what was taken.
    bytes: Vec<u8>,
    /// So much of that was taken, unless it is kept.
    taken_bytes: usize,
    /// Nothing comes behind it.
    pub(super) is_complete: bool,
    keeps: bool,
    /// Some of it is gone for good.
    has_gaps: bool,
}

impl Outgoing {
    /// Keeps what is sent, as long as it is not too much.
    pub(super) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// What follows the first `sent` bytes that a try has taken.
    pub(super) fn rest(&self, sent: usize) -> &[u8] {
        let from = if self.keeps { sent } else { self.taken_bytes };
        self.bytes.get(from..).unwrap_or_default()
    }

    /// A try has taken so many bytes, which makes it `sent` in all.
    pub(super) fn taken(&mut self, count: usize, sent: usize) {
        if self.keeps && self.bytes.len() <= MAX_KEPT_BYTES {
            return;
        }
        self.has_gaps |= count > 0;
        let gone = if self.keeps { sent } else { count };
        self.keeps = false;
        let taken = self.taken_bytes.saturating_add(gone).min(self.bytes.len());
        self.taken_bytes = taken;
        // Less is moved than was taken since it was done last.
        if taken >= self.bytes.len() - taken {
            self.bytes.drain(..taken);
            self.taken_bytes = 0;
        }
    }

    /// Whether another try can send all of it.
    pub(super) fn can_be_sent_again(&self) -> bool {
        !self.has_gaps
    }

    fn unsent_bytes(&self) -> usize {
        self.bytes.len() - self.taken_bytes
    }
}

impl Shared {
    /// Whether the owner has not yet taken what has come.
    pub(super) fn is_full(&self) -> bool {
        !self.events.borrow().is_empty()
    }

    /// Gives the owner something.
    pub(super) fn give(&self, event: CallEvent) {
        self.has_begun.set(true);
        self.events.borrow_mut().push_back(event);
    }
}

/// A call under way.
pub(super) struct Call {
    shared: Rc<Shared>,
    /// None once it has ended.
    moving: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Call {
    pub(super) fn new<F: Future<Output = ()> + 'static>(
        begin: impl FnOnce(Rc<Shared>) -> F,
    ) -> Self {
        let shared = Rc::<Shared>::default();
        let moving = begin(Rc::clone(&shared));
        Call {
            shared,
            moving: Some(Box::pin(moving)),
        }
    }
}

impl HttpCall for Call {
    fn send(&mut self, data: &[u8], end_stream: bool) {
        let mut outgoing = self.shared.outgoing.borrow_mut();
        if !outgoing.is_complete && self.moving.is_some() {
            outgoing.push(data);
            outgoing.is_complete = end_stream;
        }
    }

    fn unsent_bytes(&self) -> usize {
        self.shared.outgoing.borrow().unsent_bytes()
    }

    fn own_details(&self) -> Option<Box<str>> {
        self.shared.own_details.borrow().clone()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<CallEvent> {
        loop {
            let event = self.shared.events.borrow_mut().pop_front();
            if let Some(event) = event {
                return Poll::Ready(event);
            }
            let Some(moving) = &mut self.moving else {
                return Poll::Ready(CallEvent::Reset);
            };
            match moving.as_mut().poll(cx) {
                Poll::Ready(()) => self.moving = None,
                Poll::Pending if !self.shared.is_full() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_gone_and_the_rest_stays_in_order() {
        let mut outgoing = Outgoing::default();
        outgoing.push(b"abcdefgh");
        let mut seen = Vec::new();
        for (sent, more) in [&b"ij"[..], b"", b"klm", b"", b"", b"n", b""]
            .iter()
            .enumerate()
        {
            let part: Vec<u8> = outgoing.rest(sent * 2).iter().take(2).copied().collect();
            outgoing.taken(part.len(), sent * 2 + part.len());
            seen.extend(part);
            outgoing.push(more);
            assert_eq!(outgoing.unsent_bytes(), outgoing.rest(0).len());
        }
        assert_eq!(seen, b"abcdefghijklmn");
        assert_eq!(outgoing.unsent_bytes(), 0);
        assert!(!outgoing.can_be_sent_again());
    }

    #[test]
    fn what_is_kept_stays_until_it_is_too_much() {
        let mut outgoing = Outgoing::default();
        outgoing.keep(true);
        outgoing.push(b"abc");
        outgoing.taken(2, 2);
        assert_eq!(outgoing.rest(2), b"c");
        assert!(outgoing.can_be_sent_again());
        outgoing.push(&vec![b'x'; MAX_KEPT_BYTES]);
        outgoing.taken(1, 3);
        assert_eq!(outgoing.unsent_bytes(), MAX_KEPT_BYTES);
        outgoing.taken(10, 13);
        assert_eq!(outgoing.rest(13).len(), MAX_KEPT_BYTES - 10);
        assert!(!outgoing.can_be_sent_again());
    }
}
