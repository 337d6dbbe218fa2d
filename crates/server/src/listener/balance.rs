//! `exact_balance`: each connection goes to the worker that has the fewest of its listener, whichever accepted it.
//!
//! Envoy counts and chooses under a lock for each connection, and so is it here; who does not ask for it has neither.
//! A worker that leaves (its listener changes or goes) serves what was sent to it before, and is sent nothing more.

use std::cell::{Cell, RefCell};
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_contract::stream_info::Metadata;
use nuncio_net::tasks::spawn_seldom;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::accept::begin;
use super::door::Ends;
use super::gate::Gate;

/// A connection on its way to another worker.
type Accepted = (StdStream, Ends);

/// The workers of one version of a listener.
#[derive(Default)]
pub(crate) struct Balance(Mutex<Lanes>);

#[derive(Default)]
struct Lanes {
    next: usize,
    lanes: Vec<Lane>,
}

/// A worker.
struct Lane {
    number: usize,
    connections: usize,
    send: UnboundedSender<Accepted>,
}

/// One worker's side of it.
pub(super) struct Seat {
    balance: Arc<Balance>,
    number: usize,
    received: Cell<Option<UnboundedReceiver<Accepted>>>,
}

impl Balance {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// One more worker.
    pub(super) fn take(balance: &Arc<Balance>) -> Self {
        let (send, received) = unbounded_channel();
        let mut lanes = balance.lanes();
        let number = lanes.next;
        lanes.next += 1;
        lanes.lanes.push(Lane {
            number,
            connections: 0,
            send,
        });
        drop(lanes);
        Seat {
            balance: Arc::clone(balance),
            number,
            received: Cell::new(Some(received)),
        }
    }

    /// Counts a connection for the worker that is to have it, and sends it there; gives it back if it is this one's.
    pub(super) fn place(&self, stream: TcpStream, ends: Ends) -> Option<(TcpStream, Ends)> {
        let mut lanes = self.balance.lanes();
        let Some(fewest) = lanes.lanes.iter_mut().min_by_key(|lane| lane.connections) else {
            return Some((stream, ends));
        };
        fewest.connections += 1;
        if fewest.number == self.number {
            return Some((stream, ends));
        }
        if let Ok(stream) = stream.into_std() {
            let _who_does_not_receive_has_no_lane = fewest.send.send((stream, ends));
        }
        None
    }

    /// Counts a connection that came from elsewhere.
    pub(super) fn came(&self) {
        if let Some(own) = self.own(&mut self.balance.lanes()) {
            own.connections += 1;
        }
    }

    /// Counts the end of a connection.
    pub(super) fn went(&self) {
        if let Some(own) = self.own(&mut self.balance.lanes()) {
            own.connections = own.connections.saturating_sub(1);
        }
    }

    /// From now on nothing more is sent here.
    pub(super) fn leave(&self) {
        let mut lanes = self.balance.lanes();
        lanes.lanes.retain(|lane| lane.number != self.number);
    }

    fn own<'a>(&self, lanes: &'a mut Lanes) -> Option<&'a mut Lane> {
        let mut lanes = lanes.lanes.iter_mut();
        lanes.find(|lane| lane.number == self.number)
    }
}

/// Begins the connections that other workers accept for the gate of the moment.
pub(super) fn receive(current: &Rc<RefCell<Rc<Gate>>>) {
    let gate = Rc::clone(&current.borrow());
    let received = gate.seat.as_ref().and_then(|seat| seat.received.take());
    let Some(mut received) = received else {
        return;
    };
    let current = Rc::clone(current);
    drop(spawn_seldom(async move {
        while let Some((stream, ends)) = received.recv().await {
            let gate = Rc::clone(&current.borrow());
            match TcpStream::from_std(stream) {
                Ok(stream) => {
                    begin(gate, stream, ends, Metadata::default());
                }
                Err(_) => gate.went_early(),
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connection() -> (TcpStream, Ends) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let client = StdStream::connect(listener.local_addr().expect("it is bound"));
        let accepted = listener.accept().await.expect("a connection");
        drop(client.expect("it listens"));
        let (stream, peer) = accepted;
        (stream, (peer.into(), None))
    }

    #[tokio::test]
    async fn each_connection_goes_to_the_worker_with_the_fewest() {
        let balance = Arc::new(Balance::default());
        let (one, other) = (Seat::take(&balance), Seat::take(&balance));
        let mut to_other = other.received.take().expect("nobody took it");
        let place = async |seat: &Seat| {
            let (stream, ends) = connection().await;
            seat.place(stream, ends).is_some()
        };
        assert!(place(&one).await, "the first has none");
        assert!(!place(&one).await, "the other has none");
        to_other.try_recv().expect("it was sent there");
        assert!(!place(&other).await, "both have one, the first is first");
        other.went();
        assert!(place(&other).await, "it has none any more");
        other.leave();
        assert!(place(&one).await, "nobody else is left");
        assert!(to_other.try_recv().is_err());
    }
}
