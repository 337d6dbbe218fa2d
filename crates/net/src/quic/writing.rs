//! Writing an endpoint's packets. Where the socket is full they are kept, a write of each connection at the most, until it
//! takes more; answers to those who have no connection are lost then.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::rc::{Rc, Weak};

use quinn_proto::{ConnectionHandle, Transmit};
use tokio::io::Interest;

use super::endpoint::Endpoint;
use crate::datagrams::send_marked;
use crate::tasks::spawn_seldom;

/// Packets for which the socket had no room.
pub(super) struct Kept {
    transmit: Transmit,
    bytes: Vec<u8>,
}

impl Endpoint {
    /// Writes what `make` makes; gives how many bytes went, and what the socket had no room for.
    pub(super) fn write(
        &self,
        make: impl FnOnce(&mut Vec<u8>) -> Option<Transmit>,
    ) -> (usize, Option<Box<Kept>>) {
        let mut out = self.out.take();
        out.clear();
        let made = make(&mut out);
        let written = match made {
            None => (0, None),
            Some(transmit) => match self.transmit(&transmit, &out) {
                None => (transmit.size, None),
                Some(at) => {
                    let left = out.get(at..transmit.size).unwrap_or_default();
                    let kept = Kept {
                        bytes: left.to_vec(),
                        transmit: Transmit {
                            size: left.len(),
                            ..transmit
                        },
                    };
                    (at, Some(Box::new(kept)))
                }
            },
        };
        self.out.replace(out);
        written
    }

    /// Tries again what was kept; gives how many bytes went, and whether that was all.
    pub(super) fn write_kept(&self, kept: &mut Kept) -> (usize, bool) {
        let Some(at) = self.transmit(&kept.transmit, &kept.bytes) else {
            return (kept.bytes.len(), true);
        };
        kept.bytes.drain(..at.min(kept.bytes.len()));
        kept.transmit.size = kept.bytes.len();
        (at, false)
    }

    /// Has a connection woken once the socket takes more.
    pub(super) fn await_room(self: &Rc<Self>, handle: ConnectionHandle) {
        let mut blocked = self.blocked.borrow_mut();
        let is_first = blocked.is_empty();
        blocked.insert(handle);
        if !is_first {
            return;
        }
        // What the runtime knows is older.
        let is_full = || Err::<(), _>(ErrorKind::WouldBlock.into());
        let _not_before_it_says_so = self.socket.try_io(Interest::WRITABLE, is_full);
        let endpoint = Rc::clone(self);
        spawn_seldom(async move {
            let _or_nothing_can_be_written_ever = endpoint.socket.writable().await;
            let blocked = endpoint.blocked.take();
            let connections = endpoint.connections.borrow();
            let woken = blocked.iter().filter_map(|handle| connections.get(handle));
            woken
                .filter_map(Weak::upgrade)
                .for_each(|connection| connection.wake());
        });
    }

    /// Sends packets; from which byte on the socket had no room for them, if it was full. What is lost otherwise is lost
    /// as on the network, and sent again by those who miss it.
    fn transmit(&self, transmit: &Transmit, bytes: &[u8]) -> Option<usize> {
        let bytes = bytes.get(..transmit.size)?;
        let segment_bytes = transmit.segment_size.unwrap_or(transmit.size);
        let from = transmit
            .src_ip
            .filter(|_| self.address.ip().is_unspecified());
        // A socket of IPv6 takes addresses of IPv4 inside of its own; what they leave from is chosen by IPv4.
        let from = match from {
            Some(IpAddr::V6(ip)) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
            other => other,
        };
        let marks = transmit.ecn.map_or(0, |ecn| ecn as u8);
        let datagrams = (bytes, segment_bytes);
        let to = transmit.destination;
        let written = send_marked(&self.socket, datagrams, to, from, marks);
        if written.is_refused {
            self.refused();
        }
        written.full_at
    }

    /// Answers somebody who has no connection, and asks again if the answer is lost.
    pub(super) fn answer(&self, transmit: &Transmit, bytes: &[u8]) {
        let _is_lost_where_the_socket_is_full = self.transmit(transmit, bytes);
    }
}
