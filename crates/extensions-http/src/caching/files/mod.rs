//! Answers in files, one each, under a folder. They are there again after a restart. Names are `cache-` and a hash of the
//! key, in one of `cache_subdivisions` folders where there are several; the key is in the file as well. A file appears
//! whole, under its name, or not at all; what is renewed takes the place only of what it was made of, as far as this
//! process alone writes there. The folder need not be there: then nothing is kept, unless `create_cache_path` has it made
//! when the first answer is.
//!
//! All work on files is done by a [`Pool`], what goes by a thread of the store ([`eviction`]).

mod eviction;
mod format;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nuncio_contract::hash::xxh64;
use nuncio_contract::stats::Scope;

use self::eviction::Sizes;
use super::pool::{Job, Pool};
use super::store::{Body, Counted, Entry};

/// How a store is configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileSettings {
    /// The folder, with a slash at its end.
    pub(crate) path: Box<str>,
    pub(crate) manager: Box<str>,
    pub(crate) threads: usize,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_entry_bytes: Option<u64>,
    pub(crate) max_count: Option<u64>,
    pub(crate) subdivisions: u32,
    /// How much less than may be is left by an eviction.
    pub(crate) evict_fraction: f64,
    pub(crate) max_eviction_period: Option<Duration>,
    pub(crate) min_eviction_period: Option<Duration>,
    pub(crate) makes_path: bool,
}

/// The store.
pub(crate) struct FileStore {
    settings: FileSettings,
    pool: Arc<Pool>,
    sizes: Arc<Sizes>,
    turns: Arc<Turns>,
}

/// Who puts a file in its place waits for others that may do so in the same.
type Turns = [Mutex<()>; 16];

/// Where an answer goes.
struct Place {
    path: PathBuf,
    root: PathBuf,
    sizes: Arc<Sizes>,
    turns: Arc<Turns>,
}

/// Why there is no such store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// Another one has the path and other settings.
    Path,
    /// Another manager has the id and other settings.
    Manager,
}

type Known = Mutex<HashMap<Box<str>, Weak<FileStore>>>;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::default);
static WRITTEN: AtomicU64 = AtomicU64::new(0);

impl FileStore {
    /// The one of this path, made if it is not there.
    pub(crate) fn get(settings: FileSettings) -> Result<Arc<Self>, Mismatch> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, store| store.strong_count() > 0);
        if let Some(store) = known.get(&settings.path).and_then(Weak::upgrade) {
            return match store.settings == settings {
                true => Ok(store),
                false => Err(Mismatch::Path),
            };
        }
        let pool = Pool::of_manager(&settings.manager, settings.threads);
        let path = settings.path.clone();
        let store = Arc::new(FileStore {
            sizes: Sizes::new(&settings),
            pool: pool.ok_or(Mismatch::Manager)?,
            settings,
            turns: Arc::default(),
        });
        known.insert(path, Arc::downgrade(&store));
        Ok(store)
    }

    /// Counts at `root` from now on, and looks at what is there.
    pub(crate) fn begin(&self, root: &Scope) {
        self.sizes.begin(root);
    }

    /// The folder.
    pub(crate) fn path(&self) -> &str {
        &self.settings.path
    }

    /// The threads.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The answer that is kept.
    pub(crate) fn find(&self, key: &[u8]) -> Job<Option<Entry>> {
        let (place, key) = (self.place(key), key.to_vec());
        self.pool.ask(move || {
            let file = open(&place.path).ok()?;
            let opened = file.metadata().ok()?;
            format::read(file, &key).unwrap_or_else(|_| {
                place.clear(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino()));
                None
            })
        })
    }

    /// Keeps an answer; the job is over when it is there, or cannot be. Until then it is `counted`.
    pub(crate) fn keep(
        &self,
        key: &[u8],
        entry: Arc<Entry>,
        counted: Option<Counted>,
    ) -> Job<bool> {
        self.put(key, None, entry, counted)
    }

    /// Puts `new` in the place of `old`, if that is still there.
    pub(crate) fn renew(&self, key: &[u8], old: Arc<Entry>, new: Arc<Entry>) -> Job<bool> {
        self.put(key, Some(old), new, None)
    }

    fn put(
        &self,
        key: &[u8],
        old: Option<Arc<Entry>>,
        entry: Arc<Entry>,
        counted: Option<Counted>,
    ) -> Job<bool> {
        let (max_bytes, makes_path) = (self.settings.max_entry_bytes, self.settings.makes_path);
        let (place, key) = (self.place(key), key.to_vec());
        self.pool.run(move || {
            let _until_it_is_there = counted;
            let before = format::before_body(&key, &entry);
            let Some(before) = before.filter(|before| {
                let length = u64::try_from(before.len()).unwrap_or(u64::MAX);
                let bytes = length.saturating_add(entry.body.length());
                max_bytes.is_none_or(|max| bytes <= max)
            }) else {
                place.clear(|found| is_of(old.as_deref(), found));
                return false;
            };
            if makes_path {
                let _made = folders().recursive(true).create(&place.root);
            }
            place.write(&before, &entry.body, old.as_deref()).is_ok()
        })
    }

    /// Forgets an answer.
    pub(crate) fn forget(&self, key: &[u8]) -> Job<()> {
        let place = self.place(key);
        self.pool.run(move || place.clear(|_| true))
    }

    fn place(&self, key: &[u8]) -> Place {
        Place {
            path: self.path_of(key),
            root: PathBuf::from(&*self.settings.path),
            sizes: Arc::clone(&self.sizes),
            turns: Arc::clone(&self.turns),
        }
    }

    fn path_of(&self, key: &[u8]) -> PathBuf {
        let hash = xxh64(key, 0);
        let name = format!("cache-{hash:016x}{:016x}", xxh64(key, hash));
        let path = Path::new(&*self.settings.path);
        match hash.checked_rem(u64::from(self.settings.subdivisions)) {
            Some(folder) if self.settings.subdivisions > 1 => {
                path.join(format!("cache-folder-{folder:08x}")).join(name)
            }
            _ => path.join(name),
        }
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.sizes.end();
    }
}

