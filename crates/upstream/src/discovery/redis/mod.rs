//! Finding the hosts of a Redis cluster: one of them, whichever, is asked for `CLUSTER SLOTS` again and again, the first
//! time one that the configuration names.
//!
//! As in Envoy: names of the configuration are resolved once, to all their addresses; a name among the slots is its first
//! address, a primary without one makes nothing of the whole answer, and a replica without one is left out. Hosts take
//! after the first endpoint of the configuration.

mod link;
mod names;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::clock::SystemClock;
use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_net::dns::{Answer, DnsError, Resolver, Resolvers};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Chance;
use super::assignment::begin_again;
use super::dns::{Resolution, Warm, await_check, keep_healthy, same_hosts};
use crate::cluster::{ClusterShared, HealthFlags, Host, HostSet, Locality, Provided};
use crate::cluster_core::ClusterCore;
use crate::config::{DnsSettings, EndpointSpec};
use crate::redis_cluster::slots::{self, Node, SlotRange};
use crate::redis_cluster::{RedisCluster, Shard, Topology, TopologyRange, zones};
use crate::worker::WorkerHost;
use link::Links;
use names::Names;

/// A Redis cluster that is to be discovered.
pub struct RedisDiscovery {
    cluster: Arc<ClusterShared>,
    endpoints: Vec<EndpointSpec>,
    dns: DnsSettings,
}

/// What its tasks share.
struct Session {
    cluster: Arc<ClusterShared>,
    core: Rc<ClusterCore>,
    stats: Arc<ClusterUpdateStats>,
    dns: DnsSettings,
    resolver: Rc<Resolver>,
    chance: Chance,
    /// What hosts are like.
    model: Option<EndpointSpec>,
    /// The addresses of the configuration.
    seeds: RefCell<Vec<SocketAddr>>,
    seeded: Notify,
    hosts: RefCell<Vec<Arc<Host>>>,
    /// Those of them that were asked, by identity.
    asked: RefCell<HashMap<usize, Rc<WorkerHost>>>,
    warm: Rc<Warm>,
}

/// The zones of hosts.
type Zones = HashMap<SocketAddr, Box<str>>;

impl RedisDiscovery {
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

    /// Begins, on a local task of the calling thread, the main one.
    pub fn begin(self, resolvers: &Resolvers, chance: Chance) -> Resolution {
        let resolver = resolvers.find(&self.dns.resolver);
        Resolution::spawn(|warm| self.run(resolver, chance, warm))
    }

    async fn run(self, resolver: Rc<Resolver>, chance: Chance, warm: Rc<Warm>) {
        let core = ClusterCore::new(Arc::clone(&self.cluster), Rc::new(SystemClock));
        let session = Rc::new(Session {
            stats: self.cluster.scope().worker_group(),
            core: Rc::new(core),
            cluster: self.cluster,
            dns: self.dns,
            resolver,
            chance,
            model: self.endpoints.first().cloned(),
            seeds: RefCell::default(),
            seeded: Notify::new(),
            hosts: RefCell::default(),
            asked: RefCell::default(),
            warm,
        });
        let mut tasks = JoinSet::new();
        for endpoint in self.endpoints {
            tasks.spawn_local(Rc::clone(&session).seed(endpoint));
        }
        session.follow().await;
    }
}

impl Session {
    fn redis(&self) -> Option<&RedisCluster> {
        match self.cluster.provided()? {
            Provided::Redis(redis) => Some(redis),
            _ => None,
        }
    }

    /// Resolves a name of the configuration, until that succeeds.
    async fn seed(self: Rc<Self>, endpoint: EndpointSpec) {
        let Some(redis) = self.redis() else {
            return;
        };
        loop {
            let addresses = self.resolve(&endpoint.address).await;
            if !addresses.is_empty() {
                let at = |ip| SocketAddr::new(ip, endpoint.port);
                self.seeds
                    .borrow_mut()
                    .extend(addresses.into_iter().map(at));
                self.seeded.notify_one();
                return;
            }
            // As in Envoy nobody waits for a cluster whose name has no address.
            self.warm.reach();
            tokio::time::sleep(redis.settings.refresh_rate).await;
        }
    }

