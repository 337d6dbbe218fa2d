//! The messages of the match delegate filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::match_tree::{MatchTree, MatcherMessage};
use nuncio_contract::registry::RouteFilterConfig;

use crate::composite::{self, CompositeConfig};
use crate::delegation::{Action, Extension, Tree, compile_filter};

message! {
    /// The filter's config.
    pub(super) struct ExtensionWithMatcher: "envoy.extensions.common.matching.v3.ExtensionWithMatcher" {
        xds_matcher: Option<MatcherMessage>,
        extension_config: Extension,
    }
}

message! {
    /// A route's.
    pub(super) struct ExtensionWithMatcherPerRoute: "envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute" {
        xds_matcher: Option<MatcherMessage>,
    }
}

/// The compiled config of a chain.
pub(super) struct ChainConfig {
    pub(super) tree: Option<Arc<MatchTree<Action>>>,
    pub(super) asks_of_trailers: bool,
    pub(super) inner: InnerConfig,
}

/// The filter that runs.
pub(super) enum InnerConfig {
    Filter(Arc<dyn HttpFilterConfig>),
    /// One that is told what was found.
    Composite(Arc<CompositeConfig>),
}

/// A level's tree.
pub(super) struct LevelTree(pub(super) Arc<MatchTree<Action>>);

impl LevelConfig for LevelTree {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: ExtensionWithMatcher = any.decode(ctx)?;
    let matcher = message.xds_matcher.as_ref();
    let tree = matcher.map(|matcher| Tree::compile(matcher, ctx));
    let filter = &message.extension_config;
    let inner = match filter.kind() {
        composite::MESSAGE => composite::compile(filter.config(), ctx).map(InnerConfig::Composite),
        _ => compile_filter(filter, ctx).map(InnerConfig::Filter),
    };
    let tree = tree.transpose()?;
    Ok(Arc::new(ChainConfig {
        asks_of_trailers: tree.as_ref().is_some_and(|tree| tree.asks_of_trailers),
        tree: tree.map(|tree| tree.tree),
        inner: inner?,
    }))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: ExtensionWithMatcherPerRoute = any.decode(ctx)?;
    let Some(matcher) = &message.xds_matcher else {
        return Err(ctx.unsupported_here(any.span, "a level of the match delegate without a tree"));
    };
    let tree = Tree::compile(matcher, ctx)?;
    if tree.asks_of_trailers {
        let what = "a tree that asks of trailers at a level of the route table";
        return Err(ctx.unsupported_here(any.span, what));
    }
    Ok(Arc::new(LevelTree(tree.tree)))
}
