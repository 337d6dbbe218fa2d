//! Changes of query parameters, compiled: steps that run in the order of the config.

use std::sync::Arc;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::formatter::{ExtensionCommands, Format, FormatContext};

use crate::query::Parameters;

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
    commands: &ExtensionCommands,
    ctx: &mut Ctx,
) -> Result<Arc<[QueryStep]>, Refused> {
    let steps: Vec<_> = mutations
        .iter()
        .map(|mutation| {
            QueryStep::compile(mutation, commands).map_err(|why| {
                ctx.error(mutation.span(), why);
                Refused
            })
        })
        .collect();
    steps.into_iter().collect()
}

impl QueryStep {
    fn compile(mutation: &QueryMutation, commands: &ExtensionCommands) -> Result<Self, String> {
        let Some(append) = &mutation.append else {
            return match mutation.remove.as_str() {
                "" => Err("No mutation specified.".to_owned()),
                name => Ok(QueryStep::Remove(name.as_bytes().into())),
            };
        };
        let record = append.record.as_ref();
        let record = record.ok_or("No record specified for parameter mutation.")?;
        let Some(Json::String(value)) = record.value.as_deref() else {
            return Err("Only string value is allowed for record value.".to_owned());
        };
        Ok(QueryStep::Append {
            name: record.key.as_bytes().into(),
            value: Format::compile_omitting_extended(value, commands)
                .map_err(|error| error.to_string())?,
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
