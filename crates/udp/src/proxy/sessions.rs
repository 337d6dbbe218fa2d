//! The sessions of a proxy on one worker, found by who sends and where to.
//!
//! Peers choose what they are found by: the hash is keyed by chance. Their number is limited by the clusters' circuit
//! breakers, and that of sessions that begin before their cluster is known by `deferred.rs`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use super::UdpProxy;
use super::session::Session;

/// What a session is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    peer: SocketAddr,
    local: SocketAddr,
    /// Where each datagram may go to another host.
    host: Option<SocketAddr>,
}

impl Key {
    pub(super) fn of(peer: SocketAddr, local: SocketAddr, host: Option<SocketAddr>) -> Self {
        Key { peer, local, host }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions(RefCell<HashMap<Key, Rc<Session>>>);

impl Sessions {
    pub(super) fn get(&self, key: &Key) -> Option<Rc<Session>> {
        self.0.borrow().get(key).cloned()
    }

    pub(super) fn insert(&self, key: Key, session: Rc<Session>) {
        self.0.borrow_mut().insert(key, session);
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn all(&self) -> Vec<Rc<Session>> {
        self.0.borrow().values().cloned().collect()
    }

    /// A session of each cluster, or of each version of one.
    pub(super) fn one_of_each_target(&self) -> Vec<Rc<Session>> {
        let mut found: Vec<Rc<Session>> = Vec::new();
        for session in self.0.borrow().values() {
            let Some(target) = session.target() else {
                continue;
            };
            let is_new = |known: &Rc<Session>| !known.goes_to(target);
            if found.iter().all(is_new) {
                found.push(Rc::clone(session));
            }
        }
        found
    }

    fn remove(&self, session: &Session) {
        let mut sessions = self.0.borrow_mut();
        let is_it = |known: &Rc<Session>| std::ptr::eq(Rc::as_ptr(known), session);
        if sessions.get(session.key()).is_some_and(is_it) {
            sessions.remove(session.key());
        }
        if sessions.is_empty() {
            sessions.shrink_to_fit();
        }
    }
}

impl UdpProxy {
    /// Ends a session, once.
    pub(super) fn end(&self, session: &Rc<Session>) {
        self.sessions.remove(session);
        session.end(self);
    }

    /// Ends all.
    pub(crate) fn end_all(&self) {
        for session in self.sessions.all() {
            self.end(&session);
        }
    }
}
