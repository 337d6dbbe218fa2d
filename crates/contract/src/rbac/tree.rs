//! `matcher` and `shadow_matcher`: rules as a tree of the matching API, whose actions have a name and say allow, deny or
//! log. What no action is found for is refused, as in Envoy.

use crate::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome, unknown_extension,
};
use nuncio_config::typed::{Ctx, Refused};

use super::engine::Verdict;
use super::matcher::Request;
use super::messages::{Action, TreeAction};

const ACTION: &str = "envoy.config.rbac.v3.Action";
/// What a tree may ask about.
const INPUTS: [&str; 13] = [
    "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
    "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
    "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
    "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "xds.type.matcher.v3.HttpAttributesCelMatchInput",
];

/// Compiled rules.
pub struct Tree {
    tree: MatchTree<Named>,
    /// Whether any action logs, so that each request says whether it is to be.
    logs: bool,
}

struct Named {
    name: Box<str>,
    action: Action,
}

impl Tree {
    pub(super) fn compile(message: &MatcherMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut actions = Actions { ctx, logs: false };
        let tree = MatchTree::compile(message, &mut actions)?;
        Ok(Tree {
            tree,
            logs: actions.logs,
        })
    }

    pub(super) fn judge(&self, request: &Request<'_>) -> Verdict<'_> {
        let data = MatchData::of_request(request.headers, request.info);
        let Outcome::Action(found) = self.tree.find(&data) else {
            return Verdict {
                is_allowed: false,
                policy: None,
                logs: None,
            };
        };
        Verdict {
            is_allowed: found.action != Action::Deny,
            policy: Some(&*found.name).filter(|name| !name.is_empty()),
            logs: self.logs.then_some(found.action == Action::Log),
        }
    }
}

struct Actions<'c> {
    ctx: &'c mut Ctx,
    logs: bool,
}

impl MatchContext for Actions<'_> {
    type Action = Named;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &Extension) -> Result<Named, Refused> {
        let any = &action.typed_config;
        if any.type_name() != ACTION {
            return Err(unknown_extension(action, self.ctx));
        }
        let action: TreeAction = any.decode(self.ctx)?;
        self.logs |= action.action == Action::Log;
        Ok(Named {
            name: action.name.as_str().into(),
            action: action.action,
        })
    }

    fn check_input(&self, type_url: &str) -> Result<(), String> {
        match INPUTS.iter().any(|input| type_url.ends_with(input)) {
            true => Ok(()),
            false => Err(format!(
                "requirement violation while creating RBAC match tree: INVALID_ARGUMENT: RBAC HTTP filter cannot match on '{type_url}'"
            )),
        }
    }
}
