//! `envoy.clusters.aggregate`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};

message! {
    /// A cluster whose hosts are those of others.
    pub(crate) struct AggregateCluster: "envoy.extensions.clusters.aggregate.v3.ClusterConfig" {
        pub(crate) clusters: Vec<String>,
    }
}

/// The names of the clusters.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<Arc<[Box<str>]>, Refused> {
    let message: AggregateCluster = any.decode(ctx)?;
    let names = message.clusters.into_iter().map(String::into_boxed_str);
    Ok(names.collect())
}
