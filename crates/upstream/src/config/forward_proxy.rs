//! `envoy.clusters.dynamic_forward_proxy`. Not there, and so refused: coalesced connections.

use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::forward_proxy::{DnsCacheConfig, DnsCacheSettings};

use super::Cluster;
use super::http_options::HttpProtocolOptions;
use super::load_balancing::old::LbPolicyName;
use crate::cluster::ProvidedSettings;
use crate::forward_proxy::SubClustersSettings;
use crate::server_names::AutoNames;

message! {
    /// A cluster whose hosts are whatever names requests ask for.
    pub(crate) struct ForwardProxyCluster: "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig" {
        pub(crate) oneof cluster_implementation_specifier: Option<Implementation>,
        pub(crate) allow_insecure_cluster_options: bool,
    }
}

one_of! {
    /// How hosts are learned.
    pub(crate) enum Implementation {
        dns_cache_config => Cache(DnsCacheConfig),
        sub_clusters_config => SubClusters(SubClustersConfig),
    }
}

message! {
    /// A cluster for each host and port.
    pub(crate) struct SubClustersConfig: "envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig" {
        pub(crate) lb_policy: Spanned<LbPolicyName>,
        pub(crate) max_sub_clusters: Option<u32>,
        pub(crate) sub_cluster_ttl: Option<Duration>,
        inert preresolve_clusters = "Envoy makes no clusters of them either",
    }
}

/// How hosts are learned, and whether connections may go without names of their own.
pub(super) fn read(any: &Any, ctx: &mut Ctx) -> Result<(ProvidedSettings, bool), Refused> {
    let message: ForwardProxyCluster = any.decode(ctx)?;
    let settings = match &message.cluster_implementation_specifier {
        None => ProvidedSettings::ForwardProxy(Box::new(DnsCacheSettings::unnamed(ctx)?)),
        Some(Implementation::Cache(cache)) => {
            ProvidedSettings::ForwardProxy(Box::new(cache.compile(ctx)?))
        }
        Some(Implementation::SubClusters(config)) => {
            ProvidedSettings::SubClusters(Box::new(config.compile(ctx)?))
        }
    };
    Ok((settings, message.allow_insecure_cluster_options))
}

impl SubClustersConfig {
    fn compile(&self, ctx: &mut Ctx) -> Result<SubClustersSettings, Refused> {
        let lb_policy = match self.lb_policy.value {
            LbPolicyName::RoundRobin => 0,
            LbPolicyName::LeastRequest => 1,
            LbPolicyName::RingHash => 2,
            LbPolicyName::Random => 3,
            LbPolicyName::Maglev => 5,
            LbPolicyName::Extension => 7,
            LbPolicyName::ClusterProvided => {
                let text = "unsupported lb_policy 'CLUSTER_PROVIDED' in sub_cluster_config";
                ctx.error(self.lb_policy.span, text);
                return Err(Refused);
            }
        };
        let most = self.max_sub_clusters.unwrap_or(1024);
        Ok(SubClustersSettings {
            lb_policy,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            ttl: self.sub_cluster_ttl.unwrap_or(Duration::from_secs(300)),
            names: DnsCacheSettings::unnamed(ctx)?,
        })
    }
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
