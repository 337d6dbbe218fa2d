//! One file and the thread that appends to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

use nuncio_contract::stats::groups::FilesystemStats;

use super::files::{Settings, StandardStream};
use super::worker_buffer::WorkerBuffer;

/// A log file, shared by all workers that log to it.
pub(crate) struct LogFile {
    target: Target,
    settings: Settings,
    buffers: Mutex<Vec<Arc<WorkerBuffer>>>,
    /// Held while bytes are written, never while a worker logs.
    writer: Mutex<Writer>,
    /// The flushing thread; `None` inside if it could not be made.
    flusher: OnceLock<Option<Thread>>,
    /// Set when the flusher is woken on purpose, not by its timer.
    flush_wanted: AtomicBool,
    reopen_wanted: AtomicBool,
}

/// Where the bytes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Path(PathBuf),
    Stream(StandardStream),
}

struct Writer {
    file: File,
    stats: Arc<FilesystemStats>,
    /// Swapped with a worker's buffer, so that both keep their memory.
    spare: Vec<u8>,
}

impl LogFile {
    /// Opens the file for appending and makes it if it is not there, with mode 0644.
    pub(super) fn open(target: Target, settings: Settings) -> io::Result<Self> {
        let file = target.open()?;
        let stats = settings.scope.worker_group();
        Ok(LogFile {
            target,
            settings,
            buffers: Mutex::default(),
            writer: Mutex::new(Writer {
                file,
                stats,
                spare: Vec::new(),
            }),
            flusher: OnceLock::new(),
            flush_wanted: AtomicBool::new(false),
            reopen_wanted: AtomicBool::new(false),
        })
    }

    /// Where the bytes go.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// A buffer for the calling worker, and the thread that will empty it.
    pub(crate) fn attach_worker(self: &Arc<Self>) -> Arc<WorkerBuffer> {
        self.flusher.get_or_init(|| {
            let file = Arc::clone(self);
            let builder = thread::Builder::new()
                .name("AccessLogFlush".into())
                .stack_size(128 << 10);
            builder
                .spawn(move || file.keep_flushing())
                .ok()
                .map(|handle| handle.thread().clone())
        });
        self.add_buffer()
    }

    /// A buffer without a thread behind it.
    pub(super) fn add_buffer(&self) -> Arc<WorkerBuffer> {
        let stats = self.settings.scope.worker_group();
        let buffer = Arc::new(WorkerBuffer::new(
            self.settings.options.min_flush_bytes,
            stats,
        ));
        self.buffers().push(Arc::clone(&buffer));
        buffer
    }

    /// Has the flusher empty the buffers now.
    pub(crate) fn flush_soon(&self) {
        self.flush_wanted.store(true, Ordering::Release);
        match self.flusher.get() {
            Some(Some(thread)) => thread.unpark(),
            // Without a thread the worker that filled its buffer empties it.
            Some(None) => self.flush(),
            None => {}
        }
    }

    /// Has the flusher open the path anew.
    pub(super) fn reopen_soon(&self) {
        self.reopen_wanted.store(true, Ordering::Release);
        self.flush_soon();
    }

    /// Writes out what is buffered; blocks until it is done.
    pub(super) fn flush(&self) {
        let buffers = self.live_buffers();
        let mut writer = self.writer();
        if self.reopen_wanted.load(Ordering::Acquire) && writer.reopen(&self.target) {
            self.reopen_wanted.store(false, Ordering::Release);
        }
        for buffer in buffers {
            writer.append_from(&buffer);
        }
    }

    fn keep_flushing(&self) {
        loop {
            thread::park_timeout(self.settings.options.flush_interval);
            if !self.flush_wanted.swap(false, Ordering::AcqRel) {
                self.writer().stats.flushed_by_timer.inc();
            }
            self.flush();
        }
    }

    /// The buffers, without those that are empty and whose worker is gone.
    fn live_buffers(&self) -> Vec<Arc<WorkerBuffer>> {
        let mut buffers = self.buffers();
        buffers.retain(|buffer| Arc::strong_count(buffer) > 1 || !buffer.is_empty());
        buffers.clone()
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Arc<WorkerBuffer>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn append_from(&mut self, buffer: &WorkerBuffer) {
        buffer.swap_out(&mut self.spare);
        if self.spare.is_empty() {
            return;
        }
        match self.file.write_all(&self.spare) {
            Ok(()) => self.stats.write_completed.inc(),
            Err(_) => self.stats.write_failed.inc(),
        }
        self.stats.write_total_buffered.sub(self.spare.len() as u64);
        self.spare.clear();
    }

    /// Opens the path anew; on failure the old file stays and the next flush tries again.
    fn reopen(&mut self, target: &Target) -> bool {
        match target.open() {
            Ok(file) => {
                self.file = file;
                true
            }
            Err(_) => {
                self.stats.reopen_failed.inc();
                false
            }
        }
    }
}

impl Target {
    fn open(&self) -> io::Result<File> {
        Ok(match self {
            Target::Path(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o644)
                .open(path)?,
            Target::Stream(StandardStream::Output) => {
                io::stdout().as_fd().try_clone_to_owned()?.into()
            }
            Target::Stream(StandardStream::Error) => {
                io::stderr().as_fd().try_clone_to_owned()?.into()
            }
        })
    }
}
