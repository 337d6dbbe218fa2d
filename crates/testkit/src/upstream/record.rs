//! What an upstream has seen so far, shared by its connections.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::DEADLINE;
use crate::message::Message;
use crate::tls::Hello;

/// One request as the upstream saw it, or one connection if it speaks bytes.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Number of the connection it came on, from 1 in the order of accepting.
    pub connection: usize,
    /// The TLS hello of that connection.
    pub hello: Option<Hello>,
    /// The request.
    pub message: Message,
    /// In words, how it ended if not as it should.
    pub end: Option<String>,
    /// Whether everything that will come of it has come.
    pub finished: bool,
}

/// A connection of an upstream.
pub(super) struct Line {
    pub(super) connection: usize,
    pub(super) hello: Option<Hello>,
}

pub(super) struct Shared {
    pub(super) name: String,
    state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) stopping: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    seen: Vec<Seen>,
    taken: usize,
    pub(super) connections: Vec<TcpStream>,
    pub(super) peer_ports: Vec<u16>,
    times_asked: BTreeMap<String, usize>,
}

impl Shared {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often this path was asked for before.
    pub(super) fn times_asked(&self, path: &str) -> usize {
        let mut state = self.lock();
        let asked = state.times_asked.entry(path.to_owned()).or_default();
        *asked += 1;
        *asked - 1
    }

    /// Notes the beginning of a request; gives its index.
    pub(super) fn begin(&self, line: &Line, message: Message) -> usize {
        let mut state = self.lock();
        state.seen.push(Seen {
            connection: line.connection,
            hello: line.hello.clone(),
            message,
            end: None,
            finished: false,
        });
        self.changed.notify_all();
        state.seen.len() - 1
    }

    /// Notes all that came of a request.
    pub(super) fn finish(&self, index: usize, message: Message, end: Option<String>) {
        if let Some(seen) = self.lock().seen.get_mut(index) {
            seen.message = message;
            seen.end = end;
            seen.finished = true;
        }
        self.changed.notify_all();
    }

    pub(super) fn take_seen(&self) -> Vec<Seen> {
        let all_finished = |state: &State| {
            let mut fresh = state.seen.iter().skip(state.taken);
            fresh.all(|seen| seen.finished)
        };
        let mut state = self.wait_for(all_finished).0;
        let fresh = state.seen.iter().skip(state.taken).cloned().collect();
        state.taken = state.seen.len();
        fresh
    }

    pub(super) fn await_heads(&self, count: usize) -> bool {
        self.wait_for(|state| state.seen.len() - state.taken >= count)
            .1
    }

    /// Waits until something holds; whether it came about before the deadline.
    fn wait_for(&self, holds: impl Fn(&State) -> bool) -> (MutexGuard<'_, State>, bool) {
        let until = Instant::now() + DEADLINE;
        let mut state = self.lock();
        while !holds(&state) {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return (state, false);
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        (state, true)
    }
}
