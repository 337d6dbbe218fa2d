//! `nuncio support [FILE]`: what of the API is honoured, told by the declarations that the code reads with.
//!
//! Without a file it is about the whole v3 API; with one about what the file uses, each thing with its place. What
//! the declarations cannot tell, such as a second filter chain, comes from a compilation of the file.

mod file;
mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::registry::Extensions;

use super::Command;
use super::arguments::{Findable, code, parse, print};
use crate::config::Bootstrap;

/// The command's line in the table.
pub(super) const COMMAND: Command = Command {
    name: "support",
    help: "support [FILE]: tell what is honoured of the API, or of what a configuration uses",
    run,
};

/// Tell what is honoured of the API, or of what a configuration uses.
#[derive(Parser)]
struct Arguments {
    /// A configuration; without one all of the v3 API is told
    file: Option<String>,
    /// The form of what is told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    findable: Findable,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn run(arguments: &[OsString], extensions: &Extensions) -> ExitCode {
    let arguments: Arguments = match parse("support", arguments) {
        Ok(arguments) => arguments,
        Err(end) => return end,
    };
    let table = table(extensions);
    let text = match (&arguments.file, arguments.format) {
        (None, Format::Text) => whole::text(&table),
        (None, Format::Json) => whole::json(&table),
        (Some(path), format) => {
            let Some(report) = file::report(path, &table, extensions, &arguments.findable) else {
                return code(false);
            };
            match format {
                Format::Text => report.text(path),
                Format::Json => report.json(),
            }
        }
    };
    print(&text);
    code(true)
}

/// What the whole binary honours: the engine, and all rooms.
pub(super) fn table(extensions: &Extensions) -> SupportTable {
    let mut table = SupportTable::default();
    Bootstrap::support(&mut table);
    nuncio_upstream::config::support(&mut table);
    nuncio_http::support::support(&mut table);
    nuncio_contract::support::support(&mut table);
    for room in extensions.http_filters.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    nuncio_tcp::support(&mut table);
    nuncio_redis::support(&mut table);
    nuncio_thrift::support(&mut table);
    nuncio_udp::support(&mut table);
    crate::listener::support(&mut table);
    crate::overload::support(&mut table);
    crate::watchdog::support(&mut table);
    crate::runtime::RuntimeResource::support(&mut table);
    for room in extensions.network_filters.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.listener_filters.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.cluster_specifiers.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.early_header_mutations.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.access_loggers.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.tracers.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.bootstrap_extensions.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    for room in extensions.stat_sinks.iter().copied().flatten() {
        (room.support)(&mut table);
    }
    table
}
