//! Where answers are kept: in memory, or in files.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_contract::stats::Scope;

use super::files::FileStore;
use super::pool::Job;
use super::store::{Body, Entry, Store};

/// The place, and what counts the bodies that are coming.
pub(crate) struct Storage {
    memory: Arc<Store>,
    files: Option<Arc<FileStore>>,
}

/// How much of a body is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A body that is read chunk by chunk.
pub(crate) struct BodyReader {
    storage: Arc<Storage>,
    entry: Arc<Entry>,
    left: Range<usize>,
    /// What is on its way from the disk.
    reading: Option<Job<Option<Vec<u8>>>>,
}

/// Some of a body.
enum Chunk {
    /// It is at hand.
    Here(Vec<u8>),
    /// It is read from the disk; none if that fails.
    Aside(Job<Option<Vec<u8>>>),
}

impl BodyReader {
    /// Of these bytes.
    pub(crate) fn new(storage: &Arc<Storage>, entry: &Arc<Entry>, left: Range<usize>) -> Self {
        BodyReader {
            storage: Arc::clone(storage),
            entry: Arc::clone(entry),
            left,
            reading: None,
        }
    }

    /// Whose body it is.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Whether all was read.
    pub(crate) fn is_through(&self) -> bool {
        self.left.start >= self.left.end
    }

    /// The next bytes, when they come; none if they cannot be read.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        if self.is_through() {
            return Poll::Ready(Some(Vec::new()));
        }
        if self.reading.is_none() {
            let middle = self.left.start.saturating_add(CHUNK_BYTES);
            let range = self.left.start..middle.min(self.left.end);
            match self.storage.read(&self.entry.body, range) {
                Chunk::Here(bytes) => return Poll::Ready(self.took(bytes)),
                Chunk::Aside(job) => self.reading = Some(job),
            }
        }
        let Some(job) = &mut self.reading else {
            return Poll::Pending;
        };
        let bytes = ready!(Pin::new(job).poll(cx)).flatten();
        self.reading = None;
        Poll::Ready(bytes.and_then(|bytes| self.took(bytes)))
    }

    fn took(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.left.start += bytes.len();
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }
}

impl Storage {
    /// In memory.
    pub(crate) fn of_memory(memory: Arc<Store>) -> Self {
        Storage {
            memory,
            files: None,
        }
    }

    /// In files.
    pub(crate) fn of_files(files: Arc<FileStore>) -> Self {
        Storage {
            memory: Arc::new(Store::new(0)),
            files: Some(files),
        }
    }

    /// Whether it is in these files.
    pub(crate) fn is_of(&self, files: &Arc<FileStore>) -> bool {
        let own = self.files.as_ref();
        own.is_some_and(|own| Arc::ptr_eq(own, files))
    }

    /// What is in memory, and counts what is coming.
    pub(crate) fn memory(&self) -> &Arc<Store> {
        &self.memory
    }

    /// The files.
    pub(crate) fn files(&self) -> Option<&Arc<FileStore>> {
        self.files.as_ref()
    }

    /// Counts at `root` from now on.
    pub(crate) fn begin(&self, root: &Scope) {
        if let Some(files) = &self.files {
            files.begin(root);
        }
    }

    /// The answer that is kept.
    pub(crate) async fn find(&self, key: &[u8]) -> Option<Arc<Entry>> {
        match &self.files {
            None => self.memory.find(key, |_| None).map(|(_, entry)| entry),
            Some(files) => files.find(key).await.flatten().map(Arc::new),
        }
    }

    /// Keeps an answer.
    pub(crate) async fn keep(&self, key: &[u8], entry: &Arc<Entry>) {
        match &self.files {
            None => self.memory.keep_shared(key, Arc::clone(entry)),
            Some(files) => {
                let _is_kept = files.keep(key, Arc::clone(entry), None).await;
            }
        }
    }

    /// Forgets an answer.
    pub(crate) async fn forget(&self, key: &[u8]) {
        match &self.files {
            None => self.memory.forget(key),
            Some(files) => {
                let _done = files.forget(key).await;
            }
        }
    }

    fn read(&self, body: &Body, range: Range<usize>) -> Chunk {
        match (&self.files, body) {
            (Some(files), Body::File(body)) => {
                let body = body.clone();
                Chunk::Aside(files.pool().ask(move || body.read(&range).ok()))
            }
            _ => Chunk::Here(body.slice(&range).to_vec()),
        }
    }
}
