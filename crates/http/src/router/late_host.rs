//! Hosts that are found out about while they are chosen: a name that a request asks for is resolved first.
//!
//! Requests of other clusters do not come here.

use std::time::Duration;

use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::cluster::Provided;
use nuncio_upstream::forward_proxy::{Asked, LookUp};
use nuncio_upstream::{
    Destination, UpstreamError, UpstreamErrorKind, WorkerCluster, WorkerClusters,
};

use super::Router;
use super::forward::Failure;
use crate::downstream::Downstream;
use crate::exchange::Stop;
use crate::route::Forward;
use crate::stream::StreamState;
use nuncio_contract::headers::Known;

/// What a request asks its cluster for, or the one of them that this try falls on, where that chooses hosts by it.
pub(super) fn destination(
    clusters: &WorkerClusters,
    cluster: &WorkerCluster,
    state: &StreamState,
) -> Option<Destination> {
    let provided = cluster.shared().provided()?;
    let part = match provided {
        Provided::Composite(_) => {
            clusters.part_of_try(cluster, state.info.attempt_count.unwrap_or_default())
        }
        _ => None,
    };
    let shared = part.as_deref().unwrap_or(cluster).shared();
    match shared.provided()? {
        Provided::Names(_) => {
            let authority = state.request.get(Known::Authority)?;
            Asked::of(authority, shared.default_port()).map(Destination::Name)
        }
        Provided::OriginalDst(hosts) => {
            let asked = hosts.asked_for(Some(&state.request), &state.info);
            asked.map(Destination::Address)
        }
        Provided::Aggregate(_) | Provided::Composite(_) | Provided::Redis(_) => None,
    }
}

impl<D: Downstream> Router<'_, '_, D> {
    /// The one try of a request whose host was not known.
    pub(super) async fn exchange_late(
        &self,
        forward: &Forward,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        self.resolve_host().await.map_err(Failure::Stopped)?;
        match self.exchange_with_host(forward, timeout).await {
            // It has gone meanwhile.
            Err(Failure::Upstream(error)) if error.kind == UpstreamErrorKind::HostUnresolved => {
                let kind = UpstreamErrorKind::NoHealthyUpstream;
                Err(Failure::Upstream(UpstreamError::new(kind)))
            }
            done => done,
        }
    }

    /// Has the host's name resolved, if it is not known yet.
    pub(super) async fn resolve_host(&self) -> Result<(), Stop> {
        let Some(looked_up) = self.look_host_up() else {
            return Ok(());
        };
        let resolved = match looked_up {
            LookUp::Later(resolved) => resolved.await,
            LookUp::Known(resolved) => resolved.inspect_err(|_| self.count_no_host()),
            LookUp::Full => {
                self.count_no_host();
                return Err(self.no_such_host("dns_cache_overflow".to_owned()));
            }
        };
        let Err(why) = resolved else {
            return Ok(());
        };
        let why = why.replace(' ', "_");
        Err(self.no_such_host(format!("dns_resolution_failure{{{why}}}")))
    }

    /// None if there is nothing to be found out.
    fn look_host_up(&self) -> Option<LookUp> {
        let account = self.exchange.account.borrow();
        let account = account.as_ref()?;
        let Destination::Name(asked) = account.wishes.as_ref()?.destination.as_deref()? else {
            return None;
        };
        let attempt = self.exchange.state.borrow().info.attempt_count;
        let clusters = &self.exchange.manager.worker.clusters;
        let part = clusters.part_of_try(&account.cluster, attempt.unwrap_or_default());
        let cluster = part.as_ref().unwrap_or(&account.cluster);
        match cluster.shared().provided()? {
            Provided::Names(_) if cluster.host_named(asked).is_some() => None,
            Provided::Names(names) => Some(names.look_up(asked)),
            Provided::OriginalDst(_)
            | Provided::Aggregate(_)
            | Provided::Composite(_)
            | Provided::Redis(_) => None,
        }
    }

    /// Another try of a composite cluster falls on another one of it, which may ask for something else.
    pub(super) fn ask_again(&self) {
        let mut account = self.exchange.account.borrow_mut();
        let Some(account) = &mut *account else { return };
        let Some(wishes) = &mut account.wishes else {
            return;
        };
        if let Some(Provided::Composite(_)) = account.cluster.shared().provided() {
            let clusters = &self.exchange.manager.worker.clusters;
            let state = self.exchange.state.borrow();
            wishes.destination = destination(clusters, &account.cluster, &state).map(Box::new);
        }
    }

    /// As in Envoy, only where it was known before that there is none.
    fn count_no_host(&self) {
        self.with_account(|account| account.cluster.count_no_host());
    }

    fn no_such_host(&self, details: String) -> Stop {
        self.set_host(None);
        self.with_account(|account| account.charge(503));
        let body = b"no healthy upstream".as_slice();
        let reply =
            LocalReply::new(503, body, details).with_flags(ResponseFlags::NO_HEALTHY_UPSTREAM);
        Stop::Reply(Box::new(self.with_attempts(reply)))
    }
}
