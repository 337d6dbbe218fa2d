//! The listeners of one thread by their addresses, for connections that were going to another one before the system,
//! or a PROXY header, brought them here (`use_original_dst`).
//!
//! A listener of just that address is found first, then one of any address and that port; IPv6 takes IPv4 where it is
//! configured to (`ipv4_compat`). Whether a listener is bound does not matter.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use super::gate::Gate;
use super::listener_id::ListenerId;

/// The gate of the moment.
type Current = Rc<RefCell<Rc<Gate>>>;

/// All listeners of one thread; few, so a list.
#[derive(Default)]
pub(super) struct Directory(RefCell<Vec<(ListenerId, Current)>>);

impl Directory {
    pub(super) fn add(&self, id: ListenerId, gate: &Current) {
        self.0.borrow_mut().push((id, Rc::clone(gate)));
    }

    pub(super) fn remove(&self, id: ListenerId) {
        self.0.borrow_mut().retain(|(other, _)| *other != id);
    }

    /// The listener of a connection that was going to `to`.
    pub(super) fn find(&self, to: SocketAddr) -> Option<Rc<Gate>> {
        let at = |wanted: SocketAddr, compat: bool| {
            let listeners = self.0.borrow();
            let mut gates = listeners.iter().map(|(_, gate)| Rc::clone(&gate.borrow()));
            gates.find(|gate| {
                let mut places = gate.listener.places();
                places.any(|(address, options)| {
                    address.ip() == Some(wanted) && (!compat || options.ipv4_compat)
                })
            })
        };
        let any = |ip: IpAddr, compat| at(SocketAddr::new(ip, to.port()), compat);
        let any_v6 = |compat| any(Ipv6Addr::UNSPECIFIED.into(), compat);
        at(to, false).or_else(|| match to {
            SocketAddr::V4(_) => any(Ipv4Addr::UNSPECIFIED.into(), false).or_else(|| any_v6(true)),
            SocketAddr::V6(_) => any_v6(false),
        })
    }
}
