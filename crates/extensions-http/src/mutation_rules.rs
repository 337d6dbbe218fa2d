//! `HeaderMutationRules`: which headers a service may change. By default all but those that say where a request goes, and
//! those of Envoy. What an expression says comes before all else; the one that forbids comes first.

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::matching::{
    CompiledRegex, CompiledStringMatcher, RegexMatcher, StringMatcher,
};

message! {
    /// What a service may change.
    pub(crate) struct HeaderMutationRules: "envoy.config.common.mutation_rules.v3.HeaderMutationRules" {
        pub(crate) allow_all_routing: Option<bool>,
        pub(crate) allow_envoy: Option<bool>,
        pub(crate) disallow_system: Option<bool>,
        pub(crate) disallow_all: Option<bool>,
        pub(crate) allow_expression: Option<RegexMatcher>,
        pub(crate) disallow_expression: Option<RegexMatcher>,
        pub(crate) disallow_is_error: Option<bool>,
    }
}

message! {
    /// Any of several matchers.
    pub(crate) struct ListStringMatcher: "envoy.type.matcher.v3.ListStringMatcher" {
        pub(crate) patterns: Vec<StringMatcher>,
    }
}

impl ListStringMatcher {
    /// The matchers, compiled; none where there is no list.
    pub(crate) fn compile(
        list: Option<&Self>,
        ctx: &mut Ctx,
    ) -> Result<Box<[CompiledStringMatcher]>, Refused> {
        let patterns = list.map_or(&[][..], |list| &list.patterns);
        let compiled: Vec<_> = patterns
            .iter()
            .map(|pattern| CompiledStringMatcher::compile(pattern, ctx))
            .collect();
        compiled.into_iter().collect()
    }
}

/// Compiled rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    allow_all_routing: bool,
    allow_envoy: bool,
    disallow_system: bool,
    disallow_all: bool,
    allow_expression: Option<CompiledRegex>,
    disallow_expression: Option<CompiledRegex>,
    /// Whether a change that is not allowed is an error, and not only left out.
    pub(crate) is_error: bool,
}

impl Rules {
    pub(crate) fn compile(message: &HeaderMutationRules, ctx: &mut Ctx) -> Result<Self, Refused> {
        let allow = message.allow_expression.as_ref();
        let allow = allow.map(|it| CompiledRegex::compile(it, ctx));
        let disallow = message.disallow_expression.as_ref();
        let disallow = disallow.map(|it| CompiledRegex::compile(it, ctx));
        Ok(Rules {
            allow_all_routing: message.allow_all_routing == Some(true),
            allow_envoy: message.allow_envoy == Some(true),
            disallow_system: message.disallow_system == Some(true),
            disallow_all: message.disallow_all == Some(true),
            allow_expression: allow.transpose()?,
            disallow_expression: disallow.transpose()?,
            is_error: message.disallow_is_error == Some(true),
        })
    }

    /// Whether the header may be changed.
    pub(crate) fn allow(&self, name: &HeaderName) -> bool {
        let is_in = |expression: &Option<CompiledRegex>| {
            expression
                .as_ref()
                .is_some_and(|regex| regex.is_full_match(name.as_bytes()))
        };
        if is_in(&self.disallow_expression) {
            return false;
        }
        if is_in(&self.allow_expression) {
            return true;
        }
        if self.disallow_all {
            return false;
        }
        let routes = matches!(
            name.known(),
            Some(Known::Host | Known::Authority | Known::Scheme | Known::Method)
        );
        !(self.disallow_system && name.is_pseudo()
            || !self.allow_all_routing && routes
            || !self.allow_envoy && name.as_bytes().starts_with(b"x-envoy"))
    }
}
