//! The process's own log, in Envoy's line format or `--log-format`, to standard error or `--log-path`.
//!
//! A logger has a name and a level (`loggers.rs`); a line is laid out by a pattern (`pattern.rs`). Lines are
//! written one by one, so that none is lost at an abrupt end.

mod from_config;
mod level;
pub(crate) mod loggers;
mod moment;
pub(crate) mod of_rooms;
mod pattern;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

pub use level::LogLevel;

pub(crate) use from_config::ApplicationLog;
use pattern::{Line, Pattern};

/// Envoy's pattern where `--log-format` gives none.
pub(crate) const DEFAULT_FORMAT: &str = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

static OUTPUT: OnceLock<Output> = OnceLock::new();

/// How lines look, if the configuration says so.
static CONFIGURED: OnceLock<Pattern> = OnceLock::new();

struct Output {
    pattern: Pattern,
    escape: bool,
    file: Option<LogFile>,
    last: Mutex<Option<SystemTime>>,
}

struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

/// Lays down once at start how lines look and where they go.
pub(crate) fn configure(
    format: Option<&str>,
    escape: bool,
    path: Option<&Path>,
) -> Result<(), String> {
    let file = path.map(LogFile::open).transpose()?;
    let _set_once_at_start = OUTPUT.set(Output {
        pattern: Pattern::parse(format.unwrap_or(DEFAULT_FORMAT)),
        escape,
        file,
        last: Mutex::new(None),
    });
    Ok(())
}

/// Has lines look as the configuration says from now on; only the first one counts.
pub(crate) fn set_format(format: &str) {
    let _a_reload_does_not_change_it = CONFIGURED.set(Pattern::parse(format));
}

/// Opens the file anew, for those that rotate it; the old one is kept where that fails.
pub(crate) fn reopen() {
    if let Some(file) = OUTPUT.get().and_then(|output| output.file.as_ref()) {
        file.reopen();
    }
}

impl LogFile {
    fn open(path: &Path) -> Result<LogFile, String> {
        let file = open(path).map_err(|error| {
            let path = path.display();
            let reason = nuncio_net::connect::error_text(&error);
            format!(
                "Failed to open log-file '{path}'. e.what(): unable to open file '{path}': {reason}"
            )
        })?;
        Ok(LogFile {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    fn reopen(&self) {
        if let Ok(new) = open(&self.path) {
            *self.file.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    fn write(&self, line: &[u8]) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _nowhere_to_complain = file.write_all(line);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Writes a line, if its logger lets it through.
#[track_caller]
pub(crate) fn write(level: LogLevel, logger: &str, message: &str) {
    if !loggers::lets_through(logger, level) {
        return;
    }
    let now = SystemTime::now();
    let line = Line {
        level,
        logger,
        message,
        place: Location::caller(),
        now,
        since_last: since_last(now),
    };
    let Some(output) = OUTPUT.get() else {
        eprintln!("{}", Pattern::parse(DEFAULT_FORMAT).write(&line));
        return;
    };
    let pattern = CONFIGURED.get().unwrap_or(&output.pattern);
    let mut text = pattern.write(&line);
    if output.escape {
        text = pattern::escaped(&text);
    }
    text.push('\n');
    match &output.file {
        Some(file) => file.write(text.as_bytes()),
        None => eprint!("{text}"),
    }
}

fn since_last(now: SystemTime) -> std::time::Duration {
    let last = OUTPUT.get().and_then(|output| {
        let mut last = output.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now)
    });
    let since = last.and_then(|last| now.duration_since(last).ok());
    since.unwrap_or_default()
}

/// Logs at level info.
#[track_caller]
pub(crate) fn info(logger: &str, message: &str) {
    write(LogLevel::Info, logger, message);
}

/// Logs at level warning.
#[track_caller]
pub(crate) fn warning(logger: &str, message: &str) {
    write(LogLevel::Warning, logger, message);
}

/// Logs at level critical.
#[track_caller]
pub(crate) fn critical(logger: &str, message: &str) {
    write(LogLevel::Critical, logger, message);
}
