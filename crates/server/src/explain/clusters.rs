//! Clusters that are only told about: made and shown; their names are resolved only when somebody asks for it.

use std::rc::Rc;

use nuncio_contract::dns_resolver::ChosenResolver;
use nuncio_contract::stats::StatsStore;
use nuncio_net::dns::Resolvers;
use nuncio_upstream::cluster::ClusterSettings;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::{Chance, Discovery, Resolution, prepare};
use nuncio_upstream::{ClusterManager, TransportSocket};

/// Makes a cluster; its names if it has some to be resolved.
pub(crate) fn add_cluster(config: ClusterConfig, manager: &ClusterManager) -> Option<Discovery> {
    let prepared = prepare(manager, config, false);
    manager.publish([prepared.cluster]);
    prepared.discovery
}

/// Makes a cluster of which nothing but the name is known.
pub(super) fn add_name(name: &str, manager: &ClusterManager) {
    let settings = ClusterSettings::named(name);
    manager.publish([manager.prepare(settings, TransportSocket::default(), false)]);
}

/// Resolves each name once, but asks no hosts of Redis who there is, by `resolver` unless its cluster says otherwise; on a local task set.
pub(crate) async fn resolve(names: Vec<Discovery>, resolver: &ChosenResolver) {
    let resolvers = Resolvers::new(resolver, &StatsStore::default());
    // Nobody waits for a second time.
    let chance: Chance = Rc::new(|| 0);
    let begun: Vec<Resolution> = names
        .into_iter()
        .filter(|one| !matches!(one, Discovery::Redis(_)))
        .filter_map(|one| one.begin(&resolvers, &chance))
        .collect();
    for one in &begun {
        one.warmed().await;
    }
}
