//! What a request says of its host before one is chosen, where its cluster asks: its hash and the metadata of its
//! subset; and requests that are turned away because the cluster has too many.
//!
//! As in Envoy the hash is that of the request as the route has changed it, and metadata that filters have set on
//! the stream counts before that of the route.

use std::rc::Rc;

use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::{WorkerCluster, WorkerHost};

use super::Router;
use super::late_host::destination;
use crate::connection_manager::overload::overloaded;
use crate::downstream::Downstream;
use crate::exchange::{Account, HostWishes, Stop};
use crate::route::Forward;

impl<D: Downstream> Router<'_, '_, D> {
    /// What the request says of its host; none where the cluster does not ask.
    #[inline]
    pub(super) fn host_wishes(
        &self,
        forward: &Forward,
        cluster: &WorkerCluster,
    ) -> Option<Box<HostWishes>> {
        let lb = &cluster.settings().lb;
        (lb.looks_at_requests() || lb.subset.is_some())
            .then(|| Box::new(self.read_wishes(forward, cluster)))
    }

    #[cold]
    fn read_wishes(&self, forward: &Forward, cluster: &WorkerCluster) -> HostWishes {
        let mut wishes = HostWishes::default();
        let settings = cluster.settings();
        let state = self.exchange.state.borrow();
        if let Some(common) = settings.lb.policy.consistent() {
            let policies = common.hash_policies.as_deref();
            let policies = policies
                .or(settings.hash_policies.as_deref())
                .or(forward.hash_policies.as_deref());
            if let Some(policies) = policies {
                let hashed = policies.hash(&state.request, &state.info);
                wishes.hash = hashed.hash;
                wishes.cookies = hashed.cookies;
            }
        }
        let clusters = &self.exchange.manager.worker.clusters;
        wishes.destination = destination(clusters, cluster, &state).map(Box::new);
        if let Some(hosts) = &settings.lb.override_hosts {
            let metadata = state.info.dynamic_metadata();
            wishes.wanted = Some(hosts.wanted(&state.request, metadata));
        }
        if settings.lb.subset.is_some() {
            let of_stream = state.info.dynamic_metadata();
            let of_stream = of_stream.and_then(|metadata| metadata.namespace("envoy.lb"));
            let of_route = forward.metadata_match(state.route.picked);
            wishes.metadata = of_stream.map(|of_stream| merged(of_route, of_stream));
        }
        wishes
    }

    /// Notes the host that was chosen, where the cluster wants that.
    pub(super) fn note_chosen(&self, cluster: &WorkerCluster, host: &WorkerHost) {
        let Some(overrides) = &cluster.settings().lb.override_hosts else {
            return;
        };
        if let Some((namespace, fields)) = overrides.note(&host.host().shown_address()) {
            let mut state = self.exchange.state.borrow_mut();
            state.info.dynamic_metadata_mut().merge(namespace, fields);
        }
    }

    /// Our answer in the place of a host's, for overload.
    #[cold]
    pub(super) fn shed(&self) -> Stop {
        let stats = &self.exchange.manager.stats.router;
        stats.rq_overload_local_reply.inc();
        Stop::Reply(Box::new(overloaded()))
    }

    /// Turns a request away if chance says so.
    #[cold]
    pub(super) fn drop_overload(&self, cluster: &Rc<WorkerCluster>) -> Result<(), Stop> {
        let share = cluster.shared().drop_share();
        let random = self.exchange.manager.worker.random_u64();
        // The upper 53 bits are all that a double holds.
        let point = (random >> 11) as f64 / (1_u64 << 53) as f64;
        if point >= share {
            return Ok(());
        }
        cluster.shared().dropped().count_overload();
        let state = self.exchange.state.borrow();
        let counts = self.config.dynamic_stats && !state.info.health_check;
        Account::new(Rc::clone(cluster), &state.request, counts, None).charge(503);
        let (text, details, flag, header) = match share >= 1.0 {
            true => (
                "unconditional drop overload",
                "unconditional_drop_overload",
                ResponseFlags::UNCONDITIONAL_DROP_OVERLOAD,
                Known::XEnvoyUnconditionalDropOverload,
            ),
            false => (
                "drop overload",
                "drop_overload",
                ResponseFlags::DROP_OVERLOAD,
                Known::XEnvoyDropOverload,
            ),
        };
        let mut reply = LocalReply::new(503, text.as_bytes(), details).with_flags(flag);
        if !self.config.suppress_envoy_headers {
            reply = reply.with_header(HeaderName::from(header), b"true".to_vec());
        }
        Err(Stop::Reply(Box::new(reply)))
    }
}

fn merged(of_route: Option<&Struct>, of_stream: &Struct) -> Struct {
    let mut merged = of_route.cloned().unwrap_or_default();
    for (name, value) in of_stream.fields() {
        merged.insert(name, value.clone());
    }
    merged
}
