//! One worker's lines for one file, until they are written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nuncio_contract::stats::groups::FilesystemStats;

/// A buffer that is full takes no more lines.
const LIMIT_BYTES: usize = 16 << 20;

/// Memory beyond this many flushes' worth is given back after a burst.
const KEPT_FLUSHES: usize = 4;

/// The buffer. Its worker adds, the file's writer takes.
pub(crate) struct WorkerBuffer {
    lines: Mutex<Vec<u8>>,
    /// Whether a line was ever added. The first is flushed at once, as in Envoy.
    begun: AtomicBool,
    min_flush_bytes: usize,
    stats: Arc<FilesystemStats>,
}

impl WorkerBuffer {
    pub(super) fn new(min_flush_bytes: usize, stats: Arc<FilesystemStats>) -> Self {
        WorkerBuffer {
            lines: Mutex::default(),
            begun: AtomicBool::new(false),
            min_flush_bytes,
            stats,
        }
    }

    /// Adds a line by `append`; whether it should be flushed now: the first line, and the one with which the
    /// buffer grew large enough.
    pub(crate) fn add(&self, append: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut lines = self.lines();
        let before = lines.len();
        if before >= LIMIT_BYTES {
            drop(lines);
            self.stats.write_failed.inc();
            return false;
        }
        append(&mut lines);
        let after = lines.len();
        drop(lines);
        self.stats.write_buffered.inc();
        self.stats.write_total_buffered.add((after - before) as u64);
        if !self.begun.load(Ordering::Relaxed) {
            self.begun.store(true, Ordering::Relaxed);
            return true;
        }
        before <= self.min_flush_bytes && after > self.min_flush_bytes
    }

    /// Exchanges the lines for `spare`, which must be empty.
    pub(super) fn swap_out(&self, spare: &mut Vec<u8>) {
        let most = self.min_flush_bytes.saturating_mul(KEPT_FLUSHES);
        let mut lines = self.lines();
        if lines.is_empty() {
            // Nothing came since the last flush: an idle worker holds no memory.
            *lines = Vec::new();
            *spare = Vec::new();
            return;
        }
        if spare.capacity() > most {
            *spare = Vec::new();
        }
        std::mem::swap(&mut *lines, spare);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines().is_empty()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
