//! `nuncio expand FILE`: the configuration as YAML with its defaults written out, each marked `# default`.
//!
//! The defaults are those that the code applies: tests beside each table compare a configuration with and without
//! them. What comes out loads to the same as what went in; a v2 file comes out as v3.

mod defaults;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::expand::{FieldDefault, expand};
use nuncio_config::report::render;
use nuncio_contract::registry::Extensions;

use super::Command;
use super::arguments::{Findable, code, parse, print, style};
use super::support::table;

/// The command's line in the table.
pub(super) const COMMAND: Command = Command {
    name: "expand",
    help: "expand FILE: print a configuration with its defaults written out",
    run,
};

/// Print a configuration as YAML with its defaults written out, each marked with a comment.
#[derive(Parser)]
struct Arguments {
    /// The configuration
    file: String,
    #[command(flatten)]
    findable: Findable,
}

fn run(arguments: &[OsString], extensions: &Extensions) -> ExitCode {
    let arguments: Arguments = match parse("expand", arguments) {
        Ok(arguments) => arguments,
        Err(end) => return end,
    };
    let Some(loaded) = arguments.findable.load(&arguments.file) else {
        return code(false);
    };
    let Some(source) = loaded.sources.iter().next() else {
        eprintln!(
            "error: {} is a serialized message and has no text",
            arguments.file
        );
        return code(false);
    };
    let mut diagnostics = Diagnostics::default();
    let expanded = expand(
        source,
        0,
        &all_defaults(),
        &table(extensions),
        &mut diagnostics,
    );
    match expanded {
        Some(text) => print(&text),
        None => {
            let style = style(arguments.findable.error_format);
            eprint!("{}", render(&diagnostics, &loaded.sources, style));
            return code(false);
        }
    }
    code(true)
}

/// The defaults of all that reads configuration.
fn all_defaults() -> Vec<FieldDefault> {
    let tables = [
        defaults::DEFAULTS,
        nuncio_upstream::config::DEFAULTS,
        nuncio_http::config::DEFAULTS,
    ];
    tables.concat()
}
