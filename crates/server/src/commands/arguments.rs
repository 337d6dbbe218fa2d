//! What the commands share: reading their arguments, and showing what is wrong.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use nuncio_config::report::Style;

use crate::cli::ErrorFormat;

/// Reads the arguments of `nuncio NAME`; on a mistake, or when help was asked for, prints and ends.
pub(super) fn parse<T: Parser>(name: &str, arguments: &[OsString]) -> Result<T, ExitCode> {
    let program = OsString::from(format!("nuncio {name}"));
    let all = std::iter::once(&program).chain(arguments);
    T::try_parse_from(all).map_err(|error| {
        let _broken_pipe_is_no_news = error.print();
        code(!error.use_stderr())
    })
}

/// The form in which findings are shown on standard error.
pub(super) fn style(format: ErrorFormat) -> Style {
    match format {
        ErrorFormat::Json => Style::Json,
        ErrorFormat::Text if std::io::stderr().is_terminal() => Style::Coloured,
        ErrorFormat::Text => Style::Plain,
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no mistake.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _broken_pipe_is_no_news = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The exit code of something that went well, or did not.
pub(super) fn code(well: bool) -> ExitCode {
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
