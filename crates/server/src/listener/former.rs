//! The former versions of a worker's listeners, as long as they have connections.
//!
//! As in Envoy, where a listener changes in its filter chains alone, connections of chains that stay what they are go on
//! as if nothing had happened; they are seen off when a later change takes their chain away, or the listener.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::{self, Arc};

use nuncio_contract::clock::Clock;
use nuncio_http::worker::Worker;
use nuncio_net::tasks::spawn_seldom;

use super::gate::Gate;
use super::listener_id::ListenerId;
use super::{ChainRoutes, CompiledListener};

/// What tells the chains of a listener apart, in their order.
pub(crate) type ChainIdentities = Arc<[u64]>;

/// A change of a listener in its chains alone.
#[derive(Clone)]
pub(crate) struct InPlace {
    /// The chains before.
    pub(crate) former: ChainIdentities,
    /// The chains from now on.
    pub(crate) now: ChainIdentities,
}

impl InPlace {
    /// The places of former chains that are no chains any more.
    pub(crate) fn gone(&self) -> Vec<usize> {
        let now: HashSet<u64> = self.now.iter().copied().collect();
        let former = self.former.iter().enumerate();
        former
            .filter(|(_, chain)| !now.contains(chain))
            .map(|(place, _)| place)
            .collect()
    }
}

/// All former versions.
pub(super) struct Formers {
    worker: Rc<Worker>,
    all: RefCell<Vec<Former>>,
}

struct Former {
    id: ListenerId,
    gate: Weak<Gate>,
    chains: ChainIdentities,
    /// Which of them are not seen off yet.
    stays: Vec<Cell<bool>>,
}

impl Formers {
    pub(super) fn new(worker: &Rc<Worker>) -> Self {
        Formers {
            worker: Rc::clone(worker),
            all: RefCell::default(),
        }
    }

    /// A listener has another version from now on; with `in_place` it changes in its chains alone.
    pub(super) fn replaced(&self, id: ListenerId, old: &Rc<Gate>, in_place: Option<InPlace>) {
        let Some(InPlace { former, now }) = in_place else {
            return self.see_off(id, old);
        };
        self.remember(id, old, former);
        // Those that have no chain yet, or shake hands, wait no longer than others.
        let over = old.begin_own_drain(self.worker.now());
        let gate = Rc::downgrade(old);
        spawn_seldom(async move {
            tokio::time::sleep_until(over.into()).await;
            if let Some(gate) = gate.upgrade() {
                gate.end_own_drain();
            }
        });
        self.see_off_others(id, &now);
    }

    /// Sees all connections of a listener off.
    pub(super) fn see_off(&self, id: ListenerId, gate: &Rc<Gate>) {
        self.remember(id, gate, Arc::default());
        let over = gate.begin_drain(self.worker.now());
        let gate = Rc::downgrade(gate);
        spawn_seldom(async move {
            tokio::time::sleep_until(over.into()).await;
            if let Some(gate) = gate.upgrade() {
                gate.end_drain();
            }
        });
        self.see_off_others(id, &[]);
    }

    /// Begins to see those of former versions off, but closes none under a client.
    pub(super) fn begin_all(&self, id: ListenerId) {
        let now = self.worker.now();
        for gate in self.gates(id) {
            let _nobody_is_closed_then = gate.begin_drain(now);
        }
    }

    /// Remembers the last version of a listener that stops, whose connections go on.
    pub(super) fn stopped(&self, id: ListenerId, gate: &Rc<Gate>) {
        self.remember(id, gate, Arc::default());
        self.begin_all(id);
    }

    /// Closes what is left of all connections, of all listeners.
    pub(super) fn end_all(&self) {
        let all = self.all.take();
        let gates = all.iter().filter_map(|one| one.gate.upgrade());
        gates.for_each(|gate| gate.end_drain());
    }

    /// Gives connections that a former version has the routes of now.
    pub(super) fn set_routes(&self, listener: &sync::Weak<CompiledListener>, routes: &ChainRoutes) {
        let all = self.all.borrow();
        let gates = all.iter().filter_map(|one| one.gate.upgrade());
        for gate in gates.filter(|gate| ptr::eq(Arc::as_ptr(&gate.listener), listener.as_ptr())) {
            gate.set_chain_routes(routes);
        }
    }

    fn gates(&self, id: ListenerId) -> Vec<Rc<Gate>> {
        let all = self.all.borrow();
        let its = all.iter().filter(|one| one.id == id);
        its.filter_map(|one| one.gate.upgrade()).collect()
    }

    fn remember(&self, id: ListenerId, gate: &Rc<Gate>, chains: ChainIdentities) {
        let mut all = self.all.borrow_mut();
        all.retain(|one| one.gate.strong_count() > 0);
        all.push(Former {
            id,
            gate: Rc::downgrade(gate),
            stays: chains.iter().map(|_| Cell::new(true)).collect(),
            chains,
        });
    }

    /// Sees the connections of chains off that are not among those of now.
    fn see_off_others(&self, id: ListenerId, now: &[u64]) {
        for former in self.all.borrow().iter().filter(|one| one.id == id) {
            let Some(gate) = former.gate.upgrade() else {
                continue;
            };
            let mut over = None;
            let mut leaving = Vec::new();
            let places = former.chains.iter().zip(&former.stays).enumerate();
            for (place, (chain, stays)) in places.filter(|(_, (_, stays))| stays.get()) {
                if now.contains(chain) {
                    continue;
                }
                stays.set(false);
                if let Some(chain) = gate.chains.get(place) {
                    over = Some(chain.begin_drain(self.worker.now()));
                    leaving.push(Rc::downgrade(chain));
                }
            }
            let Some(over) = over else { continue };
            spawn_seldom(async move {
                tokio::time::sleep_until(over.into()).await;
                for chain in leaving.iter().filter_map(Weak::upgrade) {
                    chain.end_drain();
                }
            });
        }
    }
}