    /// The addresses of a name. That there are none is counted.
    async fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let answer = self.resolver.resolve(name, self.dns.family).await;
        self.counted(Some(answer))
    }

    /// The addresses of an answer; that there are none, or no answer in time, is counted.
    fn counted(&self, answer: Option<Result<Answer, DnsError>>) -> Vec<IpAddr> {
        let Some(Ok(answer)) = answer else {
            self.stats.update_failure.inc();
            return Vec::new();
        };
        if answer.addresses.is_empty() {
            self.stats.update_empty.inc();
        }
        answer.addresses
    }

    async fn follow(&self) {
        let Some(redis) = self.redis() else {
            return;
        };
        let mut links = Links::default();
        self.seeded.notified().await;
        loop {
            self.refresh(redis, &mut links).await;
            let due = Instant::now() + redis.settings.refresh_rate;
            self.wait(due, redis, &mut links).await;
        }
    }

    /// Waits until it is time to ask again, and lets go of connections that end meanwhile.
    async fn wait(&self, due: Instant, redis: &RedisCluster, links: &mut Links) {
        loop {
            let knows_none = self.hosts.borrow().is_empty();
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                () = redis.refresh.wanted() => return,
                () = self.seeded.notified(), if knows_none => return,
                () = poll_fn(|cx| links.poll_ended(cx)) => {}
            }
        }
    }

    /// Asks once.
    async fn refresh(&self, redis: &RedisCluster, links: &mut Links) {
        self.stats.update_attempt.inc();
        let Some(host) = self.next_host() else {
            return;
        };
        let answer = links.ask(host, redis.settings.refresh_timeout).await;
        let Some(ranges) = answer.as_ref().and_then(slots::read) else {
            self.stats.update_failure.inc();
            return;
        };
        let Some(ranges) = self.locate(ranges).await else {
            return;
        };
        let zones = match redis.settings.asks_for_zones {
            true => self.zones(redis, &ranges, links).await,
            false => Zones::new(),
        };
        self.accept(redis, ranges, &zones);
        links.keep(&self.hosts.borrow());
        self.warm.reach();
    }

    /// Whom to ask: a host of the cluster, or while none is known an address of the configuration.
    fn next_host(&self) -> Option<Rc<WorkerHost>> {
        let chosen = |count: usize| {
            let chance = (self.chance)().checked_rem(u64::try_from(count).ok()?)?;
            usize::try_from(chance).ok()
        };
        let hosts = self.hosts.borrow();
        let host = match hosts.is_empty() {
            false => Arc::clone(hosts.get(chosen(hosts.len())?)?),
            true => {
                let seeds = self.seeds.borrow();
                return Some(self.stranger(*seeds.get(chosen(seeds.len())?)?));
            }
        };
        Some(self.to_be_asked(host))
    }

    /// Whom to ask about a host of the cluster: always the same, as each has counters that the host keeps.
    fn to_be_asked(&self, host: Arc<Host>) -> Rc<WorkerHost> {
        let mut asked = self.asked.borrow_mut();
        let known = asked.entry(host.identity());
        let new = || Rc::new(WorkerHost::new(Rc::clone(&self.core), host));
        Rc::clone(known.or_insert_with(new))
    }

    /// The same at an address that is none of the cluster's yet.
    fn stranger(&self, address: SocketAddr) -> Rc<WorkerHost> {
        let host = Arc::new(self.new_host(address, None));
        Rc::new(WorkerHost::new(Rc::clone(&self.core), host))
    }

    /// The zones of all hosts that tell them.
    async fn zones(
        &self,
        redis: &RedisCluster,
        ranges: &[TopologyRange],
        links: &mut Links,
    ) -> Zones {
        let known = self.hosts.borrow().clone();
        let hosts = addresses(ranges).into_iter().map(|address| {
            let old = known.iter().find(|host| host.address == address);
            let known = old.map(|host| self.to_be_asked(Arc::clone(host)));
            known.unwrap_or_else(|| self.stranger(address))
        });
        let timeout = redis.settings.refresh_timeout;
        let answers = links.ask_all(hosts.collect(), timeout).await;
        let told = |(address, answer)| Some((address, zones::read(&answer)?));
        answers.into_iter().filter_map(told).collect()
    }

    /// Where a host stands.
    fn locality(&self, zone: Option<&str>) -> Arc<Locality> {
        let own = self.model.as_ref().map(|model| Arc::clone(&model.locality));
        let own = own.unwrap_or_default();
        zone.map_or_else(
            || Arc::clone(&own),
            |zone| {
                Arc::new(Locality {
                    zone: zone.into(),
                    ..Locality::clone(&own)
                })
            },
        )
    }

    fn new_host(&self, address: SocketAddr, zone: Option<&str>) -> Host {
        let locality = self.locality(zone);
        let model = self.model.clone();
        let model = model.map(|model| EndpointSpec {
            port: address.port(),
            others: Box::default(),
            hostname: "".into(),
            not_ip: None,
            locality: Arc::clone(&locality),
            ..model
        });
        model.map_or_else(
            || Host::new(address, "", 1, 0, locality, HealthFlags::HEALTHY),
            |model| model.host(address.ip()),
        )
    }

    /// The same with addresses; none if a primary has none, or there are too many names.
    async fn locate(&self, ranges: Vec<SlotRange>) -> Option<Vec<TopologyRange>> {
        let Some(names) = names::among(&ranges) else {
            self.stats.update_failure.inc();
            return None;
        };
        let names = match names.is_empty() {
            true => Names::new(),
            false => {
                let lookup = |name: Box<str>| {
                    let (resolver, family) = (Rc::clone(&self.resolver), self.dns.family);
                    async move { resolver.resolve(&name, family).await }
                };
                let first = |answer| self.counted(answer).first().copied();
                names::resolve(names, lookup, first).await
            }
        };
        let located = ranges.iter().map(|range| {
            let replicas = range.replicas.iter();
            let replicas = replicas.filter_map(|replica| address(replica, &names));
            Some(TopologyRange {
                first: range.first,
                last: range.last,
                shard: Shard {
                    primary: address(&range.primary, &names)?,
                    replicas: replicas.collect(),
                },
            })
        });
        located.collect()
    }

    /// Publishes the hosts that are named now, and who has which slots. As in Envoy a host of another zone is another one.
    fn accept(&self, redis: &RedisCluster, ranges: Vec<TopologyRange>, zones: &Zones) {
        let known = self.hosts.borrow().clone();
        let hosts = addresses(&ranges).into_iter().map(|address| {
            let zone = zones.get(&address).map(|zone| &**zone);
            let locality = self.locality(zone);
            let is_same = |old: &&Arc<Host>| old.address == address && old.locality == locality;
            known.iter().find(is_same).cloned().unwrap_or_else(|| {
                let host = self.new_host(address, zone);
                let old = known.iter().find(|old| old.address == address);
                Arc::new(match old {
                    Some(old) => begin_again(old, host, &self.cluster),
                    None => {
                        await_check(&self.cluster, &host);
                        host
                    }
                })
            })
        });
        let mut hosts: Vec<Arc<Host>> = hosts.collect();
        // One whose zone is another is not kept beside itself.
        let named: HashSet<_> = hosts.iter().map(|host| host.address).collect();
        let gone = known.iter().filter(|old| !named.contains(&old.address));
        let gone: Vec<_> = gone.cloned().collect();
        keep_healthy(&self.cluster, true, &gone, &mut hosts);
        let topology = Arc::new(Topology::new(ranges));
        if same_hosts(&known, &hosts) && *topology == *redis.topology() {
            self.stats.update_no_rebuild.inc();
            return;
        }
        self.hosts.borrow_mut().clone_from(&hosts);
        let kept: HashSet<_> = hosts.iter().map(|host| host.identity()).collect();
        let mut asked = self.asked.borrow_mut();
        asked.retain(|identity, _| kept.contains(identity));
        drop(asked);
        redis.set_topology(topology);
        let set = HostSet::new(hosts).with_options(self.cluster.settings.level_options);
        let _those_that_come_are_no_worse = redis.replace_bad(&set);
        self.cluster.publish_hosts(Arc::new(set));
        self.cluster.count_weights();
    }
}

fn address(node: &Node, names: &Names) -> Option<SocketAddr> {
    let ip = node.name.parse().ok();
    let ip = ip.or_else(|| names.get(&node.name).copied())?;
    Some(SocketAddr::new(ip, node.port))
}

/// All that are named, in the order in which they are.
fn addresses(ranges: &[TopologyRange]) -> Vec<SocketAddr> {
    let mut known = HashSet::new();
    let all = ranges.iter().flat_map(|range| {
        let primary = [&range.shard.primary].into_iter();
        primary.chain(&range.shard.replicas)
    });
    all.filter(|address| known.insert(**address))
        .copied()
        .collect()
}
