//! `envoy.router.cluster_specifier_plugin.matcher`: a tree of matchers chooses the cluster of each request.
//!
//! A request for which the tree has no cluster gets the answer of a cluster that there is not. Follows
//! `envoy.extensions.router.cluster_specifiers.matcher.v3`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused};
use nuncio_contract::cluster_specifier::{ClusterSpecifier, ClusterSpecifierRoom};
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, MatcherMessage, Outcome, unknown_extension,
};
use nuncio_contract::stream_info::StreamInfo;

/// The room.
pub static ROOM: ClusterSpecifierRoom = ClusterSpecifierRoom {
    name: "envoy.router.cluster_specifier_plugin.matcher",
    message: "envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier",
    parse,
    support: |table| {
        MatcherClusterSpecifier::support(table);
        ClusterAction::support(table);
    },
};

const CLUSTER_ACTION: &str = "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction";

message! {
    /// The plugin's config.
    struct MatcherClusterSpecifier: "envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier" {
        cluster_matcher: MatcherMessage,
    }
}

message! {
    /// The cluster that is found.
    struct ClusterAction: "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction" {
        cluster: String,
    }
}

/// The plugin, compiled.
struct Plugin(MatchTree<Box<str>>);

fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn ClusterSpecifier>, Refused> {
    let message: MatcherClusterSpecifier = any.decode(ctx)?;
    let tree = MatchTree::compile(&message.cluster_matcher, &mut Actions(ctx))?;
    Ok(Arc::new(Plugin(tree)))
}

/// Compiles the actions of a tree.
struct Actions<'c>(&'c mut Ctx);

impl MatchContext for Actions<'_> {
    type Action = Box<str>;

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, action: &Extension) -> Result<Box<str>, Refused> {
        let any = &action.typed_config;
        if any.type_name() != CLUSTER_ACTION {
            return Err(unknown_extension(action, self.0));
        }
        let message: ClusterAction = any.decode(self.0)?;
        Ok(message.cluster.into())
    }
}

impl ClusterSpecifier for Plugin {
    fn choose(&self, request: &HeaderMap, info: &StreamInfo) -> Vec<u8> {
        match self.0.find(&MatchData::of_request(request, info)) {
            Outcome::Action(cluster) => cluster.as_bytes().to_vec(),
            Outcome::Nothing | Outcome::Undecided => Vec::new(),
        }
    }

    fn chooses_again(&self) -> bool {
        true
    }
}
