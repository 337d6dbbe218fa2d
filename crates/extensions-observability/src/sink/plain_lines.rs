//! Lines that come as they are to be written, to one file.

use std::sync::{Arc, OnceLock};

use nuncio_contract::access_log::LineWriter;

use super::log_file::LogFile;
use super::worker_buffer::WorkerBuffer;

/// A file, and a buffer of it from the first line on, when the file's settings are known.
pub(super) struct PlainLines {
    file: Arc<LogFile>,
    buffer: OnceLock<Arc<WorkerBuffer>>,
}

impl PlainLines {
    pub(super) fn new(file: Arc<LogFile>) -> Self {
        Self {
            file,
            buffer: OnceLock::new(),
        }
    }
}

impl LineWriter for PlainLines {
    fn write(&self, line: &str) {
        let buffer = self.buffer.get_or_init(|| self.file.attach_worker());
        let append = |lines: &mut Vec<u8>| {
            lines.extend_from_slice(line.as_bytes());
            lines.push(b'\n');
        };
        if buffer.add(append) {
            self.file.flush_soon();
        }
    }
}
