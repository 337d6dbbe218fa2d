//! `envoy.clusters.dynamic_forward_proxy`. Not there, and so refused: `sub_clusters_config`, coalesced connections.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::forward_proxy::{DnsCacheConfig, DnsCacheSettings};

use super::Cluster;
use super::http_options::HttpProtocolOptions;
use crate::server_names::AutoNames;

message! {
    /// A cluster whose hosts are whatever names requests ask for.
    pub(crate) struct ForwardProxyCluster: "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig" {
        pub(crate) dns_cache_config: DnsCacheConfig,
        pub(crate) allow_insecure_cluster_options: bool,
    }
}

/// The cache of names, and whether connections may go without names of their own.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<(DnsCacheSettings, bool), Refused> {
    let message: ForwardProxyCluster = any.decode(ctx)?;
    let settings = message.dns_cache_config.compile(ctx)?;
    Ok((settings, message.allow_insecure_cluster_options))
}

/// Connections are named by requests unless the cluster says otherwise, which it has to be allowed to.
pub(super) fn name_connections(
    cluster: &Cluster,
    options: Option<&HttpProtocolOptions>,
    may_be_insecure: bool,
    names: &mut Option<Box<AutoNames>>,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    if options.is_none() && cluster.upstream_http_protocol_options.is_none() {
        *names = Some(Box::new(AutoNames {
            sni: true,
            san_validation: true,
            header: None,
        }));
    }
    let is_secure = names
        .as_ref()
        .is_some_and(|names| names.sni && names.san_validation);
    if is_secure || may_be_insecure {
        return Ok(());
    }
    let text = "dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set.";
    ctx.error(cluster.name.span, text)
        .note("without them a certificate for any name would do for every host");
    Err(Refused)
}
