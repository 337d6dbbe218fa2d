//! Datagrams that came to another endpoint of this process than the one whose connection they are for: to the socket of
//! another worker, as their client has moved, or of a listener that has taken the address over.
//!
//! Endpoints are known by number while they live. What waits for one is bounded; more than that is dropped, as the
//! network would do.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use quinn_proto::EcnCodepoint;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Datagrams that may wait for an endpoint.
const MAX_WAITING: usize = 1024;

/// A datagram with what is known of it.
pub(super) struct Datagram {
    pub(super) bytes: BytesMut,
    pub(super) peer: SocketAddr,
    pub(super) local: Option<IpAddr>,
    pub(super) ecn: Option<EcnCodepoint>,
}

static ENDPOINTS: Mutex<Option<Endpoints>> = Mutex::new(None);

#[derive(Default)]
struct Endpoints {
    next: u16,
    by_number: HashMap<u16, Sender<Datagram>>,
}

/// An endpoint's place among all.
pub(super) struct Seat {
    pub(super) number: u16,
    pub(super) received: Option<Receiver<Datagram>>,
}

impl Seat {
    /// Takes a number that no other endpoint has.
    pub(super) fn take() -> Self {
        let (sender, receiver) = channel(MAX_WAITING);
        let mut endpoints = ENDPOINTS.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = endpoints.get_or_insert_default();
        while endpoints.by_number.contains_key(&endpoints.next) {
            endpoints.next = endpoints.next.wrapping_add(1);
        }
        let number = endpoints.next;
        endpoints.next = number.wrapping_add(1);
        endpoints.by_number.insert(number, sender);
        Seat {
            number,
            received: Some(receiver),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut endpoints = ENDPOINTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoints) = endpoints.as_mut() {
            endpoints.by_number.remove(&self.number);
        }
    }
}

/// Hands a datagram to the endpoint with this number; gives it back if there is none.
pub(super) fn hand_over(number: u16, datagram: Datagram) -> Option<Datagram> {
    let sender = {
        let endpoints = ENDPOINTS.lock().unwrap_or_else(PoisonError::into_inner);
        let found = endpoints.as_ref()?.by_number.get(&number).cloned();
        let Some(found) = found else {
            return Some(datagram);
        };
        found
    };
    let _is_dropped_where_too_many_wait = sender.try_send(datagram);
    None
}
