//! The filter's config and a route's, compiled.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::rbac::{Engine, Place};
use nuncio_contract::registry::RouteFilterConfig;

use super::messages::{Rbac, RbacPerRoute};

/// The compiled config of a chain or a level.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) rules: Option<Engine>,
    pub(super) shadow: Option<Engine>,
    pub(super) rules_stat_prefix: Box<str>,
    pub(super) shadow_stat_prefix: Box<str>,
    pub(super) counts_policies: bool,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

impl LevelConfig for Settings {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = Settings::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

/// A level without rules lets everything through.
pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: RbacPerRoute = any.decode(ctx)?;
    let settings = message
        .rbac
        .as_ref()
        .map(|rbac| Settings::compile(rbac, ctx));
    Ok(Arc::new(settings.transpose()?.unwrap_or_default()))
}

impl Settings {
    fn compile(message: &Rbac, ctx: &mut Ctx) -> Result<Self, Refused> {
        let rules = Engine::compile(
            message.rules.as_ref(),
            message.matcher.as_ref(),
            Place::Http,
            ctx,
        );
        let shadow = Engine::compile(
            message.shadow_rules.as_ref(),
            message.shadow_matcher.as_ref(),
            Place::Http,
            ctx,
        );
        Ok(Settings {
            rules: rules?,
            shadow: shadow?,
            rules_stat_prefix: message.rules_stat_prefix.as_str().into(),
            shadow_stat_prefix: message.shadow_rules_stat_prefix.as_str().into(),
            counts_policies: message.track_per_rule_stats,
        })
    }
}
