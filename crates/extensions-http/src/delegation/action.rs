//! What a tree of `match_delegate` or `composite` says: that a filter is skipped, or which filters are run.

use std::cell::Cell;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::match_tree::{
    self, MatchContext, MatchTree, MatcherMessage, unknown_extension,
};
use nuncio_contract::matching::RuntimeFractionalPercent;

const SKIP: &str = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter";
const EXECUTE: &str = "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction";
const HTTP_FILTERS: &str = "envoy.extensions.filters.http.";
const OF_TRAILERS: [&str; 2] = [
    "HttpRequestTrailerMatchInput",
    "HttpResponseTrailerMatchInput",
];

message! {
    /// A filter by its type.
    pub(crate) struct Extension: "envoy.config.core.v3.TypedExtensionConfig" {
        name: String,
        typed_config: Any,
    }
}

message! {
    /// Filters that run one after another.
    pub(crate) struct FilterChain: "envoy.extensions.filters.http.composite.v3.FilterChainConfiguration" {
        typed_config: Vec<Extension>,
    }
}

message! {
    /// Which filters run where this is the outcome.
    struct ExecuteFilterAction: "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction" {
        typed_config: Option<Extension>,
        filter_chain: Option<FilterChain>,
        filter_chain_name: String,
        sample_percent: Option<RuntimeFractionalPercent>,
    }
}

impl Extension {
    /// The type of its message.
    pub(crate) fn kind(&self) -> &str {
        self.typed_config.type_name()
    }

    /// Its message.
    pub(crate) fn config(&self) -> &Any {
        &self.typed_config
    }
}

/// Adds what stands behind an `Any` of a tree.
pub(crate) fn support(table: &mut SupportTable) {
    ExecuteFilterAction::support(table);
    table.add_message(SKIP);
}

/// What is to be done with a stream.
#[derive(Clone)]
pub(crate) enum Action {
    /// The filter does not run.
    Skip,
    /// These run.
    Execute(Arc<Execute>),
}

/// Filters to run.
pub(crate) struct Execute {
    /// As it is told in filter state.
    pub(crate) name: Box<str>,
    pub(crate) filters: Filters,
    /// Of how many streams; of all if nothing is said.
    pub(crate) sample: Option<RuntimeFractionalPercent>,
}

/// Which filters.
pub(crate) enum Filters {
    These(Box<[Arc<dyn HttpFilterConfig>]>),
    /// Those that the composite filter has under this name.
    Named(Box<str>),
}

/// A compiled tree.
pub(crate) struct Tree {
    pub(crate) tree: Arc<MatchTree<Action>>,
    /// Whether it may depend on trailers.
    pub(crate) asks_of_trailers: bool,
}

impl Tree {
    pub(crate) fn compile(message: &MatcherMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut actions = Actions {
            ctx,
            asks_of_trailers: Cell::new(false),
        };
        let tree = MatchTree::compile(message, &mut actions)?;
        Ok(Tree {
            asks_of_trailers: actions.asks_of_trailers.get(),
            tree: Arc::new(tree),
        })
    }
}

/// Compiles the actions of a tree.
struct Actions<'c> {
    ctx: &'c mut Ctx,
    asks_of_trailers: Cell<bool>,
}

impl MatchContext for Actions<'_> {
    type Action = Action;

    fn ctx(&mut self) -> &mut Ctx {
        self.ctx
    }

    fn action(&mut self, action: &match_tree::Extension) -> Result<Action, Refused> {
        let any = &action.typed_config;
        match any.type_name() {
            SKIP => Ok(Action::Skip),
            EXECUTE => {
                let message = any.decode(self.ctx)?;
                Execute::compile(&message, self.ctx).map(|found| Action::Execute(Arc::new(found)))
            }
            _ => Err(unknown_extension(action, self.ctx)),
        }
    }

    fn check_input(&self, type_url: &str) -> Result<(), String> {
        if OF_TRAILERS.iter().any(|input| type_url.ends_with(input)) {
            self.asks_of_trailers.set(true);
        }
        Ok(())
    }
}

impl Execute {
    /// A chain outweighs the name of one, and that a single filter, as in Envoy.
    fn compile(message: &ExecuteFilterAction, ctx: &mut Ctx) -> Result<Self, Refused> {
        let (name, filters) = match message {
            ExecuteFilterAction {
                filter_chain: Some(chain),
                ..
            } => ("filter_chain", Filters::These(compile_chain(chain, ctx)?)),
            ExecuteFilterAction {
                filter_chain_name, ..
            } if !filter_chain_name.is_empty() => {
                let name = filter_chain_name.as_str().into();
                (filter_chain_name.as_str(), Filters::Named(name))
            }
            ExecuteFilterAction {
                typed_config: Some(filter),
                ..
            } => {
                let only = compile_filter(filter, ctx)?;
                (filter.name.as_str(), Filters::These([only].into()))
            }
            _ => {
                let text = "Didn't find a registered implementation for '' with type URL: ''";
                ctx.error(message.span(), text);
                return Err(Refused);
            }
        };
        Ok(Execute {
            name: name.into(),
            filters,
            sample: message.sample_percent.clone(),
        })
    }
}

/// The filters of a chain, in order.
pub(crate) fn compile_chain(
    chain: &FilterChain,
    ctx: &mut Ctx,
) -> Result<Box<[Arc<dyn HttpFilterConfig>]>, Refused> {
    let filters: Vec<_> = chain
        .typed_config
        .iter()
        .map(|filter| compile_filter(filter, ctx))
        .collect();
    filters.into_iter().collect()
}

/// A filter of this family, by the type of its message.
pub(crate) fn compile_filter(
    filter: &Extension,
    ctx: &mut Ctx,
) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let any = &filter.typed_config;
    let kind = any.type_name();
    let name = &filter.name;
    if let Some(room) = crate::ROOMS.iter().find(|room| room.message == kind) {
        return (room.parse)(any, ctx);
    }
    if kind.starts_with(HTTP_FILTERS) {
        let what = format!("the HTTP filter `{name}` ({kind}) run by another filter");
        return Err(ctx.unsupported_here(any.span, what));
    }
    let text =
        format!("Didn't find a registered implementation for '{name}' with type URL: '{kind}'");
    ctx.error(any.span, text);
    Err(Refused)
}
