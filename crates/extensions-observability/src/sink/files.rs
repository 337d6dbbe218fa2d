//! All open log files by path.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nuncio_contract::access_log::{AccessLogFiles, FileOptions, LineWriter};
use nuncio_contract::stats::groups::FilesystemStats;
use nuncio_contract::stats::{Scope, StatsStore};

use super::log_file::{LogFile, Target};
use super::plain_lines::PlainLines;

/// Open log files. They stay open until the process ends.
pub struct LogFiles {
    settings: OnceLock<Settings>,
    files: Mutex<Vec<Arc<LogFile>>>,
}

/// A stream of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What all files of a process share.
pub(super) struct Settings {
    pub(super) options: FileOptions,
    pub(super) scope: Scope,
}

impl LogFiles {
    /// No file.
    pub const fn new() -> Self {
        LogFiles {
            settings: OnceLock::new(),
            files: Mutex::new(Vec::new()),
        }
    }

    /// The file at `path`, opened if it was not; else why not, in Envoy's words.
    pub(crate) fn open(&self, path: &str) -> Result<Arc<LogFile>, String> {
        self.open_target(Target::Path(path.into()))
            .map_err(|error| {
                let why = error.to_string();
                let why = why.split(" (os error").next().unwrap_or("");
                format!("unable to open file '{path}': {why}")
            })
    }

    /// A stream of the process.
    pub(crate) fn open_stream(&self, stream: StandardStream) -> Result<Arc<LogFile>, String> {
        let file = self.open_target(Target::Stream(stream));
        file.map_err(|error| format!("unable to open {}: {error}", stream.name()))
    }

    fn open_target(&self, target: Target) -> io::Result<Arc<LogFile>> {
        let mut files = self.files();
        if let Some(file) = files.iter().find(|file| *file.target() == target) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(LogFile::open(target)?);
        if let Some(settings) = self.settings.get() {
            file.configure(settings);
        }
        files.push(Arc::clone(&file));
        Ok(file)
    }

    fn files(&self) -> MutexGuard<'_, Vec<Arc<LogFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LogFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl AccessLogFiles for LogFiles {
    fn configure(&self, options: FileOptions, store: &StatsStore) {
        let settings = Settings::new(options, store);
        settings.scope.register::<FilesystemStats>();
        // A second call finds the settings taken, and files already use them.
        let settings = self.settings.get_or_init(|| settings);
        self.files()
            .iter()
            .for_each(|file| file.configure(settings));
    }

    fn open_lines(&self, path: &str) -> Result<Box<dyn LineWriter>, String> {
        Ok(Box::new(PlainLines::new(self.open(path)?)))
    }

    fn reopen_all(&self) {
        self.files().iter().for_each(|file| file.reopen_soon());
    }

    fn flush_all(&self) {
        let files = self.files().clone();
        files.iter().for_each(|file| file.flush());
    }
}

impl Settings {
    pub(super) fn new(options: FileOptions, store: &StatsStore) -> Self {
        Settings {
            options,
            scope: store.root(),
        }
    }
}

impl StandardStream {
    fn name(self) -> &'static str {
        match self {
            StandardStream::Output => "standard output",
            StandardStream::Error => "standard error",
        }
    }
}
