//! `nuncio upgrade FILE`: the v3 file that a v2 file is, on standard output; what changed, on standard error.
//!
//! YAML comes out, also of JSON. A v3 file comes out as it is, byte for byte. What v3 has no form for stays in
//! the text and is shown as an error; then the command ends with 1, and standard output still has the rest.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use nuncio_config::bootstrap::{Input, load};
use nuncio_config::report::{Style, render};
use nuncio_config::rewrite::{self, Rewritten};
use nuncio_contract::registry::Extensions;

use super::Command;
use super::arguments::{code, parse, print, style};
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
    let input = Input {
        path: Some(arguments.file),
        ..Input::default()
    };
    match load(&input) {
        Ok(loaded) => {
            eprint!("{}", render(&loaded.warnings, &loaded.sources, style));
            code(true)
        }
        Err(refusal) => {
            eprint!("{}", refusal.render(style));
            code(false)
        }
    }
}

/// Says what changed, a line for each change.
fn tell(rewritten: &Rewritten, file: &str, style: Style) {
    if style == Style::Json {
        return;
    }
    if rewritten.changes.is_empty() {
        eprintln!("{file}: nothing to change, it is v3");
    }
    for change in &rewritten.changes {
        let line = rewritten
            .sources
            .get(change.span)
            .map(|source| source.position(change.span.start).line);
        match line {
            Some(line) => eprintln!("{file}:{line}: {}: {}", change.path, change.what),
            None => eprintln!("{file}: {}: {}", change.path, change.what),
        }
    }
}
