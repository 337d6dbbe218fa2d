//! `request_mirror_policies`: where copies of requests go.

use std::sync::Arc;

use nuncio_config::typed::Refused;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_upstream::ClusterId;

use super::RouteCompiler;
use crate::config::resilience::RequestMirrorPolicy;

/// A policy.
#[derive(Debug)]
pub struct Mirror {
    /// The cluster of the copies.
    pub target: MirrorTarget,
    /// The share of requests; none for all.
    share: Option<RuntimeFractionalPercent>,
    /// What becomes of the host.
    pub host: MirrorHost,
}

/// The cluster of copies.
#[derive(Debug)]
pub enum MirrorTarget {
    /// The config names it.
    Named(ClusterId),
    /// A header of the request names it.
    Header(HeaderName),
}

/// The host of copies.
#[derive(Debug)]
pub enum MirrorHost {
    /// The request's, with `-shadow` behind its name.
    WithSuffix,
    /// The request's.
    Kept,
    /// This one.
    Literal(Box<[u8]>),
}

impl Mirror {
    /// Whether a request is copied.
    pub fn chooses(&self, random: u64) -> bool {
        let share = self.share.as_ref();
        share.is_none_or(|share| share.chooses(random))
    }
}

impl RouteCompiler<'_> {
    /// The policies of one level.
    pub(super) fn mirrors(
        &mut self,
        policies: &[RequestMirrorPolicy],
    ) -> Result<Arc<[Mirror]>, Refused> {
        let mirrors: Vec<_> = policies.iter().map(|policy| self.mirror(policy)).collect();
        mirrors.into_iter().collect()
    }

    fn mirror(&mut self, policy: &RequestMirrorPolicy) -> Result<Mirror, Refused> {
        let (cluster, header) = (&policy.cluster, &policy.cluster_header);
        let target = match (cluster.value.as_str(), header.value.as_str()) {
            ("", "") => Err("Exactly one of cluster or cluster_header need to be specified"),
            ("", name) => HeaderName::parse_with_pseudo(name)
                .map(MirrorTarget::Header)
                .map_err(|_| "it is not a header name"),
            (name, "") => Ok(MirrorTarget::Named((self.cluster_id)(name))),
            _ => Err("Only one of cluster or cluster_header can be specified"),
        };
        let target = target.map_err(|text| {
            self.ctx.error(policy.span(), text);
            Refused
        })?;
        if let Some(known) = self.known_clusters.filter(|_| header.value.is_empty())
            && !known(&cluster.value)
        {
            let text = format!("route: unknown shadow cluster '{}'", cluster.value);
            self.ctx.error(cluster.span, text);
            return Err(Refused);
        }
        Ok(Mirror {
            target,
            share: policy.runtime_fraction.clone(),
            host: match policy.host_rewrite_literal.as_str() {
                "" if policy.disable_shadow_host_suffix_append => MirrorHost::Kept,
                "" => MirrorHost::WithSuffix,
                host => MirrorHost::Literal(host.as_bytes().into()),
            },
        })
    }
}
