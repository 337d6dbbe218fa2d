//! The messages of the header mutation filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::formatter::{FormatterExtension, extension_commands};
use nuncio_contract::header_steps::{Mutation, Step, steps_extended};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

use super::steps::{QueryMutation, QueryStep, query_steps};

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
        query_parameter_mutations: Vec<QueryMutation>,
        request_trailers_mutations: Vec<Mutation>,
        response_trailers_mutations: Vec<Mutation>,
        formatters: Vec<FormatterExtension>,
    }
}

/// The compiled changes: steps that run in the order of the config.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) request: Arc<[Step]>,
    pub(super) response: Arc<[Step]>,
    pub(super) query: Arc<[QueryStep]>,
    pub(super) request_trailers: Arc<[Step]>,
    pub(super) response_trailers: Arc<[Step]>,
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
    let formatters = &mutations.formatters;
    let commands = extension_commands(formatters, ctx)?;
    let mut steps = |list: &[Mutation]| steps_extended(list, formatters, ctx);
    let request = steps(&mutations.request_mutations);
    let response = steps(&mutations.response_mutations);
    let request_trailers = steps(&mutations.request_trailers_mutations);
    let response_trailers = steps(&mutations.response_trailers_mutations);
    let query = query_steps(&mutations.query_parameter_mutations, &commands, ctx);
    Ok(Compiled {
        request: request?,
        response: response?,
        query: query?,
        request_trailers: request_trailers?,
        response_trailers: response_trailers?,
    })
}
