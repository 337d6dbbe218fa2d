//! The message of the CSRF filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledStringMatcher, RuntimeFractionalPercent, StringMatcher};
use nuncio_contract::registry::RouteFilterConfig;

message! {
    /// The filter's config, and a route's.
    pub(super) struct CsrfPolicy: "envoy.extensions.filters.http.csrf.v3.CsrfPolicy" {
        filter_enabled: RuntimeFractionalPercent,
        shadow_enabled: Option<RuntimeFractionalPercent>,
        additional_origins: Vec<StringMatcher>,
    }
}

/// The compiled policy of a chain or a route.
pub(super) struct Policy {
    filter_enabled: RuntimeFractionalPercent,
    shadow_enabled: Option<RuntimeFractionalPercent>,
    additional_origins: Box<[CompiledStringMatcher]>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Policy>);

impl LevelConfig for Policy {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let policy = Policy::compile(any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(policy))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(Policy::compile(any.decode(ctx)?, ctx)?))
}

impl Policy {
    fn compile(message: CsrfPolicy, ctx: &mut Ctx) -> Result<Self, Refused> {
        let origins: Vec<_> = message
            .additional_origins
            .iter()
            .map(|matcher| CompiledStringMatcher::compile(matcher, ctx))
            .collect();
        Ok(Policy {
            filter_enabled: message.filter_enabled,
            shadow_enabled: message.shadow_enabled,
            additional_origins: origins.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// Whether what the request that draws this number does wrong is refused.
    pub(super) fn is_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        self.filter_enabled.chooses(random())
    }

    /// Whether it is at least counted.
    pub(super) fn is_shadow_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        let shadow = self.shadow_enabled.as_ref();
        shadow.is_some_and(|fraction| fraction.chooses(random()))
    }

    /// Whether requests may come from here besides the target's own origin.
    pub(super) fn allows(&self, source: &[u8]) -> bool {
        let mut origins = self.additional_origins.iter();
        origins.any(|origin| origin.matches(source))
    }
}
