//! What is about to be sent on a stream, and how much of it may be.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_config::wire::discovery::Status;
use nuncio_contract::clock::Clock;
use nuncio_contract::config_source::ServerSource;

use super::pace::RequestPace;

/// The longest reason that a rejection gives, as in Envoy.
const LONGEST_REASON: usize = 4096;
/// gRPC's `INTERNAL`.
const INTERNAL: i32 = 13;

/// The requests of a stream.
pub(super) struct Outbox {
    clock: Rc<dyn Clock>,
    node: Arc<[u8]>,
    node_once: bool,
    is_connected: bool,
    is_first: bool,
    pace: Option<RequestPace>,
    /// When there may be a token again, while one is waited for.
    next_token: Option<Instant>,
    ready: VecDeque<Vec<u8>>,
    refused: u64,
}

impl Outbox {
    pub(super) fn new(server: &ServerSource, node: &Arc<[u8]>, clock: Rc<dyn Clock>) -> Self {
        let now = clock.now();
        Outbox {
            clock,
            node: Arc::clone(node),
            node_once: server.node_once,
            is_connected: false,
            is_first: true,
            pace: server.rate.map(|rate| RequestPace::new(rate, now)),
            next_token: None,
            ready: VecDeque::new(),
            refused: 0,
        }
    }

    pub(super) fn connected(&mut self) {
        self.is_connected = true;
        self.is_first = true;
        self.ready.clear();
    }

    pub(super) fn disconnected(&mut self) {
        self.is_connected = false;
        self.next_token = None;
        self.ready.clear();
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether one more request may be sent now.
    pub(super) fn may_send(&mut self) -> bool {
        if !self.is_connected {
            return false;
        }
        let taken = self
            .pace
            .as_mut()
            .map_or(Ok(()), |pace| pace.take(self.clock.now()));
        match taken {
            Ok(()) => {
                self.next_token = None;
                true
            }
            Err(later) => {
                self.refused += 1;
                self.next_token = Some(later);
                false
            }
        }
    }

    /// The node, unless this stream knows it.
    pub(super) fn node(&mut self) -> Option<Arc<[u8]>> {
        let tells = !self.node_once || self.is_first;
        self.is_first = false;
        tells.then(|| Arc::clone(&self.node))
    }

    pub(super) fn push(&mut self, request: Vec<u8>) {
        self.ready.push_back(request);
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    /// When requests that wait may go on.
    pub(super) fn next_token(&self) -> Option<Instant> {
        self.next_token
    }

    /// How often the limit held one back since this was asked last.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

/// Why a response was rejected, as it is told to the server.
pub(super) fn rejection(reason: &str) -> Status {
    let mut message = reason.to_owned();
    if message.len() > LONGEST_REASON {
        let end = (0..=LONGEST_REASON)
            .rev()
            .find(|end| message.is_char_boundary(*end));
        message.truncate(end.unwrap_or(0));
        message.push_str("...(truncated)");
    }
    Status {
        code: INTERNAL,
        message,
    }
}
