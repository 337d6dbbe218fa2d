//! Rules: an action and policies, of which the first that matches counts.

use crate::cel::{Attributes, Expression, Options};
use crate::match_tree::MatcherMessage;
use crate::stream_info::StreamInfo;
use crate::stream_info::metadata::Value;
use nuncio_config::sorting;
use nuncio_config::typed::{Ctx, Refused};

use super::matcher::{Matcher, Request};
use super::messages::{Action, Rules};
use super::tree::{Place, Tree};

/// Compiled rules of either form.
pub enum Engine {
    /// As policies.
    Policies(Policies),
    /// As a tree of the matching API.
    Tree(Box<Tree>),
}

/// Compiled policies.
pub struct Policies {
    action: Action,
    /// By name.
    policies: Box<[Policy]>,
}

struct Policy {
    name: Box<str>,
    permissions: Matcher,
    principals: Matcher,
    /// What must be true as well.
    condition: Option<Expression>,
}

/// What rules say of a request.
pub struct Verdict<'e> {
    /// Whether it may go on.
    pub is_allowed: bool,
    /// The policy that counts. Envoy takes one without a name for none.
    pub policy: Option<&'e str>,
    /// Whether the request is to be logged, if the rules are about that.
    pub logs: Option<bool>,
}

impl Engine {
    /// Where there is a tree, rules beside it do not count, as in Envoy.
    pub fn compile(
        rules: Option<&Rules>,
        tree: Option<&MatcherMessage>,
        place: Place,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        if let (Some(rules), Some(_)) = (rules, tree) {
            ctx.warning(
                rules.span(),
                "RBAC rules are ignored when matcher is configured",
            );
        }
        match (rules, tree) {
            (_, Some(tree)) => {
                Tree::compile(tree, place, ctx).map(|tree| Some(Engine::Tree(Box::new(tree))))
            }
            (Some(rules), None) => {
                Policies::compile(rules, ctx).map(|policies| Some(Engine::Policies(policies)))
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether any policy asks for a header.
    pub fn asks_for_headers(&self) -> bool {
        let Engine::Policies(policies) = self else {
            return false;
        };
        let mut policies = policies.policies.iter();
        policies.any(|it| it.permissions.asks_for_headers() || it.principals.asks_for_headers())
    }

    /// What the rules say of a request.
    pub fn judge(&self, request: &Request<'_>) -> Verdict<'_> {
        match self {
            Engine::Policies(policies) => policies.judge(request),
            Engine::Tree(tree) => tree.judge(request),
        }
    }
}

impl Policies {
    fn compile(rules: &Rules, ctx: &mut Ctx) -> Result<Self, Refused> {
        let policies = rules.policies.iter().map(|(name, policy)| {
            let permissions = Matcher::any_permission(&policy.permissions, ctx);
            let principals = Matcher::any_principal(&policy.principals, ctx);
            let options = Options::of(policy.cel_config.as_ref());
            let condition = policy.condition.as_ref();
            let condition = condition
                .map(|it| Expression::of(it.tree(), options, it.span(), ctx))
                .transpose();
            Ok(Policy {
                name: name.as_str().into(),
                condition: condition?,
                permissions: permissions?,
                principals: principals?,
            })
        });
        let policies: Vec<_> = policies.collect();
        let mut policies = policies.into_iter().collect::<Result<Vec<Policy>, _>>()?;
        sorting::sort_by(&mut policies, |one, other| one.name.cmp(&other.name));
        Ok(Policies {
            action: rules.action,
            policies: policies.into(),
        })
    }

    fn judge(&self, request: &Request<'_>) -> Verdict<'_> {
        let policy = self.policies.iter().find(|policy| policy.matches(request));
        let is_matched = policy.is_some();
        Verdict {
            is_allowed: match self.action {
                Action::Allow => is_matched,
                Action::Deny => !is_matched,
                Action::Log => true,
            },
            policy: policy
                .map(|policy| &*policy.name)
                .filter(|name| !name.is_empty()),
            logs: (self.action == Action::Log).then_some(is_matched),
        }
    }
}

impl Policy {
    fn matches(&self, request: &Request<'_>) -> bool {
        self.permissions.matches(request)
            && self.principals.matches(request)
            && self.condition.as_ref().is_none_or(|condition| {
                condition.matches(&Attributes {
                    info: request.info,
                    request: Some(request.headers),
                    response: None,
                    trailers: None,
                    services: None,
                    lacks_response: None,
                })
            })
    }
}

impl Verdict<'_> {
    /// In the words of metadata.
    pub fn word(&self) -> Value {
        let word = if self.is_allowed { "allowed" } else { "denied" };
        Value::String(word.into())
    }

    /// Leaves for the access log whether the request is to be logged.
    pub fn hint(&self, info: &mut StreamInfo) {
        if let Some(logs) = self.logs {
            let hint = [("access_log_hint", Value::Bool(logs))];
            let metadata = info.dynamic_metadata_mut();
            metadata.merge("envoy.common", hint.into_iter().collect());
        }
    }
}
