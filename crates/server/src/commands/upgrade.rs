//! `nuncio upgrade FILE`: the v3 file that a v2 file is, on standard output; what changed, on standard error.
//!
//! YAML comes out, also of JSON. A v3 file comes out as it is, byte for byte. What v3 has no form for stays in
//! the text and is shown as an error; then the command ends with 1, and standard output still has the rest.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use nuncio_config::report::{Style, render};
use nuncio_config::rewrite::{self, Rewritten};
use nuncio_config::upgrade::Change;
use nuncio_contract::registry::Extensions;

use super::Command;
use super::arguments::{code, one_line, parse, print, style};
use crate::admin::json::Json;
use crate::cli::ErrorFormat;

/// The command's line in the table.
pub(super) const COMMAND: Command = Command {
    name: "upgrade",
    help: "upgrade FILE: print a v2 configuration as v3 YAML, and say what changed",
    run,
};

/// Print a v2 configuration as v3 YAML on standard output, and what changed on standard error.
#[derive(Parser)]
struct Arguments {
    /// The file, in any format with text: YAML, JSON, protobuf text
    file: String,
    /// The form of errors, for people or for machines
    #[arg(long, value_enum, default_value_t = ErrorFormat::Text)]
    error_format: ErrorFormat,
}

fn run(arguments: &[OsString], _: &Extensions) -> ExitCode {
    let arguments: Arguments = match parse("upgrade", arguments) {
        Ok(arguments) => arguments,
        Err(end) => return end,
    };
    let style = style(arguments.error_format);
    let rewritten = match rewrite::file(&arguments.file) {
        Ok(rewritten) => rewritten,
        Err(refusal) => {
            eprint!("{}", refusal.render(style));
            return code(false);
        }
    };
    print(&rewritten.text);
    tell(&rewritten, &arguments.file, style);
    let findings = render(&rewritten.findings, &rewritten.sources, style);
    eprint!("{findings}");
    code(!rewritten.findings.has_errors())
}

/// Says what changed, a line for each change.
fn tell(rewritten: &Rewritten, file: &str, style: Style) {
    if rewritten.changes.is_empty() && style != Style::Json {
        eprintln!("{file}: nothing to change, it is v3");
    }
    for change in &rewritten.changes {
        let source = rewritten.sources.get(change.span);
        let line = source.map(|source| source.position(change.span.start).line);
        if style == Style::Json {
            eprint!("{}", as_json(change, file, line));
            continue;
        }
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        eprintln!("{file}{line}: {}: {}", change.path, change.what);
    }
}

fn as_json(change: &Change, file: &str, line: Option<usize>) -> String {
    let object = Json::object()
        .with("severity", "change".to_owned())
        .with("file", file.to_owned());
    let object = match line.and_then(|line| u32::try_from(line).ok()) {
        Some(line) => object.with("line", Json::Number(f64::from(line))),
        None => object,
    };
    let object = object
        .with("path", change.path.clone())
        .with("message", change.what.clone());
    one_line(&object)
}
