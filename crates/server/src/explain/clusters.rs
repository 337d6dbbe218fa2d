//! Clusters that are only told about: made and shown; their names are resolved only when somebody asks for it.

use std::rc::Rc;

use nuncio_net::dns::Resolver;
use nuncio_upstream::cluster::ClusterSettings;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::{Discovery, Resolution, prepare};
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

/// Resolves each name once; on a local task set.
pub(crate) async fn resolve(names: Vec<Discovery>) {
    let resolver = Rc::new(Resolver::default());
    let begun: Vec<Resolution> = names
        .into_iter()
        .filter_map(|one| one.begin(&resolver))
        .collect();
    for one in &begun {
        one.warmed().await;
    }
}
