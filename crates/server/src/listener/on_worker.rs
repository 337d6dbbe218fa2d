//! The listeners of one worker, and how they change while it runs.
//!
//! A listener whose connection manager changes keeps its socket: connections to come get the new one, those
//! that are open stay with the old one, which drains (`former.rs`). New routes reach open connections too, those that drain
//! among them, from their next request on. A listener that goes first accepts what the kernel has queued for it, so that nobody is reset.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use nuncio_contract::clock::Clock;
use nuncio_http::drain::DrainPolicy;
use nuncio_http::worker::Worker;
use nuncio_net::bound::BoundSocket;
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::oneshot;

use super::accept::accept;
use super::datagrams::DatagramsOnWorker;
use super::former::{Formers, InPlace};
use super::gate::Gate;
use super::listener_id::ListenerId;
use super::{ChainRoutes, CompiledListener, OnThread, Routes, balance, internal, quic};

/// What becomes of a listener.
pub(crate) enum ListenerCommand {
    /// It begins to accept on this worker's sockets.
    Add(Arc<CompiledListener>, Routes, Vec<BoundSocket>),
    /// Its connections to come have another connection manager; those that it has too, unless it changes in its chains
    /// alone and theirs stay.
    Update(Arc<CompiledListener>, Routes, Option<InPlace>),
    /// Its requests to come have other routes.
    SetRoutes(Routes),
    /// It goes.
    Remove(SocketEnd),
    /// Its connections are told to close by and by, those to come too; it goes on accepting.
    Drain,
    /// It stops; its connections are told to close, but none is closed under a client.
    Retire(SocketEnd),
}

/// What becomes of a socket that a listener leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketEnd {
    /// It is closed, after what is queued on it was accepted.
    Closed,
    /// Another listener accepts on it from now on.
    HandedOver,
}

/// The listeners of one worker.
pub(crate) struct WorkerListeners {
    thread: OnThread,
    drain: DrainPolicy,
    accepting: HashMap<ListenerId, Accepting>,
    datagrams: HashMap<ListenerId, DatagramsOnWorker>,
    formers: Formers,
}

/// How often connections that are cut off may run until they have ended.
const CUT_OFF_TURNS: usize = 16;

struct Accepting {
    gate: Rc<RefCell<Rc<Gate>>>,
    /// One for each socket.
    ends: Vec<oneshot::Sender<SocketEnd>>,
}

impl WorkerListeners {
    /// No listener yet.
    pub(crate) fn new(thread: OnThread, drain: DrainPolicy) -> Self {
        WorkerListeners {
            formers: Formers::new(&thread.worker),
            thread,
            drain,
            accepting: HashMap::new(),
            datagrams: HashMap::new(),
        }
    }

    /// Does what the main thread wants.
    pub(crate) fn act(&mut self, id: ListenerId, command: ListenerCommand) {
        if let ListenerCommand::Remove(_) | ListenerCommand::Retire(_) = &command {
            self.thread.directory.remove(id);
        }
        let Some(command) = self.act_on_datagrams(id, command) else {
            return;
        };
        match command {
            ListenerCommand::Add(listener, routes, sockets) => {
                let gate = Rc::new(RefCell::new(self.gate(listener, &routes)));
                match &gate.borrow().listener.internal {
                    None => self.thread.directory.add(id, &gate),
                    Some(name) => internal::listen(name, &gate),
                }
                balance::receive(&gate);
                let mut ends = Vec::with_capacity(sockets.len());
                for socket in sockets {
                    let (end, ended) = oneshot::channel();
                    let ended = async { ended.await.unwrap_or(SocketEnd::Closed) };
                    let gate = Rc::clone(&gate);
                    match socket {
                        BoundSocket::Datagrams(socket) => {
                            spawn_seldom(quic::serve(gate, socket, ended));
                        }
                        socket => {
                            tokio::task::spawn_local(accept(gate, socket, ended));
                        }
                    }
                    ends.push(end);
                }
                self.accepting.insert(id, Accepting { gate, ends });
            }
            ListenerCommand::Update(listener, routes, in_place) => {
                let Some(accepting) = self.accepting.get(&id) else {
                    return;
                };
                let old = accepting.gate.replace(self.gate(listener, &routes));
                balance::receive(&accepting.gate);
                old.leave_balance();
                self.formers.replaced(id, &old, in_place);
            }
            ListenerCommand::SetRoutes(routes) => {
                if let Some(accepting) = self.accepting.get(&id) {
                    accepting.gate.borrow().set_routes(&routes);
                }
            }
            ListenerCommand::Remove(end) => {
                if let Some(accepting) = self.accepting.remove(&id) {
                    let gate = accepting.stop(end);
                    self.formers.see_off(id, &gate);
                }
            }
            ListenerCommand::Drain => {
                if let Some(accepting) = self.accepting.get(&id) {
                    let now = self.thread.worker.now();
                    let _nobody_is_closed_then = accepting.gate.borrow().begin_drain(now);
                    self.formers.begin_all(id);
                }
            }
            ListenerCommand::Retire(end) => {
                if let Some(accepting) = self.accepting.remove(&id) {
                    let gate = accepting.stop(end);
                    self.formers.stopped(id, &gate);
                }
            }
        }
    }

