//! Resolving a cluster's names, again and again, for as long as the [`Resolution`] is held.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_net::dns::{Answer, DnsError, Resolver, Resolvers};
use nuncio_net::tasks::spawn_seldom;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::Chance;
use crate::cluster::{ClusterShared, ClusterType, HealthFlags, Host, HostSet};
use crate::config::{DnsSettings, EndpointSpec};

/// The names of one cluster, not resolved yet.
pub struct DnsDiscovery {
    cluster: Arc<ClusterShared>,
    endpoints: Vec<EndpointSpec>,
    dns: DnsSettings,
}

/// A cluster's names being resolved; ends when dropped.
pub struct Resolution {
    task: JoinHandle<()>,
    warm: Rc<Warm>,
}

/// Whether each name was resolved or has failed once.
#[derive(Default)]
pub(super) struct Warm {
    reached: Cell<bool>,
    changed: Notify,
}

/// What the names of one cluster have in common.
struct Shared {
    cluster: Arc<ClusterShared>,
    stats: Arc<ClusterUpdateStats>,
    dns: DnsSettings,
    resolver: Rc<Resolver>,
    chance: Chance,
    /// Hosts by endpoint.
    hosts: std::cell::RefCell<Vec<Vec<Arc<Host>>>>,
    unresolved: Cell<usize>,
    warm: Rc<Warm>,
}

impl DnsDiscovery {
    pub(super) fn new(
        cluster: Arc<ClusterShared>,
        endpoints: Vec<EndpointSpec>,
        dns: DnsSettings,
    ) -> Self {
        Self {
            cluster,
            endpoints,
            dns,
        }
    }

    /// Begins to resolve, on a local task of the calling thread, the main one.
    pub fn begin(self, resolvers: &Resolvers, chance: Chance) -> Resolution {
        let warm = Rc::default();
        let resolver = resolvers.find(&self.dns.resolver);
        let task = spawn_seldom(self.run(resolver, chance, Rc::clone(&warm)));
        Resolution { task, warm }
    }

    async fn run(self, resolver: Rc<Resolver>, chance: Chance, warm: Rc<Warm>) {
        let shared = Rc::new(Shared {
            stats: self.cluster.scope().worker_group(),
            cluster: self.cluster,
            dns: self.dns,
            resolver,
            chance,
            hosts: vec![Vec::new(); self.endpoints.len()].into(),
            unresolved: self.endpoints.len().into(),
            warm,
        });
        if self.endpoints.is_empty() {
            shared.warm.reach();
        }
        let mut names = JoinSet::new();
        for (index, endpoint) in self.endpoints.into_iter().enumerate() {
            names.spawn_local(Rc::clone(&shared).follow(index, endpoint));
        }
        while names.join_next().await.is_some() {}
    }
}

impl Resolution {
    /// What goes on in a task of another kind.
    pub(super) fn of(task: JoinHandle<()>, warm: Rc<Warm>) -> Self {
        Self { task, warm }
    }

    /// Waits until each name was resolved or has failed for the first time.
    pub fn warmed(&self) -> impl Future<Output = ()> + use<> {
        let warm = Rc::clone(&self.warm);
        async move {
            while !warm.reached.get() {
                warm.changed.notified().await;
            }
        }
    }
}

impl Drop for Resolution {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Warm {
    pub(super) fn reach(&self) {
        self.reached.set(true);
        self.changed.notify_one();
    }
}

impl Shared {
    /// Keeps one name resolved.
    async fn follow(self: Rc<Self>, index: usize, endpoint: EndpointSpec) {
        let mut failures = 0;
        let mut wait = self.resolve(index, &endpoint, &mut failures).await;
        self.unresolved.set(self.unresolved.get() - 1);
        if self.unresolved.get() == 0 {
            self.warm.reach();
        }
        loop {
            tokio::time::sleep(wait).await;
            wait = self.resolve(index, &endpoint, &mut failures).await;
        }
    }

    /// Resolves once; returns when to do so again.
    async fn resolve(&self, index: usize, endpoint: &EndpointSpec, failures: &mut u32) -> Duration {
        self.stats.update_attempt.inc();
        let answer = self
            .resolver
            .resolve(&endpoint.address, self.dns.family)
            .await;
        match self.accept(answer) {
            Some(answer) => {
                *failures = 0;
                self.stats.update_success.inc();
                self.update(index, endpoint, &answer.addresses);
                if self.cluster.settings.cluster_type == ClusterType::StrictDns {
                    self.cluster.count_weights();
                }
                self.refresh_after(answer.ttl)
            }
            None => {
                self.stats.update_failure.inc();
                let wait = self.retry_after(*failures);
                *failures = failures.saturating_add(1);
                wait
            }
        }
    }

    /// An empty answer is none for a logical name.
    fn accept(&self, answer: Result<Answer, DnsError>) -> Option<Answer> {
        let logical = self.cluster.settings.cluster_type == ClusterType::LogicalDns;
        answer
            .ok()
            .filter(|answer| !logical || !answer.addresses.is_empty())
    }

