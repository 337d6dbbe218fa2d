//! A logger that formats a line into a file's buffer.

use std::sync::Arc;

use nuncio_contract::access_log::{AccessLogConfig, AccessLogger};
use nuncio_contract::formatter::{Format, FormatContext};
use nuncio_contract::stats::Scope;

use super::log_file::LogFile;
use super::worker_buffer::WorkerBuffer;

/// A format and a file.
pub(crate) struct LineLog {
    format: Format,
    file: Arc<LogFile>,
}

struct WorkerLineLog {
    format: Format,
    file: Arc<LogFile>,
    buffer: Arc<WorkerBuffer>,
}

impl LineLog {
    /// Lines of `format` to `file`.
    pub(crate) fn new(format: Format, file: Arc<LogFile>) -> Self {
        LineLog { format, file }
    }
}

impl AccessLogConfig for LineLog {
    fn worker(&self, _scope: &Scope) -> Box<dyn AccessLogger> {
        let buffer = self.file.attach_worker();
        Box::new(WorkerLineLog {
            format: self.format.clone(),
            file: Arc::clone(&self.file),
            buffer,
        })
    }
}

impl AccessLogger for WorkerLineLog {
    fn log(&self, context: &FormatContext<'_>) {
        if self.buffer.add(|lines| self.format.format(context, lines)) {
            self.file.flush_soon();
        }
    }
}
