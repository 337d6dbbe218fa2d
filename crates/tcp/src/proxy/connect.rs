//! Which cluster and host a connection goes to, and the attempts to connect to it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::on_demand::{ClusterSource, Found};
use nuncio_contract::stream_info::{ClientSource, ResponseFlags, StreamInfo, TCP_PROXY_CLUSTER};
use nuncio_upstream::cluster::{Provided, ResourcePriority};
use nuncio_upstream::forward_proxy::LookUp;
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::proxy_protocol::UpstreamProxyProtocol;

use nuncio_upstream::{
    Acquired, ConnectionName, Destination, Expected, UpstreamError, UpstreamErrorKind,
    UpstreamStream, WorkerCluster, WorkerHost,
};

use super::TcpProxy;
use super::balancing::HostWishes;
use super::config::Target;
use super::stats::OnDemandStats;

/// Why there is no host, in the words of Envoy's log.
const CONNECT_FAILED: NetworkClose = NetworkClose::now("tcp_initializion_failure:0");
const NO_HEALTHY_HOST: NetworkClose = NetworkClose::now("tcp_initializion_failure:1");
const RESOURCE_LIMIT: NetworkClose = NetworkClose::now("tcp_initializion_failure:2");
const NO_ROUTE: NetworkClose = NetworkClose::now("tcp_initializion_failure:3");

/// Tells outlier detection of a host that could not be connected to. What this side's socket said is not its fault.
fn report_failure(host: &WorkerHost, kind: UpstreamErrorKind) {
    match kind {
        UpstreamErrorKind::RemoteConnectionFailure => host.report(Outcome::Failed),
        UpstreamErrorKind::ConnectionTimeout => host.report(Outcome::TimedOut(504)),
        _ => {}
    }
}

/// Which cluster a connection is to go to.
enum Wanted<'c> {
    /// By its name.
    Named(String),
    /// One of the configuration's.
    Target(&'c Target),
}

impl Wanted<'_> {
    fn name(&self) -> &str {
        match self {
            Wanted::Named(name) => name,
            Wanted::Target(target) => &target.name,
        }
    }
}

