//! What the commands share: reading their arguments, and showing what is wrong.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Parser};
use nuncio_config::bootstrap::{Input, Loaded, load};
use nuncio_config::environment::Environment;
use nuncio_config::report::Style;

use crate::admin::json::Json;
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

/// How a configuration is found and told about.
#[derive(Args)]
pub(super) struct Findable {
    /// The form of errors, for people or for machines
    #[arg(long, value_enum, default_value_t = ErrorFormat::Text)]
    pub error_format: ErrorFormat,
    /// Put environment variables in the place of ${NAME} and ${NAME:-default}
    #[arg(long)]
    pub config_env: bool,
}

impl Findable {
    /// Loads a configuration; one that is refused is shown with all its errors.
    pub(super) fn load(&self, path: &str) -> Option<Loaded> {
        let input = Input {
            path: Some(path.to_owned()),
            environment: self.config_env.then(Environment::of_process),
            ..Input::default()
        };
        let shown = load(&input);
        shown
            .map_err(|refusal| eprint!("{}", refusal.render(style(self.error_format))))
            .ok()
    }
}

/// The form in which findings are shown on standard error.
pub(super) fn style(format: ErrorFormat) -> Style {
    match format {
        ErrorFormat::Json => Style::Json,
        ErrorFormat::Text if std::io::stderr().is_terminal() => Style::Coloured,
        ErrorFormat::Text => Style::Plain,
    }
}

/// A value on a line of its own.
pub(super) fn one_line(value: &Json) -> String {
    // Line ends within texts are escaped, so that each line begins with indentation alone.
    let mut line: String = value.pretty().lines().map(str::trim_start).collect();
    line.push('\n');
    line
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
