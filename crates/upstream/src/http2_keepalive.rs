//! The PINGs of a connection, whichever side we are, on one of its deadlines.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use nuncio_codec::http2::{Http2Settings, Keepalive, KeepaliveAction};

/// Keeps a connection alive, if the configuration says so.
pub struct Http2Keepalive {
    state: Option<RefCell<Keepalive>>,
    pings: Cell<u64>,
}

impl Http2Keepalive {
    /// Begins now. `random` is any number; it spreads the intervals.
    pub fn new(settings: &Http2Settings, now: Instant, random: u64) -> Self {
        let begin = |settings| RefCell::new(Keepalive::new(settings, now, random));
        Http2Keepalive {
            state: settings.keepalive.as_ref().map(begin),
            pings: Cell::new(0),
        }
    }

    /// When [`Self::act`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.state.as_ref()?.borrow().deadline()
    }

    /// Bytes have come.
    pub fn received(&self, now: Instant) {
        if let Some(state) = &self.state {
            state.borrow_mut().received(now);
        }
    }

    /// A PING was answered.
    pub fn answered(&self, now: Instant, random: u64) {
        if let Some(state) = &self.state {
            state.borrow_mut().answered(now, random);
        }
    }

    /// What is to be done at a deadline: the payload of a PING to send, or to give the peer up.
    pub fn act(&self, now: Instant) -> KeepaliveStep {
        let action = self
            .state
            .as_ref()
            .map(|state| state.borrow_mut().on_deadline(now));
        self.step(action)
    }

    /// The same before a stream is opened.
    pub fn before_stream(&self, now: Instant) -> KeepaliveStep {
        let action = self
            .state
            .as_ref()
            .map(|state| state.borrow_mut().before_stream(now));
        self.step(action)
    }

    fn step(&self, action: Option<KeepaliveAction>) -> KeepaliveStep {
        match action {
            Some(KeepaliveAction::SendPing) => {
                self.pings.set(self.pings.get().wrapping_add(1));
                KeepaliveStep::Ping(self.pings.get())
            }
            Some(KeepaliveAction::TimedOut) => KeepaliveStep::GiveUp,
            Some(KeepaliveAction::None) | None => KeepaliveStep::Nothing,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveStep {
    /// Nothing now.
    Nothing,
    /// Send a PING with this payload.
    Ping(u64),
    /// The peer is gone.
    GiveUp,
}
