//! The command line: Envoy 1.40's flags, and Nuncio's own.
//!
//! It is read as Envoy reads it (`parse.rs`), with its texts (`usage.rs`) and checks (`options.rs`). What a flag asks
//! for and Nuncio can't do yet is said once at start ([`Options::not_acted_on`]), never swallowed.

mod flags;
mod options;
mod parse;
#[cfg(test)]
mod tests;
mod usage;

use clap::ValueEnum;

pub use crate::log::LogLevel;
pub use options::{ComponentLevel, Options, StatsTag};

use parse::Stop;

/// What the process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Serve traffic.
    Serve,
    /// Check the configuration and exit.
    Validate,
    /// Set everything up and exit.
    InitOnly,
}

/// How config errors are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorFormat {
    /// With the source line and a caret.
    Text,
    /// One JSON object a line.
    Json,
}

/// The command line gives nothing to run: what to print instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// On standard output; all is well.
    Out(String),
    /// On standard error; all is well.
    Aside(String),
    /// On standard error; the command line is wrong.
    Wrong(String),
}

/// Reads a command line, the program's name first.
///
/// `version` follows the program's name in `--version`; `commands` are lines of `--help`.
pub fn read(arguments: &[String], version: &str, commands: &str) -> Result<Options, Instead> {
    let (program, rest) = match arguments.split_first() {
        Some((program, rest)) => (program.as_str(), rest),
        None => ("nuncio", arguments),
    };
    let given = parse::parse(rest).map_err(|stop| match stop {
        Stop::Help => Instead::Out(usage::help(program, commands)),
        Stop::Version => Instead::Out(format!("\n{program}  version: {version}\n\n")),
        Stop::Mistake { argument, error } => {
            Instead::Wrong(usage::mistake(program, &argument, &error))
        }
    })?;
    Options::of(&given)
}
