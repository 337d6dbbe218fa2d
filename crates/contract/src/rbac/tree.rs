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
/// What a tree may ask about a connection, and so about a request.
const OF_CONNECTIONS: [&str; 10] = [
    "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
    "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput",
    "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
    "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput",
    "envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput",
];

/// What it may ask about a request besides.
const OF_REQUESTS: [&str; 3] = [
    "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "xds.type.matcher.v3.HttpAttributesCelMatchInput",
];
const REFUSED: &str = "requirement violation while creating RBAC match tree: INVALID_ARGUMENT:";

/// What rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Requests, in the HTTP filter.
    Http,
    /// Connections, in the network filter.
    Network,
}

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
    pub(super) fn compile(
        message: &MatcherMessage,
        place: Place,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let mut actions = Actions {
            ctx,
            place,
            logs: false,
        };
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
    place: Place,
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
        let is_in = |inputs: &[&str]| inputs.iter().any(|input| type_url.ends_with(input));
        let words = match self.place {
            _ if is_in(&OF_CONNECTIONS) => return Ok(()),
            Place::Http if is_in(&OF_REQUESTS) => return Ok(()),
            Place::Http => "RBAC HTTP filter cannot match on",
            Place::Network => "RBAC network filter cannot match",
        };
        Err(format!("{REFUSED} {words} '{type_url}'"))
    }

    fn check_keep_matching(&self) -> Result<(), String> {
        Err(format!(
            "{REFUSED} keep_matching is not supported in this context"
        ))
    }
}
