//! Requests that are turned away as their cluster is being maintained (`upstream.maintenance_mode.<cluster>` of the
//! runtime): before a host is chosen and without retries.

use std::rc::Rc;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::WorkerCluster;

use super::Router;
use crate::downstream::Downstream;
use crate::exchange::{Account, Stop};

impl<'e, 'a, D: Downstream> Router<'e, 'a, D> {
    /// Our answer in the place of a host's.
    #[cold]
    pub(super) fn maintained(&self, cluster: &Rc<WorkerCluster>) -> Stop {
        let state = self.exchange.state.borrow();
        let counts = self.config.dynamic_stats && !state.info.health_check;
        Account::new(Rc::clone(cluster), &state.request, counts, None).charge(503);
        let flag = ResponseFlags::UPSTREAM_OVERFLOW;
        let mut reply = LocalReply::new(503, b"maintenance mode".as_slice(), "maintenance_mode")
            .with_flags(flag);
        if !self.config.suppress_envoy_headers {
            reply = reply.with_header(HeaderName::from(Known::XEnvoyOverloaded), b"true".to_vec());
        }
        Stop::Reply(Box::new(reply))
    }
}
