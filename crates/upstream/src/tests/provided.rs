//! Clusters that choose hosts themselves: by address, and from other clusters.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::clock::SystemClock;
use nuncio_contract::stats::StatsStore;
use nuncio_net::dns::Resolvers;

use super::harness::on_worker;
use crate::cluster::{
    ClusterSettings, ClusterShared, ClusterType, HealthFlags, Host, HostSet, LbPolicy,
    ProvidedSettings,
};
use crate::discovery::{Chance, Discovery};
use crate::original_dst::OriginalDstSettings;
use crate::{
    ClusterManager, Destination, PickContext, TransportSocket, UpstreamErrorKind, WorkerClusters,
};

struct Proxy {
    manager: Arc<ClusterManager>,
    clusters: WorkerClusters,
}

impl Proxy {
    fn new() -> Self {
        let manager = Arc::new(ClusterManager::new(StatsStore::default()));
        let clusters = WorkerClusters::new(Arc::clone(&manager), Rc::new(SystemClock), 7);
        Proxy { manager, clusters }
    }

    fn add(&self, settings: ClusterSettings, hosts: &[(SocketAddr, u32, HealthFlags)]) {
        let shared = self
            .manager
            .prepare(settings, TransportSocket::RawBuffer, false);
        let host = |(address, priority, health): &(SocketAddr, u32, HealthFlags)| {
            Arc::new(Host::new(
                *address,
                "",
                1,
                *priority,
                Arc::default(),
                *health,
            ))
        };
        if !hosts.is_empty() {
            let hosts = hosts.iter().map(host).collect();
            shared.publish_hosts(Arc::new(HostSet::new(hosts)));
        }
        if shared.settings.cluster_type == ClusterType::OriginalDst {
            let resolvers = Resolvers::new(&None, &StatsStore::default());
            let chance: Chance = Rc::new(|| 0);
            let begun = Discovery::Requests(Arc::clone(&shared)).begin(&resolvers, &chance);
            assert!(begun.is_none(), "nothing is waited for");
        }
        self.manager.publish([shared]);
    }

    /// The address of the host that a request to the cluster goes to.
    fn pick(&self, name: &str, to: Option<SocketAddr>) -> Result<SocketAddr, UpstreamErrorKind> {
        let id = self.manager.find(name).expect("a cluster");
        let cluster = self.clusters.get(id).expect("a cluster");
        let destination = to.map(Destination::Address);
        let context = PickContext {
            destination: destination.as_ref(),
            ..PickContext::default()
        };
        let host = self.clusters.choose_host(&cluster, &context);
        host.map(|host| host.host().address)
            .map_err(|error| error.kind)
    }

    fn shared(&self, name: &str) -> Arc<ClusterShared> {
        let id = self.manager.find(name).expect("a cluster");
        self.manager.get(id).expect("a cluster")
    }

    fn count(&self, name: &str) -> usize {
        self.shared(name).hosts().iter().count()
    }

    /// How often its hosts have changed.
    fn changes(&self, name: &str) -> u64 {
        self.shared(name).generation()
    }
}

fn settings(name: &str, kind: ClusterType, provided: ProvidedSettings) -> ClusterSettings {
    let mut settings = ClusterSettings::named(name);
    settings.cluster_type = kind;
    settings.lb.policy = LbPolicy::ClusterProvided;
    settings.provided = Some(provided);
    settings
}

fn original_dst(cleanup_interval: Duration) -> ClusterSettings {
    let of = OriginalDstSettings {
        header: None,
        metadata: None,
        port: None,
        cleanup_interval,
    };
    let provided = ProvidedSettings::OriginalDst(Box::new(of));
    settings("od", ClusterType::OriginalDst, provided)
}

fn aggregate(of: &[&str]) -> ClusterSettings {
    let names = of.iter().map(|name| Box::from(*name)).collect();
    settings(
        "all",
        ClusterType::Aggregate,
        ProvidedSettings::Aggregate(names),
    )
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

const WELL: HealthFlags = HealthFlags::HEALTHY;
const ILL: HealthFlags = HealthFlags::FAILED_EDS_HEALTH;

#[test]
fn a_host_is_made_of_an_address_and_listed() {
    on_worker(async {
        let proxy = Proxy::new();
        proxy.add(original_dst(Duration::from_secs(600)), &[]);
        assert_eq!(proxy.pick("od", Some(address(1))), Ok(address(1)));
        assert_eq!(proxy.pick("od", Some(address(1))), Ok(address(1)));
        assert_eq!(proxy.pick("od", Some(address(2))), Ok(address(2)));
        let nobody = Err(UpstreamErrorKind::NoHealthyUpstream);
        assert_eq!(proxy.pick("od", None), nobody);
        while proxy.count("od") < 2 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_host_that_nobody_uses_goes_and_comes_again() {
    on_worker(async {
        let proxy = Proxy::new();
        proxy.add(original_dst(Duration::from_millis(1)), &[]);
        assert_eq!(proxy.pick("od", Some(address(1))), Ok(address(1)));
        // Once as it comes, once as it goes.
        while proxy.changes("od") < 2 || proxy.count("od") > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(proxy.pick("od", Some(address(1))), Ok(address(1)));
    });
}

#[test]
fn priorities_of_other_clusters_stand_one_behind_the_other() {
    on_worker(async {
        let proxy = Proxy::new();
        proxy.add(aggregate(&["missing", "one", "two"]), &[]);
        let nobody = Err(UpstreamErrorKind::NoHealthyUpstream);
        assert_eq!(proxy.pick("all", None), nobody);
        let two = [(address(3), 0, ILL), (address(4), 1, WELL)];
        proxy.add(ClusterSettings::named("two"), &two);
        assert_eq!(proxy.pick("all", None), Ok(address(4)));
        proxy.add(ClusterSettings::named("one"), &[(address(1), 0, WELL)]);
        assert_eq!(proxy.pick("all", None), Ok(address(1)));
        proxy.add(ClusterSettings::named("one"), &[(address(1), 0, ILL)]);
        assert_eq!(proxy.pick("all", None), Ok(address(4)), "it notices");
    });
}

#[test]
fn a_cluster_that_is_part_of_itself_has_no_host() {
    on_worker(async {
        let proxy = Proxy::new();
        proxy.add(aggregate(&["all"]), &[]);
        let nobody = Err(UpstreamErrorKind::NoHealthyUpstream);
        assert_eq!(proxy.pick("all", None), nobody);
    });
}
