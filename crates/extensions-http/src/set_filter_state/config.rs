//! The message of the filter, of a chain or of a level of the route table.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::state_value::{FilterStateValue, StateValue};

message! {
    /// The filter's config, and a route's.
    pub(super) struct Config: "envoy.extensions.filters.http.set_filter_state.v3.Config" {
        on_request_headers: Vec<FilterStateValue>,
        clear_route_cache: bool,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Values {
    /// In order.
    pub(super) values: Vec<StateValue>,
    /// Whether the route is chosen anew behind them.
    pub(super) clears_route: bool,
}

/// The chain's config, shared by the workers.
#[derive(Clone)]
pub(super) struct ChainConfig(pub(super) Arc<Values>);

impl LevelConfig for Values {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    Ok(Arc::new(ChainConfig(Arc::new(Values::compile(any, ctx)?))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(Values::compile(any, ctx)?))
}

impl Values {
    fn compile(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: Config = any.decode(ctx)?;
        Ok(Values {
            values: StateValue::compile_all(&message.on_request_headers, ctx)?,
            clears_route: message.clear_route_cache,
        })
    }
}
