//! Connections that are opened before requests need them (`preconnect_policy`).
//!
//! As in Envoy a pool opens connections until there are as many places as its requests, those that wait and those under
//! way, times the ratio ask for; three at most at a time, none before the first request, and to hosts that are not
//! healthy none beyond those that requests wait for.

use std::rc::Rc;

use super::HostPool;
use crate::cluster::Health;

impl HostPool {
    /// Whether requests and those that `ratio` has expected want another connection.
    pub(super) fn needs_more(&self, ratio: f64) -> bool {
        let waiting = self.waiting.borrow().len();
        if self.to.host.health().health() != Health::Healthy {
            return waiting > self.connecting_places();
        }
        let active = self.active_requests();
        wants_another(waiting + active, ratio, self.free_places() + active)
    }

    /// Opens connections for a request that is expected here, as `ratio` has it; false if it opened none.
    pub(crate) fn expect_request(self: &Rc<Self>, ratio: f64) -> bool {
        let before = self.open.get();
        let _none_waits_for_it = self.open_while(|pool| pool.needs_another_for_next(ratio));
        self.open.get() > before
    }

    fn needs_another_for_next(&self, ratio: f64) -> bool {
        let waiting = self.waiting.borrow().len();
        if self.to.host.health().health() != Health::Healthy {
            return waiting > self.connecting_places();
        }
        let active = self.active_requests();
        wants_another(waiting + active + 1, ratio, self.free_places() + active)
    }

    /// Requests under way on its connections.
    fn active_requests(&self) -> usize {
        let shared = self.shared.borrow();
        let on_shared: usize = shared.iter().map(|one| one.active_requests()).sum();
        let http3 = self.http3.borrow();
        let on_http3: usize = http3.iter().map(|one| one.active_requests()).sum();
        let idle = self.idle.borrow().len() + self.connecting.get();
        let not_in_use = idle + shared.len() + http3.len();
        self.open.get().saturating_sub(not_in_use) + on_shared + on_http3
    }

    /// Requests that would find a place without another connection.
    fn free_places(&self) -> usize {
        let shared = self.shared.borrow();
        let http3 = self.http3.borrow();
        let on_http3 = http3.iter().map(|one| one.free_places());
        let on_shared = shared.iter().map(|one| one.free_places());
        on_shared.chain(on_http3).fold(
            self.connecting_places()
                .saturating_add(self.idle.borrow().len()),
            usize::saturating_add,
        )
    }
}

/// Whether `requests` times `ratio` are more than there are `places`.
pub(crate) fn wants_another(requests: usize, ratio: f64, places: usize) -> bool {
    // Counts of connections are far below what a double holds exactly.
    requests as f64 * ratio > places as f64
}
