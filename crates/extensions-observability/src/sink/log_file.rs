//! One file and the thread that appends to it.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};

use nuncio_contract::access_log::FileOptions;
use nuncio_contract::stats::groups::FilesystemStats;
use nuncio_contract::stats::{Scope, StatsStore};

use super::files::{Settings, StandardStream};
use super::worker_buffer::WorkerBuffer;

thread_local! {
    /// The buffers of this thread, by their files.
    static OF_THREAD: RefCell<Vec<(*const LogFile, Weak<WorkerBuffer>)>> = const { RefCell::new(Vec::new()) };
}

/// A log file, shared by all workers that log to it.
pub(crate) struct LogFile {
    target: Target,
    /// Taken when the process is configured, which is after the configs' files are opened.
    settings: OnceLock<FileSettings>,
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

/// The process's settings with the flusher's own cells.
struct FileSettings {
    options: FileOptions,
    scope: Scope,
    stats: Arc<FilesystemStats>,
}

struct Writer {
    file: File,
    /// Swapped with a worker's buffer, so that both keep their memory.
    spare: Vec<u8>,
}

impl LogFile {
    /// Opens the file for appending and makes it if it is not there, with mode 0644.
    pub(super) fn open(target: Target) -> io::Result<Self> {
        let writer = Writer {
            file: target.open()?,
            spare: Vec::new(),
        };
        Ok(LogFile {
            target,
            settings: OnceLock::new(),
            buffers: Mutex::default(),
            writer: Mutex::new(writer),
            flusher: OnceLock::new(),
            flush_wanted: AtomicBool::new(false),
            reopen_wanted: AtomicBool::new(false),
        })
    }

    /// Takes the process's settings, if there are none yet.
    pub(super) fn configure(&self, settings: &Settings) {
        self.settings.get_or_init(|| FileSettings::new(settings));
    }

    fn settings(&self) -> &FileSettings {
        let default = || {
            FileSettings::new(&Settings::new(
                FileOptions::default(),
                &StatsStore::default(),
            ))
        };
        self.settings.get_or_init(default)
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
        self.buffer_of_thread()
    }

    /// The buffer in which the loggers of this thread meet, so that their lines stay in order.
    fn buffer_of_thread(self: &Arc<Self>) -> Arc<WorkerBuffer> {
        OF_THREAD.with_borrow_mut(|buffers| {
            buffers.retain(|(_, buffer)| buffer.strong_count() > 0);
            let of_this = |(file, _): &&(*const LogFile, _)| *file == Arc::as_ptr(self);
            let known = buffers.iter().find(of_this);
            if let Some(buffer) = known.and_then(|(_, buffer)| buffer.upgrade()) {
                return buffer;
            }
            let buffer = self.add_buffer();
            buffers.push((Arc::as_ptr(self), Arc::downgrade(&buffer)));
            buffer
        })
    }

    /// A buffer without a thread behind it.
    pub(super) fn add_buffer(&self) -> Arc<WorkerBuffer> {
        let settings = self.settings();
        let stats = settings.scope.worker_group();
        let buffer = Arc::new(WorkerBuffer::new(settings.options.min_flush_bytes, stats));
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
        let stats = &self.settings().stats;
        let mut writer = self.writer();
        if self.reopen_wanted.load(Ordering::Acquire) && writer.reopen(&self.target, stats) {
            self.reopen_wanted.store(false, Ordering::Release);
        }
        for buffer in buffers {
            writer.append_from(&buffer, stats);
        }
    }

    fn keep_flushing(&self) {
        loop {
            thread::park_timeout(self.settings().options.flush_interval);
            if !self.flush_wanted.swap(false, Ordering::AcqRel) {
                self.settings().stats.flushed_by_timer.inc();
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

impl FileSettings {
    fn new(settings: &Settings) -> Self {
        FileSettings {
            options: settings.options,
            scope: settings.scope.clone(),
            stats: settings.scope.worker_group(),
        }
    }
}

impl Writer {
    fn append_from(&mut self, buffer: &WorkerBuffer, stats: &FilesystemStats) {
        buffer.swap_out(&mut self.spare);
        if self.spare.is_empty() {
            return;
        }
        match self.file.write_all(&self.spare) {
            Ok(()) => stats.write_completed.inc(),
            Err(_) => stats.write_failed.inc(),
        }
        stats.write_total_buffered.sub(self.spare.len() as u64);
        self.spare.clear();
    }

    /// Opens the path anew; on failure the old file stays and the next flush tries again.
    fn reopen(&mut self, target: &Target, stats: &FilesystemStats) -> bool {
        match target.open() {
            Ok(file) => {
                self.file = file;
                true
            }
            Err(_) => {
                stats.reopen_failed.inc();
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
