//! `HeaderMutation`s: changes of headers that run in the order of the config, compiled.
//!
//! For the filter of that name, for what changes headers before routes are looked for, and for copies of requests. No
//! limit of its own.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{message, one_of};

use crate::formatter::{FormatContext, FormatterExtension};
use crate::header_mutation::{HeaderMutations, HeaderValueOption};
use crate::headers::{HeaderMap, HeaderName};
use crate::matching::{CompiledStringMatcher, StringMatcher};

message! {
    /// One change of headers.
    pub struct Mutation: "envoy.config.common.mutation_rules.v3.HeaderMutation" {
        oneof action: Action,
    }
}

one_of! {
    /// The kinds of change.
    pub(crate) enum Action {
        remove => Remove(Spanned<String>),
        append => Append(HeaderValueOption),
        remove_on_match => RemoveOnMatch(RemoveOnMatch),
    }
}

message! {
    /// Which headers go.
    pub(crate) struct RemoveOnMatch:
        "envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch" {
        key_matcher: StringMatcher,
    }
}

/// One change of headers.
#[derive(Debug)]
pub enum Step {
    /// A header is added, set or removed.
    Change(HeaderMutations),
    /// All headers whose names match go.
    RemoveMatching(CompiledStringMatcher),
}

/// Compiles the changes.
///
/// # Errors
/// [`Refused`] when one cannot be used.
pub fn steps(mutations: &[Mutation], ctx: &mut Ctx) -> Result<Arc<[Step]>, Refused> {
    steps_extended(mutations, &[], ctx)
}

/// The same; values may have the commands that extensions bring.
///
/// # Errors
/// [`Refused`] when one cannot be used.
pub fn steps_extended(
    mutations: &[Mutation],
    formatters: &[FormatterExtension],
    ctx: &mut Ctx,
) -> Result<Arc<[Step]>, Refused> {
    let steps: Vec<_> = mutations
        .iter()
        .map(|mutation| match &mutation.action {
            Action::Remove(name) => {
                HeaderMutations::compile(&[], std::slice::from_ref(name), ctx).map(Step::Change)
            }
            Action::Append(option) => {
                let option = std::slice::from_ref(option);
                HeaderMutations::compile_extended(option, &[], formatters, ctx).map(Step::Change)
            }
            Action::RemoveOnMatch(on) => {
                CompiledStringMatcher::compile(&on.key_matcher, ctx).map(Step::RemoveMatching)
            }
        })
        .collect();
    steps.into_iter().collect()
}

/// Which headers are changed.
#[derive(Clone, Copy)]
pub enum Of {
    /// Those of a request.
    Request,
    /// Trailers of a request.
    RequestTrailers,
    /// Those of a response.
    Response,
    /// Trailers of a response.
    ResponseTrailers,
}

impl Step {
    /// Makes the change; values are made of what `others` says and of the headers themselves.
    pub fn run(&self, of: Of, headers: &mut HeaderMap, others: &FormatContext<'_>) {
        match self {
            Step::Change(change) => {
                change.remove_from(headers);
                let context = match of {
                    Of::RequestTrailers => FormatContext { ..*others },
                    Of::Request => FormatContext {
                        request_headers: Some(headers),
                        ..*others
                    },
                    Of::Response => FormatContext {
                        response_headers: Some(headers),
                        ..*others
                    },
                    Of::ResponseTrailers => FormatContext {
                        response_trailers: Some(headers),
                        ..*others
                    },
                };
                let values = change.evaluate(headers, &context);
                values.apply(headers);
            }
            Step::RemoveMatching(matcher) => {
                let names = headers.iter_regular().map(|header| header.name);
                let names: Vec<HeaderName> = names
                    .filter(|name| matcher.matches(name))
                    .filter_map(|name| HeaderName::parse(std::str::from_utf8(name).ok()?).ok())
                    .collect();
                names.iter().for_each(|name| {
                    headers.remove(name);
                });
            }
        }
    }
}
