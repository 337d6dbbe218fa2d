//! Whom clusters, and virtual hosts, are asked for on demand: the messages that say it, see [`crate::on_demand`].
//!
//! Servers are asked by delta, as in Envoy, which breaks on others; `ads` either way. Refused is what `xdstp://` names
//! are needed for: `resources_locator`, and no source.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

use crate::config_source::{ConfigSource, ResourceSource};
use crate::on_demand::ClusterSource;

/// How long a cluster is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

message! {
    /// Whom the HTTP filter asks.
    pub struct OnDemandCds: "envoy.extensions.filters.http.on_demand.v3.OnDemandCds" {
        source: Option<ConfigSource>,
        resources_locator: Spanned<String>,
        timeout: Option<Duration>,
    }
}

impl OnDemandCds {
    /// Whom to ask.
    ///
    /// # Errors
    /// [`Refused`] when nobody can be asked.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<Arc<ClusterSource>, Refused> {
        let Some(source) = &self.source else {
            let what = "on-demand discovery of clusters without a source";
            return Err(ctx.unsupported_here(self.span(), what));
        };
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        compile_source(source, &self.resources_locator, timeout, ctx)
    }
}

/// Whom to ask, and for how long.
///
/// # Errors
/// [`Refused`] when nobody can be asked.
pub fn compile_source(
    config: &ConfigSource,
    locator: &Spanned<String>,
    timeout: Duration,
    ctx: &mut Ctx,
) -> Result<Arc<ClusterSource>, Refused> {
    if !locator.value.is_empty() {
        let what = "a collection of clusters by its locator";
        return Err(ctx.unsupported_here(locator.span, what));
    }
    let source = config.source(ctx)?;
    let is_delta = match &source {
        ResourceSource::Server { server, .. } => server.is_delta,
        ResourceSource::Ads { .. } => true,
        ResourceSource::File { .. } | ResourceSource::Rest { .. } => false,
    };
    if !is_delta {
        let what = "on-demand discovery of clusters but by `DELTA_GRPC` or `ads`";
        return Err(ctx.unsupported_here(config.span(), what));
    }
    Ok(Arc::new(ClusterSource {
        whom: Arc::new(source),
        timeout,
    }))
}

/// The route configuration whose virtual hosts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutesWith {
    /// Its name.
    pub name: Box<str>,
    /// Who has it, which need not be who has its hosts.
    pub source: ResourceSource,
}

/// The scopes of which one is asked for, by its name, to have its routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopesWith {
    /// What they are called together.
    pub name: Box<str>,
    /// Who has them.
    pub source: ResourceSource,
}

/// How long a request waits for a virtual host, or for the routes of a scope, is its own affair.
const NO_TIME_OF_ITS_OWN: Duration = Duration::from_secs(365 * 24 * 3600);

impl RoutesWith {
    /// As whom to ask.
    pub fn into_source(self) -> Arc<ClusterSource> {
        asked(self)
    }
}

impl ScopesWith {
    /// As whom to ask.
    pub fn into_source(self) -> Arc<ClusterSource> {
        asked(self)
    }
}

fn asked(whom: impl Any + Send + Sync) -> Arc<ClusterSource> {
    Arc::new(ClusterSource {
        whom: Arc::new(whom),
        timeout: NO_TIME_OF_ITS_OWN,
    })
}
