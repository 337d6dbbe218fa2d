//! The messages of the composite filter.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::match_tree::{MatchTree, MatcherMessage};
use nuncio_contract::registry::RouteFilterConfig;

use crate::delegation::{Action, FilterChain, Tree, compile_chain};

/// The full name of its message.
pub(crate) const MESSAGE: &str = "envoy.extensions.filters.http.composite.v3.Composite";

message! {
    /// The filter's config.
    pub(super) struct Composite: "envoy.extensions.filters.http.composite.v3.Composite" {
        named_filter_chains: Vec<(String, FilterChain)>,
        matcher: Option<MatcherMessage>,
    }
}

message! {
    /// A route's.
    pub(super) struct CompositePerRoute: "envoy.extensions.filters.http.composite.v3.CompositePerRoute" {
        matcher: MatcherMessage,
    }
}

/// The compiled config of a chain.
pub(crate) struct CompositeConfig {
    pub(super) named: HashMap<Box<str>, Box<[Arc<dyn HttpFilterConfig>]>>,
    pub(super) tree: Option<Arc<MatchTree<Action>>>,
}

/// A level's tree.
pub(super) struct LevelTree(pub(super) Arc<MatchTree<Action>>);

impl LevelConfig for LevelTree {}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<CompositeConfig>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    Ok(Arc::new(ChainConfig(compile(any, ctx)?)))
}

/// Compiles the filter's message.
pub(crate) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Arc<CompositeConfig>, Refused> {
    let message: Composite = any.decode(ctx)?;
    let mut named = HashMap::new();
    let mut sound = Ok(());
    for (name, chain) in &message.named_filter_chains {
        match compile_chain(chain, ctx) {
            Ok(filters) if filters.is_empty() => {
                let text = format!("Named filter chain '{name}' must contain at least one filter.");
                ctx.error(chain.span(), text);
                sound = Err(Refused);
            }
            Ok(filters) => {
                named.insert(name.as_str().into(), filters);
            }
            Err(Refused) => sound = Err(Refused),
        }
    }
    let tree = message.matcher.as_ref();
    let tree = tree
        .map(|matcher| Tree::compile(matcher, ctx))
        .transpose()?;
    sound.map(|()| {
        Arc::new(CompositeConfig {
            named,
            tree: tree.map(|tree| tree.tree),
        })
    })
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: CompositePerRoute = any.decode(ctx)?;
    let tree = Tree::compile(&message.matcher, ctx)?;
    Ok(Arc::new(LevelTree(tree.tree)))
}