    fn update(&self, index: usize, endpoint: &EndpointSpec, addresses: &[IpAddr]) {
        let most = match self.cluster.settings.cluster_type {
            ClusterType::LogicalDns => 1,
            _ => usize::MAX,
        };
        let mut all = self.hosts.borrow_mut();
        let Some(known) = all.get_mut(index) else {
            return;
        };
        let mut hosts: Vec<Arc<Host>> = Vec::new();
        for address in addresses.iter().take(most) {
            let address = SocketAddr::new(*address, endpoint.port);
            if hosts.iter().any(|host| host.address == address) {
                continue;
            }
            let of_name = (most == 1).then(|| self.several(endpoint.port, addresses));
            let several = of_name.flatten();
            let is_same = |host: &&Arc<Host>| host.address == address && host.addresses == several;
            hosts.push(match known.iter().find(is_same) {
                Some(old) => Arc::clone(old),
                None => {
                    let mut host = self.new_host(endpoint, address.ip());
                    host.addresses = several;
                    Arc::new(host)
                }
            });
        }
        self.keep_healthy(known, &mut hosts);
        if same_hosts(known, &hosts) {
            self.stats.update_no_rebuild.inc();
            return;
        }
        *known = hosts;
        let set = HostSet::new(all.iter().flatten().cloned().collect());
        let set = set.with_options(self.cluster.settings.level_options);
        self.cluster.publish_hosts(Arc::new(set));
    }

    /// All addresses of a logical name, if there are several.
    fn several(&self, port: u16, addresses: &[IpAddr]) -> Option<Box<[SocketAddr]>> {
        let all = addresses.iter().map(|ip| SocketAddr::new(*ip, port));
        (addresses.len() > 1).then(|| all.collect())
    }

    /// LOGICAL_DNS does not care for checks, as in Envoy.
    fn new_host(&self, endpoint: &EndpointSpec, ip: IpAddr) -> Host {
        let host = endpoint.resolved_host(ip);
        if self.cluster.settings.cluster_type == ClusterType::StrictDns {
            await_check(&self.cluster, &host);
        }
        host
    }

    fn keep_healthy(&self, known: &[Arc<Host>], hosts: &mut Vec<Arc<Host>>) {
        let is_strict = self.cluster.settings.cluster_type == ClusterType::StrictDns;
        keep_healthy(&self.cluster, is_strict, known, hosts);
    }

    fn refresh_after(&self, ttl: Option<Duration>) -> Duration {
        let wait = match ttl {
            Some(ttl) if self.dns.respect_ttl && !ttl.is_zero() => {
                ttl.max(self.dns.min_refresh_rate)
            }
            _ => self.dns.refresh_rate,
        };
        let most_ms = u64::try_from(self.dns.jitter.as_millis()).unwrap_or(u64::MAX);
        match most_ms {
            0 => wait,
            most_ms => wait + Duration::from_millis((self.chance)() % most_ms),
        }
    }

    fn retry_after(&self, failures: u32) -> Duration {
        let Some((base, max)) = self.dns.failure_refresh else {
            return self.dns.refresh_rate;
        };
        let most = base.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        let most_ms = u64::try_from(most.min(max).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis((self.chance)() % most_ms.max(1))
    }
}

/// A host that is checked is no host to choose before it has passed.
pub(super) fn await_check(cluster: &ClusterShared, host: &Host) {
    let checks = cluster.settings.health_checks.as_ref();
    if let Some(checks) = checks.filter(|_| host.is_checked()) {
        let pending = match checks.excludes_new_hosts {
            true => HealthFlags::PENDING_ACTIVE_HC,
            false => HealthFlags::HEALTHY,
        };
        let failed = HealthFlags::FAILED_ACTIVE_HC.with(pending);
        host.change_health(failed, HealthFlags::HEALTHY);
    }
}

/// Hosts that pass their checks stay where that `counts`, though nobody names them now.
pub(super) fn keep_healthy(
    cluster: &ClusterShared,
    counts: bool,
    known: &[Arc<Host>],
    hosts: &mut Vec<Arc<Host>>,
) {
    let pending = HealthFlags::PENDING_DYNAMIC_REMOVAL;
    for host in &*hosts {
        host.change_health(HealthFlags::HEALTHY, pending);
    }
    let checks = cluster.settings.health_checks.as_ref();
    if !checks.is_some_and(|checks| counts && !checks.ignores_health_on_removal) {
        return;
    }
    for host in known {
        let flags = host.health();
        let is_bad = flags.contains(HealthFlags::FAILED_ACTIVE_HC)
            || flags.contains(HealthFlags::FAILED_EDS_HEALTH);
        if !is_bad && !hosts.iter().any(|new| Arc::ptr_eq(new, host)) {
            host.change_health(pending, HealthFlags::HEALTHY);
            hosts.push(Arc::clone(host));
        }
    }
}

/// Whether both are the same hosts, in whatever order the answer had them.
pub(super) fn same_hosts(known: &[Arc<Host>], now: &[Arc<Host>]) -> bool {
    let has = |host: &Arc<Host>| known.iter().any(|old| Arc::ptr_eq(old, host));
    known.len() == now.len() && now.iter().all(has)
}
