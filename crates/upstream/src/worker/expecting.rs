//! Connections that are opened before there are requests for them (`predictive_preconnect_ratio`): to the hosts whose
//! turn is next, until the cluster has as many as its requests times the ratio; three hosts at most for each request.
//!
//! Only hosts that simply take turns are known beforehand; where they are chosen otherwise none is connected to, as in
//! Envoy for most policies. Different from Envoy: each cluster is looked at by itself, not all of a worker together.

use std::rc::Rc;

use nuncio_contract::stream_info::Protocol;

use super::cluster::{State, WorkerCluster};
use super::host::WorkerHost;
use crate::cluster::{Preconnect, ResourcePriority, UpstreamProtocol};
use crate::pool::wants_another;
use crate::server_names::ConnectionName;

/// A stream that is about to be asked for.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// Its priority.
    pub priority: ResourcePriority,
    /// What the client speaks, if anything of HTTP; none for a stream of bytes.
    pub client: Option<Option<Protocol>>,
    /// What its connection is to be named.
    pub name: Option<&'a ConnectionName>,
}

/// Hosts that were looked at before their turn.
#[derive(Debug, Default)]
pub(super) struct Peeked {
    /// The turn up to which they were.
    until: u64,
}

impl WorkerCluster {
    /// Opens connections for requests after the one that is about to be sent.
    #[cold]
    pub fn expect_more(&self, preconnect: Preconnect, expected: &Expected<'_>) {
        let ratio = preconnect.predictive;
        for _ in 0..3 {
            if ratio <= 1.0 || !self.wants_more(ratio) {
                return;
            }
            let next = self.peek_host();
            let is_opened = next.is_some_and(|host| host.pool_for(expected).expect_request(ratio));
            if !is_opened {
                return;
            }
        }
    }

    fn wants_more(&self, ratio: f64) -> bool {
        let traffic = &self.core.traffic;
        let count = |share: i64| usize::try_from(share).unwrap_or(0);
        let waiting = count(traffic.upstream_rq_pending_active.share());
        let active = count(traffic.upstream_rq_active.share());
        let connections = count(traffic.upstream_cx_active.share());
        let http = &self.settings().http;
        let places_of_each = match http.protocol {
            UpstreamProtocol::Http1 | UpstreamProtocol::AsDownstream => 1,
            UpstreamProtocol::Http3 => {
                let most = http
                    .http3
                    .as_ref()
                    .map(|http3| http3.max_concurrent_streams);
                usize::try_from(most.unwrap_or(1)).unwrap_or(usize::MAX)
            }
            UpstreamProtocol::Http2 | UpstreamProtocol::ByAlpn => {
                usize::try_from(http.http2.max_concurrent_streams).unwrap_or(usize::MAX)
            }
        };
        let places = connections.saturating_mul(places_of_each);
        wants_another(waiting + active + 1, ratio, places)
    }

    /// The host whose turn is next, and with each further call the one behind it.
    fn peek_host(&self) -> Option<Rc<WorkerHost>> {
        let mut state = self.state.borrow_mut();
        let State {
            candidates,
            turn,
            balancer: None,
            peeked,
            ..
        } = &mut *state
        else {
            return None;
        };
        let next = turn.next_turn()?;
        let ahead = peeked.until.wrapping_sub(next);
        let count = u64::try_from(candidates.len()).ok()?;
        // What was looked at before and had its turn, or stands before others took theirs, is looked at no more.
        let ahead = if ahead > count { 0 } else { ahead };
        if ahead >= count {
            return None;
        }
        peeked.until = next.wrapping_add(ahead + 1);
        let place = next.wrapping_add(ahead).checked_rem(count)?;
        candidates.get(usize::try_from(place).ok()?).cloned()
    }
}
