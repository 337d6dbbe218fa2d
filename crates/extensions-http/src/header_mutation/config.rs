//! The messages of the header mutation filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct HeaderMutation: "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation" {
        mutations: Option<Mutations>,
        most_specific_header_mutations_wins: bool,
    }
}

message! {
    /// A route's own config.
    pub(super) struct HeaderMutationPerRoute:
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute" {
        mutations: Option<Mutations>,
    }
}

message! {
    /// What is done each way.
    pub(super) struct Mutations: "envoy.extensions.filters.http.header_mutation.v3.Mutations" {
        request_mutations: Vec<Mutation>,
        response_mutations: Vec<Mutation>,
    }
}

message! {
    /// One change.
    pub(crate) struct Mutation: "envoy.config.common.mutation_rules.v3.HeaderMutation" {
        oneof action: Action,
    }
}

one_of! {
    /// The kinds of change.
    pub(crate) enum Action {
        remove => Remove(Spanned<String>),
        append => Append(HeaderValueOption),
    }
}

/// The compiled changes: steps that run in the order of the config.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) request: Arc<[HeaderMutations]>,
    pub(super) response: Arc<[HeaderMutations]>,
}

/// The chain's own changes and the order of the levels.
#[derive(Debug)]
pub(super) struct ChainConfig {
    pub(super) own: Arc<Compiled>,
    pub(super) most_specific_wins: bool,
}

impl LevelConfig for Compiled {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: HeaderMutation = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig {
        own: Arc::new(compile(message.mutations.as_ref(), ctx)?),
        most_specific_wins: message.most_specific_header_mutations_wins,
    }))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: HeaderMutationPerRoute = any.decode(ctx)?;
    Ok(Arc::new(compile(message.mutations.as_ref(), ctx)?))
}

fn compile(mutations: Option<&Mutations>, ctx: &mut Ctx) -> Result<Compiled, Refused> {
    let Some(mutations) = mutations else {
        return Ok(Compiled::default());
    };
    let request = steps(&mutations.request_mutations, ctx);
    let response = steps(&mutations.response_mutations, ctx);
    Ok(Compiled {
        request: request?,
        response: response?,
    })
}

pub(crate) fn steps(
    mutations: &[Mutation],
    ctx: &mut Ctx,
) -> Result<Arc<[HeaderMutations]>, Refused> {
    let steps: Vec<_> = mutations
        .iter()
        .map(|mutation| match &mutation.action {
            Action::Remove(name) => HeaderMutations::compile(&[], std::slice::from_ref(name), ctx),
            Action::Append(option) => {
                HeaderMutations::compile(std::slice::from_ref(option), &[], ctx)
            }
        })
        .collect();
    steps.into_iter().collect()
}
