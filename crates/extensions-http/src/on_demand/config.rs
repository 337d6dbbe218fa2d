//! The messages of the on-demand filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::on_demand::ClusterSource;
use nuncio_contract::on_demand_message::OnDemandCds;
use nuncio_contract::registry::RouteFilterConfig;

use super::filter::ChainConfig;

message! {
    /// The filter's config.
    pub(super) struct OnDemand: "envoy.extensions.filters.http.on_demand.v3.OnDemand" {
        odcds: Option<OnDemandCds>,
    }
}

message! {
    /// A route's config.
    pub(super) struct PerRouteConfig: "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig" {
        odcds: Option<OnDemandCds>,
    }
}

/// Who is asked for clusters, if somebody is.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Option<Arc<ClusterSource>>);

impl LevelConfig for Asked {}

fn asked(odcds: Option<&OnDemandCds>, ctx: &mut Ctx) -> Result<Asked, Refused> {
    let source = odcds.map(|odcds| odcds.compile(ctx)).transpose()?;
    Ok(Asked(source))
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: OnDemand = any.decode(ctx)?;
    let asked = asked(message.odcds.as_ref(), ctx)?;
    Ok(Arc::new(ChainConfig(asked)))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: PerRouteConfig = any.decode(ctx)?;
    Ok(Arc::new(asked(message.odcds.as_ref(), ctx)?))
}
