//! `request_mirror_policies` of routes and clusters: where copies of requests go.
//!
//! Those of a cluster take the place of its routes'. Clusters that they name are looked up when a request is copied,
//! those of routes when the routes are loaded.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::header_steps::{Mutation, Step, steps};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::matching::RuntimeFractionalPercent;

message! {
    /// Where copies of requests go.
    pub struct RequestMirrorPolicy: "envoy.config.route.v3.RouteAction.RequestMirrorPolicy" {
        cluster: Spanned<String>,
        cluster_header: Spanned<String>,
        runtime_fraction: Option<RuntimeFractionalPercent>,
        disable_shadow_host_suffix_append: bool,
        host_rewrite_literal: String,
        request_headers_mutations: Vec<Mutation>,
        trace_sampled: Option<bool>,
    }
}

/// A policy that names its cluster by a `C`.
#[derive(Clone, Debug)]
pub struct Mirror<C> {
    /// The cluster of the copies.
    pub target: MirrorTarget<C>,
    /// The share of requests; none for all.
    share: Option<RuntimeFractionalPercent>,
    /// What becomes of the host.
    pub host: MirrorHost,
    /// Whether the copy's span is reported; none: as that of the request.
    pub trace_sampled: Option<bool>,
    /// Changes of the copy's headers, before its host is changed.
    pub changes: Arc<[Step]>,
}

/// The cluster of copies.
#[derive(Clone, Debug)]
pub enum MirrorTarget<C> {
    /// The config names it.
    Named(C),
    /// A header of the request names it.
    Header(HeaderName),
}

/// The host of copies.
#[derive(Clone, Debug)]
pub enum MirrorHost {
    /// The request's, with `-shadow` behind its name.
    WithSuffix,
    /// The request's.
    Kept,
    /// This one.
    Literal(Box<[u8]>),
}

impl<C> Mirror<C> {
    /// Whether a request is copied.
    pub fn chooses(&self, random: u64) -> bool {
        let share = self.share.as_ref();
        share.is_none_or(|share| share.chooses(random))
    }
}

impl RequestMirrorPolicy {
    /// The cluster that it names, if it names one.
    pub fn named(&self) -> Option<&Spanned<String>> {
        let is_named = self.cluster_header.value.is_empty() && !self.cluster.value.is_empty();
        is_named.then_some(&self.cluster)
    }

    /// The policy; `named` makes what is kept of the cluster that it names.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be used.
    pub fn compile<C>(
        &self,
        ctx: &mut Ctx,
        named: impl FnOnce(&str) -> C,
    ) -> Result<Mirror<C>, Refused> {
        let (cluster, header) = (&self.cluster, &self.cluster_header);
        let target = match (cluster.value.as_str(), header.value.as_str()) {
            ("", "") => Err("Exactly one of cluster or cluster_header in request mirror policy need to be specified".to_owned()),
            ("", name) => Ok(MirrorTarget::Header(HeaderName::to_look_up(name))),
            (name, "") => Ok(MirrorTarget::Named(named(name))),
            (name, header) => Err(format!(
                "Only one of cluster '{name}' or cluster_header '{header}' in request mirror policy can be specified"
            )),
        };
        let changes = steps(&self.request_headers_mutations, ctx);
        let target = target.map_err(|text| {
            ctx.error(self.span(), text);
            Refused
        })?;
        Ok(Mirror {
            target,
            share: self.runtime_fraction.clone(),
            trace_sampled: self.trace_sampled,
            changes: changes?,
            host: match self.host_rewrite_literal.as_str() {
                "" if self.disable_shadow_host_suffix_append => MirrorHost::Kept,
                "" => MirrorHost::WithSuffix,
                host => MirrorHost::Literal(host.as_bytes().into()),
            },
        })
    }
}

/// The policies of a cluster.
pub(crate) fn of_cluster(
    policies: &[RequestMirrorPolicy],
    ctx: &mut Ctx,
) -> Result<Arc<[Mirror<Box<str>>]>, Refused> {
    let mirrors: Vec<_> = policies
        .iter()
        .map(|policy| policy.compile(ctx, |name| name.into()))
        .collect();
    mirrors.into_iter().collect()
}
