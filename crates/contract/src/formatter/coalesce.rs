//! `%COALESCE({"operators": [...]}):Z%`: the first of some operators that has a value, be it empty.

use std::sync::Arc;

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format, Source};
use nuncio_config::text::{self, Kind, Limits, Node};

use super::FormatContext;
use super::command::Command;
use super::commands;
use super::error::FormatError;
use super::operator::Limited;

/// The operators in their order. Operators may nest; the text's depth is bounded by its parser.
#[derive(Clone, Debug)]
pub(super) struct Coalesce {
    operators: Arc<[Limited]>,
}

impl Coalesce {
    /// Compiles the JSON argument.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        let source = Source::new("COALESCE", Format::Json, argument);
        let mut diagnostics = Diagnostics::default();
        let Some(root) = text::parse(&source, 0, &Limits::default(), &mut diagnostics) else {
            let why = diagnostics
                .iter()
                .next()
                .map(|diagnostic| diagnostic.message.to_string());
            return refused(format!(
                "failed to parse JSON configuration: {}",
                why.unwrap_or_default()
            ));
        };
        let Some(operators) = root.get("operators") else {
            return refused("JSON configuration must contain 'operators' array");
        };
        let Some(operators) = operators.items() else {
            return refused(
                "'operators' must be an array: key 'operators' missing or not an array from lines 1-1",
            );
        };
        if operators.is_empty() {
            return refused("'operators' array must not be empty");
        }
        let operators = operators.iter().enumerate().map(|(index, entry)| {
            operator(entry).or_else(|error| {
                refused(format!(
                    "failed to parse operator at index {index}: {error}"
                ))
            })
        });
        Ok(Coalesce {
            operators: operators.collect::<Result<_, _>>()?,
        })
    }

    /// Appends the first text.
    pub(super) fn append_text(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        self.operators.iter().any(|operator| {
            out.truncate(start);
            operator.append_text(context, out)
        })
    }

    /// Appends the first value; only texts are cut.
    pub(super) fn append_json(
        &self,
        limit: Option<usize>,
        context: &FormatContext<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        for operator in &*self.operators {
            out.truncate(start);
            if operator.append_json(context, out) {
                let is_text = out.get(start) == Some(&b'"');
                if let Some(limit) = limit.filter(|_| is_text) {
                    // Cut before escaping: the text is made anew without quotes.
                    out.truncate(start + 1);
                    operator.append_text(context, out);
                    out.truncate((start + 1).saturating_add(limit));
                    super::json_text::escape_from(start + 1, out);
                    out.push(b'"');
                }
                return true;
            }
        }
        out.truncate(start);
        false
    }
}

fn refused<T>(text: impl std::fmt::Display) -> Result<T, FormatError> {
    Err(FormatError::new(format!("COALESCE: {text}")))
}

fn operator(entry: &Node) -> Result<Limited, FormatError> {
    if let Some(name) = entry.as_str() {
        return find(name, "", None);
    }
    if entry.entries().is_none() {
        return Err(FormatError::new(
            "operator entry must be either a string (command name) or an object with 'command' field",
        ));
    }
    let Some(name) = entry.get("command").and_then(Node::as_str) else {
        return Err(FormatError::new(
            "operator object must have 'command' field: key 'command' missing or not a string from lines 1-1",
        ));
    };
    let argument = match entry.get("param") {
        None => "",
        Some(param) => param.as_str().ok_or_else(|| {
            FormatError::new("'param' field must be a string: key 'param' missing or not a string from lines 1-1")
        })?,
    };
    let max_length = match entry.get("max_length").map(|node| &node.kind) {
        None => None,
        Some(Kind::Int(length)) => match usize::try_from(*length) {
            Ok(length) if length > 0 => Some(length),
            _ => return Err(FormatError::new("'max_length' must be a positive integer")),
        },
        Some(_) => {
            return Err(FormatError::new(
                "'max_length' field must be an integer: key 'max_length' missing or not an integer from lines 1-1",
            ));
        }
    };
    find(name, argument, max_length)
}

fn find(name: &str, argument: &str, max_length: Option<usize>) -> Result<Limited, FormatError> {
    match commands::find(&Command {
        name,
        argument,
        max_length,
    })? {
        Some(operator) => Ok(Limited {
            operator,
            max_length,
        }),
        None => Err(FormatError::new(format!("unknown command: '{name}'"))),
    }
}