/// Only of a regular file: to open a pipe would wait for who writes it.
fn open(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    }
}

/// Whether `found` is that of `old`, if it has to be.
fn is_of(old: Option<&Entry>, found: &Metadata) -> bool {
    old.is_none_or(|old| matches!(&old.body, Body::File(body) if body.is_in(found)))
}

/// Folders in which nobody else looks: answers may be meant for some alone.
fn folders() -> DirBuilder {
    let mut folders = DirBuilder::new();
    folders.mode(0o700);
    folders
}

impl Place {
    /// Nothing is there from now on, if what is there `goes`.
    fn clear(&self, goes: impl FnOnce(&Metadata) -> bool) {
        let _turn = self.turn();
        if let Ok(found) = fs::symlink_metadata(&self.path)
            && goes(&found)
            && fs::remove_file(&self.path).is_ok()
        {
            self.sizes.removed(found.len());
        }
    }

    fn write(&self, before: &[u8], body: &Body, old: Option<&Entry>) -> io::Result<()> {
        let path = &self.path;
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            let made = folders().create(folder);
            made.or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })?;
        }
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let mut name = OsString::from(path);
        name.push(format!(".{}-{number}.new", std::process::id()));
        let new = PathBuf::from(name);
        let written = write_new(&new, before, body).and_then(|length| {
            let _turn = self.turn();
            let replaced = fs::symlink_metadata(path).ok();
            let is_there = replaced.as_ref().is_some_and(|found| is_of(old, found));
            if old.is_some() && !is_there {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            fs::rename(&new, path)?;
            if let Some(replaced) = replaced {
                self.sizes.removed(replaced.len());
            }
            self.sizes.added(length);
            Ok(())
        });
        written.inspect_err(|_| {
            let _gone = fs::remove_file(&new);
        })
    }

    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        let hash = xxh64(self.path.as_os_str().as_encoded_bytes(), 0);
        let at = usize::try_from(hash % 16).ok()?;
        let turn = self.turns.get(at)?;
        Some(turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn write_new(path: &Path, before: &[u8], body: &Body) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    file.write_all(before)?;
    body.write_to(&mut file)?;
    let length = u64::try_from(before.len()).unwrap_or(u64::MAX);
    Ok(length.saturating_add(body.length()))
}
