//! Values that have a syntax of their own: headers to add, formats, regular expressions.

use nuncio_config::diagnostic::Diagnostic;
use nuncio_config::span::Span;
use nuncio_config::tree::Message;
use nuncio_contract::formatter::{Format, FormatError};
use nuncio_contract::matching::check_regex;

use super::Checker;
use super::look::Look;

/// A header to add.
pub(super) fn header(option: &Message, checker: &mut Checker<'_>) {
    if option.has("append") && option.choice("append_action") != "APPEND_IF_EXISTS_OR_ADD" {
        let text = "Both append and append_action are set and it's not allowed";
        checker.error(option.span, text);
    }
    let Some(header) = option.child("header") else {
        return;
    };
    if let Some((key, span)) = header.text("key")
        && (key.starts_with(':') || key.eq_ignore_ascii_case("host"))
    {
        checker.error(span, ":-prefixed or host headers may not be modified");
    }
    if let Some((value, span)) = header.text("value")
        && let Err(error) = Format::compile_header_value(value)
    {
        refused(&error, span, checker);
    }
}

/// A format for lines of text.
pub(super) fn format(format: &Message, checker: &mut Checker<'_>) {
    if format.has("formatters") {
        return;
    }
    let inline = format.child("text_format_source");
    let text = inline.and_then(|source| source.text("inline_string"));
    if let Some((text, span)) = text.or(format.text("text_format"))
        && let Err(error) = Format::compile(text)
    {
        refused(&error, span, checker);
    }
}

/// What is not supported is said by whoever compiles the format.
fn refused(error: &FormatError, span: Span, checker: &mut Checker<'_>) {
    let text = error.to_string();
    if !text.ends_with(Diagnostic::NOT_SUPPORTED) {
        checker.error(span, text);
    }
}

/// A regular expression.
pub(super) fn regex(matcher: &Message, checker: &mut Checker<'_>) {
    let Some((pattern, span)) = matcher.text("regex") else {
        return;
    };
    if let Err(fault) = check_regex(pattern) {
        checker
            .error(span, format!("invalid regex `{pattern}`: {}", fault.reason))
            .envoy(fault.envoy);
    }
}
