//! Nuncio's own commands: `nuncio explain` and the like.
//!
//! The first argument selects one by its name; anything else is Envoy's command line, untouched. A command
//! is a file here and a line in [`COMMANDS`]. All of them end with 0, or with 1 when something is wrong, and
//! show what is wrong in a configuration as the server does (`arguments.rs`).

mod arguments;
mod expand;
mod explain;
mod support;
mod upgrade;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use nuncio_contract::registry::Extensions;

/// A command by its name.
pub(crate) struct Command {
    /// What the first argument must be.
    pub name: &'static str,
    /// What it does, in one line of `--help`.
    pub help: &'static str,
    /// Does it with the arguments after the name.
    pub run: fn(&[OsString], &Extensions) -> ExitCode,
}

/// All commands, in the order of `--help`.
static COMMANDS: &[Command] = &[
    explain::COMMAND,
    expand::COMMAND,
    support::COMMAND,
    upgrade::COMMAND,
];

/// The command of that name.
pub(crate) fn named(name: &OsStr) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| name == command.name)
}

/// A line for each command.
pub(crate) fn help() -> String {
    let line = |command: &Command| format!("   {:<10} {}\n", command.name, command.help);
    COMMANDS.iter().map(line).collect()
}
