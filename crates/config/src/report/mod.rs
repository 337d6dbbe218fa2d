//! Diagnostics for people (file, line, column, field path, the line itself, a way out) and for machines
//! (one JSON object a line).
//!
//! The field path is found by parsing the text once more: it is needed only when something is wrong, so
//! nothing keeps it. Limits: a source line is cut to 160 characters around the column.

mod human;
mod json;
mod path;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Position, Sources};
use path::Paths;

/// How diagnostics are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Style {
    /// For people, without colours.
    #[default]
    Plain,
    /// For people at a terminal that shows colours.
    Coloured,
    /// One JSON object a line.
    Json,
}

/// Writes all findings, each followed by a line end.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, style: Style) -> String {
    let mut paths = Paths::new(sources);
    let mut out = String::new();
    for diagnostic in diagnostics.iter() {
        let place = Place::of(diagnostic, sources, &mut paths);
        match style {
            Style::Json => json::write(&mut out, diagnostic, place.as_ref()),
            _ => human::write(
                &mut out,
                diagnostic,
                place.as_ref(),
                style == Style::Coloured,
            ),
        }
    }
    if diagnostics.not_kept() > 0 && style != Style::Json {
        out += &format!("... and {} more\n", diagnostics.not_kept());
    }
    out
}

/// Where a finding stands.
struct Place<'s> {
    file: &'s str,
    from: Position,
    to: Position,
    path: String,
    line: &'s str,
}

impl<'s> Place<'s> {
    fn of(
        diagnostic: &Diagnostic,
        sources: &'s Sources,
        paths: &mut Paths<'s>,
    ) -> Option<Place<'s>> {
        let span = diagnostic.span;
        let source = sources.get(span)?;
        Some(Place {
            file: &source.name,
            from: source.position(span.start),
            to: source.position(span.end),
            path: paths.of(span),
            line: source.line(span.start),
        })
    }
}
