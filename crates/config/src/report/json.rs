//! Findings for machines: one object a line, with no member left out.

use std::fmt::Write as _;

use super::Place;
use crate::diagnostic::{Diagnostic, Severity};

pub(super) fn write(out: &mut String, diagnostic: &Diagnostic, place: Option<&Place<'_>>) {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _ = write!(out, "{{\"severity\":\"{severity}\",\"file\":");
    string_or_null(out, place.map(|place| place.file));
    let numbers = [
        ("line", place.map(|place| place.from.line)),
        ("column", place.map(|place| place.from.column)),
        ("end_line", place.map(|place| place.to.line)),
        ("end_column", place.map(|place| place.to.column)),
    ];
    for (name, number) in numbers {
        let _ = match number {
            Some(number) => write!(out, ",\"{name}\":{number}"),
            None => write!(out, ",\"{name}\":null"),
        };
    }
    let texts = [
        ("path", place.map(|place| place.path.as_str())),
        ("message", Some(diagnostic.message.as_str())),
        ("note", diagnostic.note.as_deref()),
        ("suggestion", diagnostic.suggestion.as_deref()),
        ("envoy", diagnostic.envoy.as_deref()),
    ];
    for (name, text) in texts {
        let _ = write!(out, ",\"{name}\":");
        string_or_null(out, text);
    }
    out.push_str("}\n");
}

fn string_or_null(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => crate::json_text::string(out, text),
        None => out.push_str("null"),
    }
}
