//! The messages of the json_to_metadata filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledRegex, RegexMatcher};
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::filter::{RequestStats, ResponseStats};
use crate::json_rules::{KeyValuePair, Rule, Target};

const DEFAULT_NAMESPACE: &str = "envoy.filters.http.json_to_metadata";
const DEFAULT_CONTENT_TYPE: &str = "application/json";

message! {
    /// The filter's config, and a route's.
    pub(super) struct JsonToMetadata: "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata" {
        request_rules: Option<MatchRules>,
        response_rules: Option<MatchRules>,
    }
}

message! {
    /// Rules, and the bodies that they are for.
    pub(super) struct MatchRules:
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata.MatchRules" {
        rules: Vec<Rule>,
        allow_content_types: Vec<String>,
        allow_empty_content_type: bool,
        allow_content_types_regex: Option<RegexMatcher>,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Rules {
    /// None where nothing is done with requests.
    pub(super) request: Option<Way>,
    /// None where nothing is done with responses.
    pub(super) response: Option<Way>,
}

/// The rules of a direction.
pub(super) struct Way {
    pub(super) rules: Box<[CompiledRule]>,
    content_types: Box<[Box<str>]>,
    content_type_regex: Option<CompiledRegex>,
    takes_untyped: bool,
}

pub(super) struct CompiledRule {
    /// The keys on the way to the object that has the last one.
    pub(super) path: Box<[Box<str>]>,
    pub(super) last_key: Box<str>,
    pub(super) present: Option<Target>,
    pub(super) missing: Option<Target>,
    pub(super) error: Option<Target>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Rules>);

impl LevelConfig for Rules {}

/// The scope of the counters, which all filters of the kind have in common.
pub(super) fn scope(root: &Scope) -> Option<Scope> {
    let scope = root.scope("json_to_metadata")?;
    scope.register::<RequestStats>();
    scope.register::<ResponseStats>();
    Some(scope)
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let rules = Rules::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(rules))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: JsonToMetadata = any.decode(ctx)?;
    let rules = Rules::compile(&message, ctx)?;
    if rules.request.is_none() && rules.response.is_none() {
        let text = "json_to_metadata_filter: Per route configs must at least specify one of request_rules or response_rules.";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(rules))
}

impl Rules {
    fn compile(message: &JsonToMetadata, ctx: &mut Ctx) -> Result<Self, Refused> {
        let request = message.request_rules.as_ref();
        let request = request.map(|rules| Way::compile(rules, ctx));
        let response = message.response_rules.as_ref();
        let response = response.map(|rules| Way::compile(rules, ctx));
        Ok(Rules {
            request: request.transpose()?,
            response: response.transpose()?,
        })
    }
}

impl Way {
    fn compile(message: &MatchRules, ctx: &mut Ctx) -> Result<Self, Refused> {
        let rules: Vec<_> = message
            .rules
            .iter()
            .map(|rule| CompiledRule::compile(rule, ctx))
            .collect();
        let regex = message.allow_content_types_regex.as_ref();
        let regex = regex.map(|regex| CompiledRegex::compile(regex, ctx));
        Ok(Way {
            rules: rules.into_iter().collect::<Result<_, _>>()?,
            content_types: match &*message.allow_content_types {
                [] => [DEFAULT_CONTENT_TYPE.into()].into(),
                types => types.iter().map(|name| name.as_str().into()).collect(),
            },
            content_type_regex: regex.transpose()?,
            takes_untyped: message.allow_empty_content_type,
        })
    }

    /// Whether bodies of this type, as the head has it, are looked into.
    pub(super) fn takes(&self, content_type: &[u8]) -> bool {
        if content_type.is_empty() {
            return self.takes_untyped;
        }
        let mut types = self.content_types.iter();
        let regex = self.content_type_regex.as_ref();
        types.any(|name| name.as_bytes() == content_type)
            || regex.is_some_and(|regex| regex.is_full_match(content_type))
    }
}

impl CompiledRule {
    fn compile(rule: &Rule, ctx: &mut Ctx) -> Result<Self, Refused> {
        if rule.on_present.is_none() && rule.on_missing.is_none() {
            let text = "json to metadata filter: neither `on_present` nor `on_missing` set";
            ctx.error(rule.span(), text);
            return Err(Refused);
        }
        for (pair, name) in [
            (&rule.on_missing, "on_missing"),
            (&rule.on_error, "on_error"),
        ] {
            if let Some(pair) = pair.as_ref().filter(|pair| pair.value_type.is_none()) {
                let text =
                    format!("json to metadata filter: cannot specify {name} rule with empty value");
                ctx.error(pair.span(), text);
                return Err(Refused);
            }
        }
        let mut path = rule.path();
        let target = |pair: &KeyValuePair| pair.target(DEFAULT_NAMESPACE);
        let last_key = path.pop().unwrap_or_default();
        Ok(CompiledRule {
            path: path.into(),
            last_key,
            present: rule.on_present.as_ref().map(target),
            missing: rule.on_missing.as_ref().map(target),
            error: rule.on_error.as_ref().map(target),
        })
    }
}
