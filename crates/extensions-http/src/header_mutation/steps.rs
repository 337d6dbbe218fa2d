//! Changes of headers and of query parameters, compiled: steps that run in the order of the config.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::matching::{CompiledStringMatcher, StringMatcher};

use crate::query::Parameters;

message! {
    /// One change of headers.
    pub(crate) struct Mutation: "envoy.config.common.mutation_rules.v3.HeaderMutation" {
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

message! {
    /// One change of query parameters.
    pub(super) struct QueryMutation: "envoy.config.core.v3.KeyValueMutation" {
        append: Option<KeyValueAppend>,
        remove: String,
    }
}

message! {
    /// A parameter to add and how.
    pub(super) struct KeyValueAppend: "envoy.config.core.v3.KeyValueAppend" {
        record: Option<KeyValuePair>,
        action: AppendAction,
    }
}

message! {
    /// A parameter's name and value.
    pub(super) struct KeyValuePair: "envoy.config.core.v3.KeyValuePair" {
        key: String,
        value: Option<Arc<Json>>,
    }
}

enumeration! {
    /// What happens where the parameter exists already.
    pub(super) enum AppendAction: "envoy.config.core.v3.KeyValueAppend.KeyValueAppendAction" {
        APPEND_IF_EXISTS_OR_ADD => AppendIfExistsOrAdd,
        ADD_IF_ABSENT => AddIfAbsent,
        OVERWRITE_IF_EXISTS_OR_ADD => OverwriteIfExistsOrAdd,
        OVERWRITE_IF_EXISTS => OverwriteIfExists,
    }
}

/// One change of headers.
#[derive(Debug)]
pub(crate) enum Step {
    /// A header is added, set or removed.
    Change(HeaderMutations),
    /// All headers whose names match go.
    RemoveMatching(CompiledStringMatcher),
}

pub(crate) fn steps(mutations: &[Mutation], ctx: &mut Ctx) -> Result<Arc<[Step]>, Refused> {
    let steps: Vec<_> = mutations
        .iter()
        .map(|mutation| match &mutation.action {
            Action::Remove(name) => {
                HeaderMutations::compile(&[], std::slice::from_ref(name), ctx).map(Step::Change)
            }
            Action::Append(option) => {
                HeaderMutations::compile(std::slice::from_ref(option), &[], ctx).map(Step::Change)
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
pub(crate) enum Of {
    Request,
    RequestTrailers,
    Response,
    ResponseTrailers,
}

impl Step {
    /// Makes the change; values are made of what `others` says and of the headers themselves.
    pub(crate) fn run(&self, of: Of, headers: &mut HeaderMap, others: &FormatContext<'_>) {
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

/// One change of query parameters.
#[derive(Debug)]
pub(super) enum QueryStep {
    Remove(Box<[u8]>),
    Append {
        name: Box<[u8]>,
        value: Format,
        action: AppendAction,
    },
}

pub(super) fn query_steps(
    mutations: &[QueryMutation],
    ctx: &mut Ctx,
) -> Result<Arc<[QueryStep]>, Refused> {
    let steps: Vec<_> = mutations
        .iter()
        .map(|mutation| {
            QueryStep::compile(mutation).map_err(|why| {
                ctx.error(mutation.span(), why);
                Refused
            })
        })
        .collect();
    steps.into_iter().collect()
}

impl QueryStep {
    fn compile(mutation: &QueryMutation) -> Result<Self, String> {
        let Some(append) = &mutation.append else {
            return match mutation.remove.as_str() {
                "" => Err("No mutation specified.".to_owned()),
                name => Ok(QueryStep::Remove(name.as_bytes().into())),
            };
        };
        let record = append.record.as_ref();
        let record = record.ok_or("No record specified for parameter mutation.")?;
        let Some(Json::String(value)) = record.value.as_deref() else {
            return Err("Only string value is allowed for parameter.".to_owned());
        };
        Ok(QueryStep::Append {
            name: record.key.as_bytes().into(),
            value: Format::compile_omitting(value).map_err(|error| error.to_string())?,
            action: append.action,
        })
    }

    pub(super) fn run(&self, parameters: &mut Parameters, context: &FormatContext<'_>) {
        let (name, format, action) = match self {
            QueryStep::Remove(name) => return parameters.remove(name),
            QueryStep::Append {
                name,
                value,
                action,
            } => (name, value, action),
        };
        let mut value = Vec::new();
        format.format(context, &mut value);
        let exists = parameters.contains(name);
        match action {
            AppendAction::AddIfAbsent if exists => {}
            AppendAction::OverwriteIfExists if !exists => {}
            AppendAction::AppendIfExistsOrAdd | AppendAction::AddIfAbsent => {
                parameters.add(name, &value);
            }
            AppendAction::OverwriteIfExistsOrAdd | AppendAction::OverwriteIfExists => {
                parameters.overwrite(name, &value);
            }
        }
    }
}
