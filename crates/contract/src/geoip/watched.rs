//! A database in a file that may be replaced while the process runs.
//!
//! Whoever asks looks at most twice a second whether the file is another one; a thread of its own reads it then, and what
//! was there serves until that is done, or stays if the new one is none.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nuncio_config::typed::FileStamp;

use super::database::Database;
use crate::regular_file;

const LIMIT_BYTES: u64 = 1 << 30;
const INTERVAL: Duration = Duration::from_millis(500);

/// A file and the database that it holds.
pub(super) struct Watched {
    path: Box<str>,
    seen: Mutex<Seen>,
    /// How often it was read again, which nobody has counted yet, and how often that failed.
    reloads: AtomicU64,
    failures: AtomicU64,
}

struct Seen {
    at: Option<Instant>,
    stamp: FileStamp,
    database: Arc<Database>,
}

static OPEN: LazyLock<Mutex<HashMap<Box<str>, Weak<Watched>>>> = LazyLock::new(Mutex::default);

impl Watched {
    /// Opens a file, which all that name it share.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Envoy's library.
    pub(super) fn open(path: &str) -> Result<Arc<Self>, &'static str> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, file| file.strong_count() > 0);
        if let Some(there) = open.get(path).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let stamp = FileStamp::of(Path::new(path));
        let database = Arc::new(read(path)?);
        let file = Arc::new(Watched {
            path: path.into(),
            seen: Mutex::new(Seen {
                at: None,
                stamp,
                database,
            }),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        open.insert(path.into(), Arc::downgrade(&file));
        Ok(file)
    }

    /// What it holds.
    pub(super) fn database(self: &Arc<Self>, now: Instant) -> Arc<Database> {
        let mut seen = self.seen();
        let is_due = seen
            .at
            .is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL);
        let database = Arc::clone(&seen.database);
        if is_due {
            seen.at = Some(now);
            let stamp = FileStamp::of(Path::new(&*self.path));
            if stamp != seen.stamp {
                seen.stamp = stamp;
                drop(seen);
                self.read_aside();
            }
        }
        database
    }

    /// How often it was read again since somebody asked, and how often that failed.
    pub(super) fn take_reloads(&self) -> [u64; 2] {
        [&self.reloads, &self.failures].map(|count| match count.load(Ordering::Relaxed) {
            0 => 0,
            _ => count.swap(0, Ordering::Relaxed),
        })
    }

    fn read_aside(self: &Arc<Self>) {
        let file = Arc::clone(self);
        let thread = std::thread::Builder::new().name("geoip".to_owned());
        let spawned = thread.spawn(move || file.read_again());
        if spawned.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read_again(&self) {
        match read(&self.path) {
            Ok(database) => {
                self.seen().database = Arc::new(database);
                self.reloads.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &str) -> Result<Database, &'static str> {
    let no_file = |_: io::Error| "Error opening the specified MaxMind DB file";
    let (_, bytes) = regular_file::read(path, LIMIT_BYTES).map_err(no_file)?;
    let no_database = "The MaxMind DB file contains invalid metadata";
    Database::new(bytes).map_err(|_| no_database)
}
