//! `envoy.clusters.composite`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

message! {
    /// A cluster whose tries go to others in turn.
    pub(crate) struct CompositeCluster: "envoy.extensions.clusters.composite.v3.ClusterConfig" {
        clusters: Vec<ClusterEntry>,
    }
}

message! {
    /// One of them.
    struct ClusterEntry: "envoy.extensions.clusters.composite.v3.ClusterConfig.ClusterEntry" {
        name: String,
    }
}

/// The names of the clusters.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Arc<[Box<str>]>, Refused> {
    let message: CompositeCluster = any.decode(ctx)?;
    let names = message.clusters.into_iter();
    Ok(names.map(|entry| entry.name.into_boxed_str()).collect())
}
