//! Where a request is sent, and as what: cluster, timeouts, and each step of its rewriting.

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::matching::plain;
use nuncio_contract::stream_info::{ClusterDescription, ResponseFlags};
use nuncio_upstream::cluster::ClusterShared;
use nuncio_upstream::{ClusterId, ClusterManager, ConnectionName};

use super::chance::Chosen;
use super::changes::{Change, Snapshot};
use crate::config::router::RouterConfig;
use crate::connection_manager::{ConnectionManagerConfig, upgrades};
use crate::exchange::{Tunnel, TunnelKind};
use crate::route::{Action, ClusterChoice, Forward, HostRewritten, Level, SourceOfCluster};
use crate::router;
use crate::stream::{StreamRoute, StreamState};

/// A request's way to a cluster.
pub struct Forwarding {
    /// The cluster.
    pub cluster: ClusterTold,
    /// The time for the whole response; none for no limit.
    pub timeout: Option<Duration>,
    /// Whether the client asked for that timeout (`x-envoy-upstream-rq-timeout-ms`).
    pub timeout_is_clients: bool,
    /// What it becomes if it is to be no exchange of HTTP; then the timeout is for the answer that opens it.
    pub tunnel: Option<TunnelTold>,
    /// The stream's idle timeout; none for no limit.
    pub idle_timeout: Option<Duration>,
    /// Whether it is the route's own, and not the connection manager's.
    pub idle_timeout_is_routes: bool,
    /// What is done to the head, in order; steps that change nothing are left out.
    pub steps: Vec<Step>,
    /// `:authority` as it is sent.
    pub host: String,
    /// `:path` as it is sent.
    pub path: String,
    /// The name that the request chooses for its connection (`auto_sni`, `auto_san_validation`).
    pub connection_name: Option<ConnectionName>,
    /// Whether the host becomes the name of the upstream's host, once that is chosen (`auto_host_rewrite`).
    pub takes_upstreams_name: bool,
}

/// What a request may become instead of an exchange of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelTold {
    /// A tunnel, once the host answers 101.
    Upgrade,
    /// A tunnel, once the host answers 2xx.
    Connect,
    /// Bytes on a connection of their own: no HTTP goes to the host.
    EndsHere,
}

impl TunnelTold {
    fn of(forward: &Forward, request: &HeaderMap) -> Option<Self> {
        if forward
            .upgrades
            .as_ref()
            .is_some_and(|it| it.ends_here(request))
        {
            return Some(TunnelTold::EndsHere);
        }
        upgrades::asked(request)?;
        Some(match Tunnel::asked_by(request, None).kind {
            TunnelKind::Connect => TunnelTold::Connect,
            TunnelKind::WebSocket | TunnelKind::Upgrade => TunnelTold::Upgrade,
        })
    }
}

/// The cluster of a request.
pub struct ClusterTold {
    /// How it is chosen.
    pub how: HowChosen,
    /// Its name.
    pub name: String,
    /// Its slot.
    pub id: ClusterId,
}

/// How a cluster is chosen.
pub enum HowChosen {
    /// The route names it.
    Named,
    /// This header names it.
    Header(String),
    /// This plugin chooses it.
    Plugin(String),
    /// By weight: name and weight of each, and which was picked.
    Weighted {
        /// Names and weights.
        shares: Vec<(String, u64)>,
        /// The place of the picked one.
        picked: usize,
    },
}

/// A step of the rewriting.
pub struct Step {
    /// Who does it: the router, or a level of the route.
    pub by: &'static str,
    /// What it changes.
    pub changes: Vec<Change>,
}

