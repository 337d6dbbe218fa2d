//! `HeaderMutationRules`: which headers of a request a service may change. By default all but those that say where the
//! request goes, and those of Envoy.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::matching::CompiledRegex;

use super::messages::HeaderMutationRules;

/// Compiled rules.
#[derive(Debug)]
pub(super) struct Rules {
    allow_all_routing: bool,
    allow_envoy: bool,
    disallow_system: bool,
    disallow_all: bool,
    allow_expression: Option<CompiledRegex>,
    disallow_expression: Option<CompiledRegex>,
    /// Whether a change that is not allowed is an error, and not only left out.
    pub(super) is_error: bool,
}

impl Rules {
    pub(super) fn compile(message: &HeaderMutationRules, ctx: &mut Ctx) -> Result<Self, Refused> {
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
    pub(super) fn allow(&self, name: &HeaderName) -> bool {
        let is_in = |expression: &Option<CompiledRegex>| {
            expression
                .as_ref()
                .is_some_and(|regex| regex.is_full_match(name.as_bytes()))
        };
        if self.disallow_all || is_in(&self.disallow_expression) {
            return false;
        }
        if is_in(&self.allow_expression) {
            return true;
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
