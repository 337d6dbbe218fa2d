//! Findings for people.

use std::fmt::Write as _;

use super::Place;
use crate::diagnostic::{Diagnostic, Severity};

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";
const WIDTH: usize = 160;

struct Colours {
    on: bool,
}

impl Colours {
    fn paint(&self, colour: &str, text: &str) -> String {
        if self.on {
            format!("{colour}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}

pub(super) fn write(
    out: &mut String,
    diagnostic: &Diagnostic,
    place: Option<&Place<'_>>,
    coloured: bool,
) {
    let colours = Colours { on: coloured };
    let (word, colour) = match diagnostic.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    };
    let message = colours.paint(BOLD, &printable(&diagnostic.message));
    let _ = writeln!(out, "{}: {message}", colours.paint(colour, word));
    let margin = place.map_or(0, |place| place.from.line.to_string().len());
    if let Some(place) = place {
        write_place(out, place, colour, &colours, margin);
    }
    let mut line = |word: &str, text: &Option<String>| {
        if let Some(text) = text {
            let sign = colours.paint(BLUE, &format!("{:margin$} =", ""));
            let _ = writeln!(out, "{sign} {word}: {}", printable(text));
        }
    };
    line("note", &diagnostic.note);
    line("help", &diagnostic.suggestion);
    line("envoy", &diagnostic.envoy);
}

fn write_place(
    out: &mut String,
    place: &Place<'_>,
    colour: &str,
    colours: &Colours,
    margin: usize,
) {
    let arrow = colours.paint(BLUE, &format!("{:margin$}-->", ""));
    let _ = write!(
        out,
        "{arrow} {}:{}:{}",
        place.file, place.from.line, place.from.column
    );
    let _ = match place.path.as_str() {
        "" => writeln!(out),
        path => writeln!(out, " ({path})"),
    };
    let (line, column) = window(place.line, place.from.column);
    let bar = colours.paint(BLUE, &format!("{:margin$} |", ""));
    let number = colours.paint(BLUE, &format!("{} |", place.from.line));
    let indent: String = line
        .chars()
        .take(column - 1)
        .map(|at| if at == '\t' { '\t' } else { ' ' })
        .collect();
    let rest = line.chars().count().saturating_sub(column - 1).max(1);
    let length = if place.to.line == place.from.line {
        place.to.column - place.from.column
    } else {
        rest
    };
    let carets = colours.paint(colour, &"^".repeat(length.clamp(1, rest)));
    let _ = writeln!(out, "{bar}\n{number} {line}\n{bar} {indent}{carets}");
}

/// The part of a line around a column, without control characters, and the column within it.
fn window(line: &str, column: usize) -> (String, usize) {
    let length = line.chars().count();
    let start = match length <= WIDTH {
        true => 0,
        false => (column - 1).saturating_sub(WIDTH / 2).min(length - WIDTH),
    };
    // Cut first: a whole file may be one line.
    let cut: String = line.chars().skip(start).take(WIDTH).collect();
    (printable(&cut), column - start)
}

/// A configuration's text must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|at| {
            if at.is_control() && at != '\t' {
                '\u{fffd}'
            } else {
                at
            }
        })
        .collect()
}
