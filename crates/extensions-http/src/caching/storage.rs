//! Where answers are kept: in memory, or in files.

use std::ops::Range;
use std::sync::Arc;

use nuncio_contract::stats::Scope;

use super::files::FileStore;
use super::pool::Job;
use super::store::{Body, Entry, Store};

/// The place, and what counts the bodies that are coming.
pub(crate) struct Storage {
    memory: Arc<Store>,
    files: Option<Arc<FileStore>>,
}

/// Some of a body.
pub(crate) enum Chunk {
    /// It is at hand.
    Here(Vec<u8>),
    /// It is read from the disk; none if that fails.
    Aside(Job<Option<Vec<u8>>>),
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
                let _is_kept = files.keep(key, Arc::clone(entry)).await;
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

    /// Some of a body.
    pub(crate) fn read(&self, body: &Body, range: Range<usize>) -> Chunk {
        match (&self.files, body) {
            (Some(files), Body::File(body)) => {
                let body = body.clone();
                Chunk::Aside(files.pool().run(move || body.read(&range).ok()))
            }
            _ => Chunk::Here(body.slice(&range).to_vec()),
        }
    }
}