impl Forwarding {
    /// Does to `state` what the router does, and tells it; or the answer where there is no such cluster.
    pub(super) fn tell(
        forward: &Forward,
        config: &RouterConfig,
        (manager, clusters): (&ConnectionManagerConfig, &ClusterManager),
        state: &mut StreamState,
        services: &Chosen,
    ) -> Result<Self, (&'static str, Box<LocalReply>)> {
        let cluster = cluster(forward, clusters, state)?;
        let keeps_envoy_headers = !config.suppress_envoy_headers;
        state.info.attempt_count = Some(1);
        state.info.upstream_cluster = clusters.get(cluster.id).as_deref().map(description);
        let timeout_is_clients = state.request.contains(Known::XEnvoyUpstreamRqTimeoutMs)
            || (config.respect_expected_rq_timeout
                && state.request.contains(Known::XEnvoyExpectedRqTimeoutMs));
        let tunnel = TunnelTold::of(forward, &state.request);
        let waits_for_ever = upgrades::asked(&state.request).is_some()
            && Tunnel::asked_by(&state.request, None).kind != TunnelKind::WebSocket;
        let mut steps = Steps::default();
        let timeout = steps.take("router", state, |state| {
            router::take_wishes(state, forward, config).timeout
        });
        let route = state.route.clone();
        let named = named_levels(&route);
        router::for_levels(&route, |level| {
            let name = named.iter().find(|(_, one)| std::ptr::eq(*one, level));
            let name = name.map_or("route", |(name, _)| *name);
            steps.take(name, state, |state| {
                router::mutate_request(level, state, services);
            });
        });
        steps.take("host rewrite", state, |state| {
            router::rewrite_host(state, forward, keeps_envoy_headers, services);
        });
        steps.take("path rewrite", state, |state| {
            router::rewrite_path(state, forward, keeps_envoy_headers, services);
        });
        steps.take("router", state, |state| {
            router::take_late_wishes(&mut state.request);
        });
        if tunnel == Some(TunnelTold::Connect)
            && let Some(reply) = router::path_refusal(&state.request)
        {
            return Err((
                "the route gives CONNECT a path, which it cannot have",
                Box::new(reply),
            ));
        }
        let connection_name = connection_name(&cluster, clusters, state);
        let text = |known| plain(state.request.get(known).unwrap_or_default());
        Ok(Forwarding {
            cluster,
            connection_name,
            timeout: timeout.filter(|_| !waits_for_ever),
            timeout_is_clients: timeout_is_clients && !waits_for_ever,
            tunnel,
            idle_timeout: match forward.idle_timeout {
                Some(own) => (!own.is_zero()).then_some(own),
                None => manager.timeouts.stream_idle,
            },
            idle_timeout_is_routes: forward.idle_timeout.is_some(),
            steps: steps.0,
            host: text(Known::Authority),
            path: text(Known::Path),
            takes_upstreams_name: matches!(
                forward.rewrite_host(&state.request),
                HostRewritten::UpstreamHostname
            ),
        })
    }
}

/// What the request asks of its connection.
fn connection_name(
    cluster: &ClusterTold,
    clusters: &ClusterManager,
    state: &mut StreamState,
) -> Option<ConnectionName> {
    let shared = clusters.get(cluster.id)?;
    let auto = shared.settings.http.auto_names.as_deref()?;
    auto.choose(&state.request, state.info.filter_state_mut())
}

/// The levels of a route with their names, most specific first.
pub(super) fn named_levels(route: &StreamRoute) -> Vec<(&'static str, &Level)> {
    let Some(index) = route.index else {
        return Vec::new();
    };
    let choice = match (route.table.action(index), route.picked) {
        (Action::Forward(forward), Some(picked)) => forward.weighted_level(picked),
        _ => None,
    };
    route.table.named_levels(index, choice)
}

/// The steps that changed something.
#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn take<T>(
        &mut self,
        by: &'static str,
        state: &mut StreamState,
        step: impl FnOnce(&mut StreamState) -> T,
    ) -> T {
        let before = Snapshot::of(&state.request);
        let result = step(state);
        let changes = before.changes_to(&Snapshot::of(&state.request));
        if !changes.is_empty() {
            self.0.push(Step { by, changes });
        }
        result
    }
}

fn cluster(
    forward: &Forward,
    clusters: &ClusterManager,
    state: &StreamState,
) -> Result<ClusterTold, (&'static str, Box<LocalReply>)> {
    let missing = |why| {
        let status = forward.cluster_not_found_status;
        let reply = LocalReply::new(status, b"".as_slice(), "cluster_not_found")
            .with_flags(ResponseFlags::NO_CLUSTER_FOUND);
        Err((why, Box::new(reply)))
    };
    let (id, name) = match forward.cluster(state.route.picked, state.route.named.as_deref()) {
        ClusterChoice::Named { id, name } => (Some(id), name.to_owned()),
        ClusterChoice::ByName(name) => {
            let id = std::str::from_utf8(name)
                .ok()
                .and_then(|name| clusters.find(name));
            (id, plain(name))
        }
        ClusterChoice::Missing => {
            return missing("the header that names the cluster (`cluster_header`) is missing");
        }
    };
    let Some(id) = id.filter(|id| clusters.get(*id).is_some()) else {
        return missing("there is no cluster of the name that the route gives");
    };
    let how = match forward.source() {
        SourceOfCluster::Named => HowChosen::Named,
        SourceOfCluster::Header(name) => HowChosen::Header(name.as_str().to_owned()),
        SourceOfCluster::Plugin(name) => HowChosen::Plugin(name.to_owned()),
        SourceOfCluster::Weighted(shares) => HowChosen::Weighted {
            shares,
            picked: state.route.picked.unwrap_or_default(),
        },
    };
    Ok(ClusterTold { how, name, id })
}

fn description(cluster: &ClusterShared) -> Rc<ClusterDescription> {
    let settings = &cluster.settings;
    Rc::new(ClusterDescription {
        name: settings.name.clone(),
        observability_name: settings.stat_name().into(),
        metadata: settings.metadata.as_deref().cloned().unwrap_or_default(),
        audience: settings.audience.clone(),
    })
}
