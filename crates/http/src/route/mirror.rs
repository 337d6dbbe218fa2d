//! `request_mirror_policies` of routes: where copies of requests go.

use std::sync::Arc;

use nuncio_config::typed::Refused;
use nuncio_upstream::ClusterId;
use nuncio_upstream::mirror::RequestMirrorPolicy;

use super::RouteCompiler;

/// A policy of a route.
pub type Mirror = nuncio_upstream::mirror::Mirror<ClusterId>;

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
        let mirror = policy.compile(self.ctx, &mut *self.cluster_id)?;
        if let (Some(known), Some(cluster)) = (self.known_clusters, policy.named())
            && !known(&cluster.value)
        {
            let text = format!("route: unknown shadow cluster '{}'", cluster.value);
            self.ctx.error(cluster.span, text);
            return Err(Refused);
        }
        Ok(mirror)
    }
}