impl TcpProxy {
    /// Which cluster a connection is to go to: one of those with weights, the one that a filter wants, or the configuration's.
    fn wanted(&self, info: &StreamInfo) -> Option<Wanted<'_>> {
        let named = match self.config.is_weighted {
            true => None,
            false => info.object(TCP_PROXY_CLUSTER),
        };
        let named = named.and_then(|object| object.serialize_as_string());
        match named {
            Some(name) => Some(Wanted::Named(name)),
            None => {
                let random = self.worker.services.random_u64();
                self.config.cluster(random).map(Wanted::Target)
            }
        }
    }

    /// That cluster, if it is there, and what its host has to be.
    fn cluster_of(
        &self,
        wanted: &Wanted<'_>,
        info: &StreamInfo,
    ) -> Option<(Rc<WorkerCluster>, HostWishes)> {
        let config = &self.config;
        let (id, own) = match wanted {
            Wanted::Named(name) => (self.worker.manager.find(name)?, None),
            Wanted::Target(target) => (target.id, target.metadata.as_deref()),
        };
        let own = own.or(config.metadata.as_deref());
        let mut wishes = HostWishes::of(info, config.hashed.as_ref(), own);
        let cluster = self.worker.clusters.get(id)?;
        wishes.destination = cluster.shared().destination_of(info).map(Box::new);
        Some((cluster, wishes))
    }

    /// Connects to a host.
    ///
    /// # Errors
    /// There is none, or it could not be connected to as often as was tried; the flags say what it was.
    pub(super) async fn connect(
        &self,
        info: &RefCell<StreamInfo>,
    ) -> Result<(UpstreamStream, Rc<WorkerCluster>), NetworkClose> {
        let mut attempts = 0;
        loop {
            let wanted = self.wanted(&info.borrow());
            if let (Some(source), Some(wanted)) = (&self.config.on_demand, &wanted) {
                self.ask_for(wanted.name(), source).await;
            }
            let chosen = wanted.and_then(|wanted| self.cluster_of(&wanted, &info.borrow()));
            let Some((cluster, wishes)) = chosen else {
                self.stats.downstream_cx_no_route.inc();
                info.borrow_mut().add_flags(ResponseFlags::NO_CLUSTER_FOUND);
                return Err(NO_ROUTE);
            };
            info.borrow_mut().upstream_cluster = Some(cluster.description());
            if !cluster.may_connect() {
                cluster.traffic_stats().upstream_cx_overflow.inc();
                info.borrow_mut()
                    .add_flags(ResponseFlags::UPSTREAM_OVERFLOW);
                return Err(RESOURCE_LIMIT);
            }
            if attempts >= self.config.most_attempts {
                let stats = cluster.traffic_stats();
                stats.upstream_cx_connect_attempts_exceeded.inc();
                info.borrow_mut()
                    .add_flags(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                return Err(CONNECT_FAILED);
            }
            attempts += 1;
            self.note_asked(&mut info.borrow_mut());
            let tried = self.attempt(&cluster, &wishes, info).await;
            // As in Envoy, where there is no host to connect to as well.
            info.borrow_mut().upstream.timing.pool_ready = Some(self.worker.services.now());
            match tried {
                Ok(stream) => {
                    info.borrow_mut().attempt_count = Some(attempts);
                    return Ok((stream, cluster));
                }
                Err(error) => self.failed(&error, attempts, &mut info.borrow_mut())?,
            }
            if let Some(pause) = self.pause(attempts) {
                self.worker.services.sleep(pause).await;
            }
        }
    }

    /// Has a cluster asked for that is not there, and waits for it.
    async fn ask_for(&self, name: &str, source: &Arc<ClusterSource>) {
        let services = &self.worker.services;
        if services.knows_cluster(name) {
            return;
        }
        let Some(clusters) = services.on_demand_clusters() else {
            return;
        };
        let stats: Arc<OnDemandStats> = self.config.scope.worker_group();
        stats.on_demand_cluster_attempt.inc();
        match clusters.find(source, name).await {
            Found::Available => stats.on_demand_cluster_success.inc(),
            Found::Missing => stats.on_demand_cluster_missing.inc(),
            Found::TimedOut => stats.on_demand_cluster_timeout.inc(),
        }
    }

    /// A host, whose name is resolved first where it is asked for by name.
    async fn choose_host(
        &self,
        cluster: &WorkerCluster,
        wishes: &HostWishes,
    ) -> Result<Rc<WorkerHost>, UpstreamError> {
        let clusters = &self.worker.clusters;
        let context = wishes.context();
        let chosen = clusters.choose_host(cluster, &context);
        let unresolved = |error: &UpstreamError| error.kind == UpstreamErrorKind::HostUnresolved;
        if !chosen.as_ref().is_err_and(unresolved) {
            return chosen;
        }
        let names = cluster.shared().provided();
        if let (Some(Provided::Names(names)), Some(Destination::Name(asked))) =
            (names, wishes.destination.as_deref())
            && let LookUp::Later(resolved) = names.look_up(asked)
        {
            let _tells_the_next_choice = resolved.await;
        }
        let no_host = || {
            cluster.traffic_stats().upstream_cx_none_healthy.inc();
            UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)
        };
        let chosen = clusters.choose_host(cluster, &context);
        chosen.map_err(|error| if unresolved(&error) { no_host() } else { error })
    }

    /// The name of a connection whose host is told of its client.
    fn name_client(
        &self,
        proxy: &UpstreamProxyProtocol,
        info: &StreamInfo,
    ) -> Option<ConnectionName> {
        let client = &info.connection;
        match &self.config.values {
            None => proxy.name(client, client.proxy_values.as_deref(), None),
            Some(added) => {
                let context = FormatContext::new(info, &*self.worker.services);
                proxy.name(client, Some(&added.of(&context)), None)
            }
        }
    }

    /// Notes when a host was first asked for.
    fn note_asked(&self, info: &mut StreamInfo) {
        let asked = &mut info.upstream.timing.pool_requested;
        asked.get_or_insert_with(|| self.worker.services.now());
    }

    async fn attempt(
        &self,
        cluster: &WorkerCluster,
        wishes: &HostWishes,
        info: &RefCell<StreamInfo>,
    ) -> Result<UpstreamStream, UpstreamError> {
        let host = self.choose_host(cluster, wishes).await?;
        info.borrow_mut()
            .upstream
            .add_attempted_host(host.description());
        let tunnel = self.config.tunnel.as_deref();
        let tunnel = tunnel.filter(|tunnel| tunnel.is_for(&info.borrow()));
        let proxy = host.proxy_protocol();
        let name = proxy.and_then(|proxy| self.name_client(proxy, &info.borrow()));
        let name = match ClientSource::wanted(&info.borrow()) {
            None => name,
            Some(source) => Some(ConnectionName::with_source(name, source)),
        };
        if let Some(preconnect) = cluster.settings().preconnect {
            let expected = Expected {
                priority: ResourcePriority::Default,
                client: tunnel.map(|_| None),
                name: name.as_ref(),
            };
            cluster.expect_more(preconnect, &expected);
        }
        let acquired = match (tunnel, name) {
            (None, None) => host.new_tcp_stream()?,
            (None, Some(name)) => host.new_tcp_stream_named(name)?,
            (Some(_), None) => host.new_stream(ResourcePriority::Default, None)?,
            (Some(_), Some(name)) => {
                host.new_stream_named(ResourcePriority::Default, name, None)?
            }
        };
        let acquired = match acquired {
            Acquired::Ready(ready) => Ok(ready),
            Acquired::Pending(pending) => pending.await,
        };
        let ready = acquired.inspect_err(|error| report_failure(&host, error.kind))?;
        host.report(Outcome::ConnectedFinally);
        let mut stream = ready.begin();
        stream.count_as_cut_short();
        if let Some(tunnel) = tunnel {
            let services = &*self.worker.services;
            Box::pin(tunnel.open(&mut stream, info, services)).await?;
        }
        let mut info = info.borrow_mut();
        info.upstream.connection_id = Some(stream.connection_id());
        info.upstream.local_address = stream.local_address();
        info.upstream.remote_address = Some(stream.host_address());
        Ok(stream)
    }

    /// Notes what went wrong; an error if there is no use in trying again.
    fn failed(
        &self,
        error: &UpstreamError,
        attempts: u32,
        info: &mut StreamInfo,
    ) -> Result<(), NetworkClose> {
        if error.kind != UpstreamErrorKind::NoHealthyUpstream {
            let reason = error.transport_failure_reason.as_deref();
            info.upstream.transport_failure_reason = reason.unwrap_or_default().to_owned().into();
            info.attempt_count = Some(attempts);
        }
        match error.kind {
            UpstreamErrorKind::NoHealthyUpstream => {
                info.add_flags(ResponseFlags::NO_HEALTHY_UPSTREAM);
                Err(NO_HEALTHY_HOST)
            }
            UpstreamErrorKind::Overflow if self.config.tunnel.is_none() => {
                // As in Envoy it was attempted, and is not the host.
                let attempted = std::mem::take(&mut info.upstream.hosts_attempted);
                info.upstream.begin_again();
                info.upstream.hosts_attempted = attempted;
                Ok(())
            }
            UpstreamErrorKind::Overflow | UpstreamErrorKind::LocalConnectionFailure => Ok(()),
            _ => {
                info.add_flags(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                Ok(())
            }
        }
    }

    /// How long to wait before the next attempt: longer each time, a random part of it.
    fn pause(&self, attempts: u32) -> Option<Duration> {
        let (base, most) = self.config.backoff?;
        let doubled = base.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let most_ms = u64::try_from(doubled.min(most).as_millis()).unwrap_or(u64::MAX);
        let drawn = self.worker.services.random_u64() % most_ms.max(1);
        Some(Duration::from_millis(drawn))
    }
}
