//! The messages of the RBAC filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::rbac::{Engine, Place, Rules};

message! {
    /// The filter's config.
    pub(super) struct Rbac: "envoy.extensions.filters.network.rbac.v3.RBAC" {
        rules: Option<Rules>,
        shadow_rules: Option<Rules>,
        shadow_rules_stat_prefix: String,
        stat_prefix: String,
        enforcement_type: Enforcement,
        delay_deny: Option<Duration>,
        matcher: Option<MatcherMessage>,
        shadow_matcher: Option<MatcherMessage>,
    }
}

enumeration! {
    /// How often the rules are asked.
    pub(super) enum Enforcement: "envoy.extensions.filters.network.rbac.v3.RBAC.EnforcementType" {
        ONE_TIME_ON_FIRST_BYTE => Once,
        CONTINUOUS => EachTime,
    }
}

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) rules: Option<Engine>,
    pub(super) shadow: Option<Engine>,
    pub(super) shadow_prefix: Box<str>,
    pub(super) stat_prefix: Box<str>,
    pub(super) is_asked_once: bool,
    pub(super) delay: Option<Duration>,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: Rbac = any.decode(ctx)?;
    let mut compile = |rules: &Option<Rules>, tree: &Option<MatcherMessage>| {
        let (rules, tree) = (rules.as_ref(), tree.as_ref());
        let engine = Engine::compile(rules, tree, Place::Network, ctx)?;
        if let Some(rules) = rules
            && engine.as_ref().is_some_and(Engine::asks_for_headers)
        {
            ctx.error(
                rules.span(),
                "Found header rule,not supported by RBAC network filter",
            );
            return Err(Refused);
        }
        Ok(engine)
    };
    let rules = compile(&message.rules, &message.matcher);
    let shadow = compile(&message.shadow_rules, &message.shadow_matcher);
    Ok(Arc::new(Config(Arc::new(Settings {
        rules: rules?,
        shadow: shadow?,
        shadow_prefix: message.shadow_rules_stat_prefix.as_str().into(),
        stat_prefix: message.stat_prefix.trim_end_matches('.').into(),
        is_asked_once: message.enforcement_type == Enforcement::Once,
        delay: message.delay_deny.filter(|delay| !delay.is_zero()),
    }))))
}