    /// Closes what is left of all connections as the process ends, so that it is logged and counted as in Envoy.
    pub(crate) async fn cut_off(&mut self) {
        for (_, accepting) in self.accepting.drain() {
            accepting.stop(SocketEnd::Closed).end_drain();
        }
        self.formers.end_all();
        // Whoever was woken runs before this task does again; what waits for a peer is given up.
        for _ in 0..CUT_OFF_TURNS {
            tokio::task::yield_now().await;
        }
    }

    /// Does what concerns listeners of datagrams; gives back what does not.
    fn act_on_datagrams(
        &mut self,
        id: ListenerId,
        command: ListenerCommand,
    ) -> Option<ListenerCommand> {
        match command {
            ListenerCommand::Add(listener, routes, sockets) => {
                let Some(config) = listener.datagrams.clone() else {
                    return Some(ListenerCommand::Add(listener, routes, sockets));
                };
                let sockets = sockets.into_iter().filter_map(|socket| match socket {
                    BoundSocket::Datagrams(socket) => Some(socket),
                    BoundSocket::Connections(_) | BoundSocket::Pipe(..) => None,
                });
                let begun = DatagramsOnWorker::begin(
                    listener,
                    &config,
                    sockets.collect(),
                    true,
                    &self.thread,
                );
                self.datagrams.insert(id, begun);
            }
            ListenerCommand::Update(listener, routes, in_place) => {
                let Some(config) = listener.datagrams.clone() else {
                    return Some(ListenerCommand::Update(listener, routes, in_place));
                };
                let old = self.datagrams.remove(&id)?;
                let newer = old.update(listener, &config, &self.thread, self.drain);
                self.datagrams.insert(id, newer);
            }
            ListenerCommand::Remove(end) => match self.datagrams.remove(&id) {
                Some(gone) => gone.stop(end, &self.thread, Some(self.drain)),
                None => return Some(ListenerCommand::Remove(end)),
            },
            ListenerCommand::Retire(end) => match self.datagrams.remove(&id) {
                Some(gone) => gone.stop(end, &self.thread, None),
                None => return Some(ListenerCommand::Retire(end)),
            },
            other => return Some(other),
        }
        None
    }

    fn gate(&self, listener: Arc<CompiledListener>, routes: &Routes) -> Rc<Gate> {
        Rc::new(Gate::new(listener, routes, &self.thread, None, self.drain))
    }

    /// Gives connections that a former version of a listener has the routes of now.
    pub(crate) fn set_draining_routes(
        &self,
        listener: &Weak<CompiledListener>,
        routes: &ChainRoutes,
    ) {
        self.formers.set_routes(listener, routes);
    }
}

impl Accepting {
    /// Stops; returns what the connections went through.
    fn stop(self, end: SocketEnd) -> Rc<Gate> {
        for socket in self.ends {
            let _its_task_has_ended = socket.send(end);
        }
        let gate = Rc::clone(&self.gate.borrow());
        gate.leave_balance();
        if let Some(name) = &gate.listener.internal {
            internal::close(name);
        }
        gate
    }
}

impl OnThread {
    /// A worker's.
    pub(crate) fn worker(index: usize, worker: Rc<Worker>) -> Self {
        OnThread {
            worker,
            name: format!("worker_{index}"),
            directory: Rc::default(),
        }
    }

    /// The main thread's.
    pub(crate) fn main(worker: Rc<Worker>) -> Self {
        OnThread {
            worker,
            name: "main_thread".to_string(),
            directory: Rc::default(),
        }
    }
}
