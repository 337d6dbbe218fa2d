//! YAML to [`Node`]s, as yaml-cpp 0.9 and Envoy read it: what they take is taken, what they refuse is refused,
//! in yaml-cpp's words.
//!
//! As in Envoy: only the first document counts, a repeated key's last value wins (both with a warning
//! here), merge keys (`<<`) have no meaning, a key tagged `!ignore` is dropped with its value, quoted
//! scalars are strings and all other scalars are typed by `scalar`. What stands behind the first value, and
//! a quote that is not closed at the end of the text, are passed over; here with a warning.

mod anchors;
mod fault;
mod fold;
mod marks;
mod parse;
mod scalars;
mod scan;
mod stream;
mod tags;
#[cfg(test)]
mod tests;
mod token;

use super::{Limits, Node};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;

/// Parses the first document of `text`.
pub(super) fn parse(
    text: &str,
    source: u32,
    limits: &Limits,
    diagnostics: &mut Diagnostics,
) -> Result<Node, Box<Diagnostic>> {
    let mut parser = parse::Parser::new(text, source, limits, diagnostics);
    let outcome = parser.document();
    outcome.map_err(|trouble| match trouble {
        parse::Trouble::Found(diagnostic) => diagnostic,
        parse::Trouble::Yaml(failure) => {
            let open = fault::Open {
                bracket: parser.open_bracket(),
                quote: parser.long_quote(),
            };
            Box::new(fault::explain(text, source, &failure, open))
        }
    })
}

/// yaml-cpp's words, with the place as it counts it.
fn in_envoys_words(failure: &stream::Failure) -> String {
    format!(
        "yaml-cpp: error at line {}, column {}: {}",
        failure.mark.line + 1,
        failure.mark.column + 1,
        failure.words
    )
}

/// `key: value` of the same map further down.
fn repeated(key: &str, span: Span) -> Diagnostic {
    let text = format!("`{key}` is given again below; the last one counts");
    Diagnostic::warning(span, text)
}
