//! Where listeners and clusters come from beside the bootstrap: all that a source has, or the members of a collection
//! (`lds_resources_locator`, `cds_resources_locator`), whose servers speak delta or are asked for everything.
//!
//! Differs from Envoy: collections in files (`file:`) and directives (`#alt=`, `#entry=`), which Envoy takes for a part
//! of the name, are not supported.

use std::sync::Arc;

use nuncio_config::typed::{Attempt, Ctx, Refused, Spanned};
use nuncio_contract::config_source::{ConfigSource, ResourceSource, ServerSource};

use super::findings::left_out;
use crate::config::Bootstrap;
use crate::resource_name::ResourceName;

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "envoy.config.listener.v3.Listener";

/// What Envoy says of a collection whose source has none.
const NO_COLLECTIONS: &str = "Missing or not supported config source specifier in envoy::config::core::v3::ConfigSource for a collection. Only ADS and gRPC in delta-xDS mode are supported.";

/// Where listeners and clusters come from beside the bootstrap.
#[derive(Default)]
pub(crate) struct DynamicSources {
    /// Clusters.
    pub clusters: Option<ResourceSource>,
    /// The collection that they are members of, if not all are wanted.
    pub cluster_collection: Option<ResourceName>,
    /// Listeners.
    pub listeners: Option<ResourceSource>,
    /// The collection that they are members of, if not all are wanted.
    pub listener_collection: Option<ResourceName>,
    /// What of the node is in the context of collections.
    pub context_params: Vec<String>,
    /// The server of all that is asked of the one server.
    pub ads: Option<Arc<ServerSource>>,
    /// The server that says which hosts are to be checked.
    pub checks: Option<Arc<ServerSource>>,
    /// The server that is told of load.
    pub loads: Option<Arc<ServerSource>>,
}

/// What `dynamic_resources` says.
pub(super) fn sources(bootstrap: &Bootstrap, ctx: &mut Ctx) -> DynamicSources {
    let resources = match &bootstrap.dynamic_resources {
        Some(Attempt(Ok(resources))) => resources,
        Some(Attempt(Err(Refused))) => {
            left_out("what `dynamic_resources` would bring", ctx);
            return DynamicSources::default();
        }
        None => return DynamicSources::default(),
    };
    let mut source = |config: &Option<ConfigSource>, locator: &Spanned<String>, kind: &str| {
        let source = config.as_ref().map(|config| config.source(ctx).ok());
        let collection = match locator.value.is_empty() {
            true => Ok(None),
            false => collection(locator, kind, source.as_ref(), ctx).map(Some),
        };
        match collection {
            Ok(collection) => (source.flatten(), collection),
            Err(Refused) => (None, None),
        }
    };
    let of_clusters = &resources.cds_resources_locator;
    let (clusters, cluster_collection) = source(&resources.cds_config, of_clusters, CLUSTER);
    let of_listeners = &resources.lds_resources_locator;
    let (listeners, listener_collection) = source(&resources.lds_config, of_listeners, LISTENER);
    let ads = resources
        .ads_config
        .as_ref()
        .map(|ads| ads.server_of_all(ctx));
    DynamicSources {
        clusters,
        cluster_collection,
        listeners,
        listener_collection,
        context_params: bootstrap.node_context_params.clone(),
        ads: ads.and_then(Result::ok).map(Arc::new),
        checks: None,
        loads: None,
    }
}

/// A collection of a kind, which its source must be able to have. A source that is wrong itself has said so.
fn collection(
    locator: &Spanned<String>,
    kind: &str,
    source: Option<&Option<ResourceSource>>,
    ctx: &mut Ctx,
) -> Result<ResourceName, Refused> {
    if locator.value.starts_with("file:") {
        let what = "a collection of resources in a file";
        return Err(ctx.unsupported_here(locator.span, what));
    }
    let name = ResourceName::parse_locator(&locator.value, kind);
    if name.is_ok() && locator.value.contains('#') {
        let what = "a directive in the locator of a collection";
        return Err(ctx.unsupported_here(locator.span, what));
    }
    let wrong = match (name, source) {
        (Ok(name), Some(Some(ResourceSource::Ads { .. }) | None)) => return Ok(name),
        (Ok(name), Some(Some(ResourceSource::Server { server, .. }))) => {
            if server.is_delta {
                return Ok(name);
            }
            "Unknown xdstp:// transport API type in ".to_owned()
        }
        (Ok(_), _) => NO_COLLECTIONS.to_owned(),
        (Err(reason), _) => reason,
    };
    ctx.error(locator.span, wrong);
    Err(Refused)
}
