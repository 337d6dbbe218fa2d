//! Formats of header values, `headers_to_add` and its kin: what is missing prints as nothing, and two old
//! spellings are taken, as in Envoy: `%UPSTREAM_METADATA(["ns", "key"])%` (and `DYNAMIC_METADATA`) for
//! `%UPSTREAM_METADATA(ns:key)%`, and `%PER_REQUEST_STATE(key)%` for `%FILTER_STATE(key:PLAIN)%`.

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format as TextFormat, Source};
use nuncio_config::text::{self, Limits, Node};

use super::Format;
use super::commands::ExtensionCommands;
use super::error::FormatError;

impl Format {
    /// Compiles a header's value.
    pub fn compile_header_value(value: &str) -> Result<Self, FormatError> {
        Self::compile_header_value_with(value, &ExtensionCommands::default())
    }

    /// The same, with what extensions bring.
    pub(crate) fn compile_header_value_with(
        value: &str,
        extensions: &ExtensionCommands,
    ) -> Result<Self, FormatError> {
        let value = with_new_metadata(value).unwrap_or_else(|| value.to_owned());
        Self::text(with_new_filter_state(&value), true, extensions)
    }
}

/// Rewrites all old metadata commands; `None` if one is not a list of texts, so that the value stays as it is.
fn with_new_metadata(value: &str) -> Option<String> {
    let mut rewritten = String::new();
    let mut rest = value;
    while let Some((at, command, list, length)) = next_metadata(rest) {
        rewritten.push_str(&rest[..at]);
        rewritten.push_str(command);
        rewritten.push_str(&colon_separated(list)?);
        rewritten.push_str(")%");
        rest = &rest[at + length..];
    }
    rewritten.push_str(rest);
    Some(rewritten)
}

/// The next old metadata command: its place, its beginning up to the parenthesis, its list, its length.
fn next_metadata(text: &str) -> Option<(usize, &str, &str, usize)> {
    text.match_indices('%').find_map(|(at, _)| {
        let here = &text[at..];
        let commands = ["%UPSTREAM_METADATA(", "%DYNAMIC_METADATA("];
        let command = commands
            .into_iter()
            .find(|command| here.starts_with(command))?;
        let inner = &here[command.len()..];
        if !inner.trim_start().starts_with('[') {
            return None;
        }
        let end = inner
            .match_indices(")%")
            .map(|(end, _)| end)
            .find(|end| inner[..*end].trim_end().ends_with(']'))?;
        Some((
            at,
            &here[..command.len()],
            &inner[..end],
            command.len() + end + ")%".len(),
        ))
    })
}

fn colon_separated(list: &str) -> Option<String> {
    let source = Source::new("metadata path", TextFormat::Json, list);
    let node = text::parse(&source, 0, &Limits::default(), &mut Diagnostics::default())?;
    let names: Option<Vec<&str>> = node.items()?.iter().map(Node::as_str).collect();
    names
        .filter(|names| !names.is_empty())
        .map(|names| names.join(":"))
}

fn with_new_filter_state(value: &str) -> String {
    const OLD: &str = "%PER_REQUEST_STATE(";
    let mut rewritten = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(OLD) {
        let inner = &rest[at + OLD.len()..];
        // At least one byte stands between the parentheses.
        let Some(end) = inner
            .match_indices(")%")
            .map(|(end, _)| end)
            .find(|end| *end > 0)
        else {
            break;
        };
        rewritten.push_str(&rest[..at]);
        rewritten.push_str("%FILTER_STATE(");
        rewritten.push_str(&inner[..end]);
        rewritten.push_str(":PLAIN)%");
        rest = &inner[end + ")%".len()..];
    }
    rewritten.push_str(rest);
    rewritten
}
