//! The compiled config of the JWT authentication filter.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stream_info::StreamInfo;

use super::messages::{JwtAuthentication, PerRouteConfig, RequirementSpecifier, RequirementType};
use super::provider::Provider;
use super::requirement::{Providers, Requirement};
use super::rules::Conditions;

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Compiled>);

/// The same.
pub(super) struct Compiled {
    pub(super) providers: Box<[Provider]>,
    by_issuer: HashMap<Box<str>, usize>,
    requirements: Vec<Requirement>,
    /// Requests, and the place of what they are asked for; none: nothing.
    rules: Vec<(Conditions, Option<usize>)>,
    by_state: Option<(Box<str>, HashMap<String, usize>)>,
    named: HashMap<String, usize>,
    pub(super) bypasses_preflight: bool,
    pub(super) strips_answers: bool,
    pub(super) stat_prefix: Box<str>,
}

/// What a route asks for.
pub(super) enum RouteWish {
    Nothing,
    Named(Box<str>),
}

impl LevelConfig for RouteWish {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: JwtAuthentication = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(Compiled::compile(
        &message, ctx,
    )?))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: PerRouteConfig = any.decode(ctx)?;
    Ok(Arc::new(match &message.requirement_specifier {
        // The API's rules leave nothing but `true`.
        RequirementSpecifier::Disabled(true) => RouteWish::Nothing,
        RequirementSpecifier::Disabled(false) => return Err(Refused),
        RequirementSpecifier::Named(name) => RouteWish::Named(name.as_str().into()),
    }))
}

impl Compiled {
    fn compile(message: &JwtAuthentication, ctx: &mut Ctx) -> Result<Self, Refused> {
        let all = message.providers.iter();
        let all: Vec<_> = all
            .map(|(name, it)| Provider::compile(name, it, ctx))
            .collect();
        let all: Box<[Provider]> = all.into_iter().collect::<Result<_, _>>()?;
        let names = message.providers.iter().enumerate();
        let names = names.map(|(at, (name, _))| (name.clone(), at)).collect();
        let mut by_issuer = HashMap::new();
        for (at, provider) in all.iter().enumerate() {
            by_issuer.entry(provider.issuer.clone()).or_insert(at);
        }
        let mut compiled = Compiled {
            providers: Box::default(),
            by_issuer,
            requirements: Vec::new(),
            rules: Vec::new(),
            by_state: None,
            named: HashMap::new(),
            bypasses_preflight: message.bypass_cors_preflight,
            strips_answers: message.strip_failure_response,
            stat_prefix: message.stat_prefix.as_str().into(),
        };
        let providers = Providers {
            names: &names,
            all: &all,
        };
        compiled.add_requirements(message, &providers, ctx)?;
        compiled.providers = all;
        Ok(compiled)
    }

    fn add_requirements(
        &mut self,
        message: &JwtAuthentication,
        providers: &Providers<'_>,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        for (name, requirement) in &message.requirement_map {
            let at = self.add(requirement.compile(providers, ctx)?);
            self.named.insert(name.clone(), at);
        }
        for rule in &message.rules {
            let conditions = Conditions::compile(&rule.r#match, ctx)?;
            let at = match &rule.requirement_type {
                None => None,
                Some(RequirementType::Requires(requirement)) => {
                    Some(self.add(requirement.compile(providers, ctx)?))
                }
                Some(RequirementType::Named(name)) => match self.named.get(&name.value) {
                    Some(at) => Some(*at),
                    None => {
                        let text = format!(
                            "Wrong requirement_name: {}. It should be one of [{}]",
                            name.value,
                            self.names()
                        );
                        ctx.error(name.span, text);
                        return Err(Refused);
                    }
                },
            };
            self.rules.push((conditions, at));
        }
        if let Some(rule) = &message.filter_state_rules {
            let mut by_value = HashMap::new();
            for (value, requirement) in &rule.requires {
                let at = self.add(requirement.compile(providers, ctx)?);
                by_value.insert(value.clone(), at);
            }
            self.by_state = Some((rule.name.as_str().into(), by_value));
        }
        Ok(())
    }

    fn add(&mut self, requirement: Requirement) -> usize {
        self.requirements.push(requirement);
        self.requirements.len() - 1
    }

    /// The names of requirements, for messages.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<_> = self.named.keys().map(String::as_str).collect();
        names.sort_unstable();
        names.join(",")
    }

    pub(super) fn requirement(&self, at: usize) -> Option<&Requirement> {
        self.requirements.get(at)
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.named.get(name).copied()
    }

    /// What a request is asked for where its route says nothing.
    pub(super) fn find(&self, request: &HeaderMap, info: &StreamInfo) -> Option<usize> {
        let mut rules = self.rules.iter();
        if let Some((_, at)) = rules.find(|(conditions, _)| conditions.match_request(request)) {
            return *at;
        }
        let (name, by_value) = self.by_state.as_ref()?;
        let object = info.object(name)?;
        by_value.get(&object.serialize_as_string()?).copied()
    }

    /// The provider whose tokens these are; else the one that takes all.
    pub(super) fn by_issuer(&self, issuer: &str) -> Option<usize> {
        let found = self.by_issuer.get(issuer);
        found.or_else(|| self.by_issuer.get("")).copied()
    }
}
