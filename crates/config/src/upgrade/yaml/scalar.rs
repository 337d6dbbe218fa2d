//! Scalars and keys: as the source has them where that is safe, else plain or quoted.

use std::fmt::Write as _;

use crate::diagnostic::Diagnostics;
use crate::source::{Format, Source};
use crate::text::{self, Kind, Limits, Node};

/// Where a scalar is written.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// After a key or a dash.
    Block,
    /// Between brackets or braces.
    Flow,
}

/// A scalar's text.
pub(super) fn write(node: &Node, source: Option<&Source>, place: Place) -> String {
    let written = source.map_or("", |source| source.slice(node.span));
    let written = without_rest(written);
    if is_reusable(node, written, place) {
        return written.to_owned();
    }
    match &node.kind {
        Kind::Bool(value) => value.to_string(),
        Kind::Int(value) => value.to_string(),
        Kind::Uint(value) => value.to_string(),
        Kind::Float(value) => value.to_string(),
        Kind::Str(text) => string(text),
        Kind::Null | Kind::List(_) | Kind::Map(_) => "null".to_owned(),
    }
}

/// A spelling without what a span may take in after it: white space, and a comment after a quote.
fn without_rest(written: &str) -> &str {
    let Some(quote) = written
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        return written.trim_end();
    };
    let mut escaped = false;
    let end = written.char_indices().skip(1).find(|(_, character)| {
        let closes = *character == quote && !escaped;
        escaped = *character == '\\' && quote == '"' && !escaped;
        closes
    });
    match end {
        Some((at, _)) if !written[at + 1..].starts_with(quote) => &written[..=at],
        _ => written.trim_end(),
    }
}

/// Whether the source's own spelling can stand here and means the same.
fn is_reusable(node: &Node, written: &str, place: Place) -> bool {
    if written.is_empty() || written.contains('\n') {
        return false;
    }
    let quoted =
        |quote: char| written.len() > 1 && written.starts_with(quote) && written.ends_with(quote);
    match &node.kind {
        Kind::Str(text) if quoted('"') || quoted('\'') => {
            !text.contains('\n') && unquoted(written).as_deref() == Some(&**text)
        }
        Kind::Str(text) => {
            let plain_start = text.starts_with(|first: char| {
                first.is_alphanumeric() || matches!(first, '/' | '.' | '_')
            });
            let in_flow = place == Place::Block || !text.contains([',', '[', ']', '{', '}']);
            written == &**text
                && plain_start
                && in_flow
                && !text.contains(": ")
                && !text.contains(" #")
                && !text.ends_with(':')
        }
        Kind::Bool(_) | Kind::Int(_) => written
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        _ => false,
    }
}

/// What a quoted spelling means.
fn unquoted(written: &str) -> Option<Box<str>> {
    let source = Source::new("", Format::Yaml, written);
    let node = text::parse(&source, 0, &Limits::default(), &mut Diagnostics::default())?;
    node.as_str().map(Box::from)
}

/// A key's text.
pub(super) fn key(key: &str) -> String {
    string(key)
}

fn string(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.chars().any(char::is_control) {
        double_quoted(text)
    } else if text.contains('"') || text.contains('\\') {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// Whether a text means itself without quotes in every YAML dialect.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan",
    ];
    let inner = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '/')
    };
    let named =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '/'));
    let duration = text.strip_suffix('s').is_some_and(|number| {
        number.starts_with(|first: char| first.is_ascii_digit())
            && number
                .chars()
                .all(|digit| digit.is_ascii_digit() || digit == '.')
    });
    let address =
        text.split('.').count() == 4 && text.split('.').all(|part| part.parse::<u8>().is_ok());
    let word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    !word && (duration || address || (named && text.chars().all(inner)))
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if character.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a text is written as a literal block.
pub(super) fn is_literal(text: &str) -> bool {
    let first_line_ok = !text.starts_with([' ', '\t', '\n']);
    let odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    text.contains('\n') && first_line_ok && !text.chars().any(odd)
}

/// A literal block at an indentation.
pub(super) fn literal(out: &mut String, text: &str, indent: usize) {
    let body = text.strip_suffix('\n');
    out.push_str(match body {
        None => "|-\n",
        Some(body) if body.ends_with('\n') => "|+\n",
        Some(_) => "|\n",
    });
    for line in body.unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}
