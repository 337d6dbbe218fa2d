//! What is known of the keys that are asked for, besides what is kept: whether somebody is asking for one, whether it is
//! coming, and whether its last answer was one that is not kept. Shared by all workers; what has not been asked for in an
//! hour, or is too much, is forgotten key by key.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use nuncio_contract::stats::Gauge;

use super::flight::Flight;
use super::insertion::{Insertion, Reader};
use crate::caching::files::FileStore;
use crate::caching::storage::Storage;
use crate::caching::store::{Entry, MAX_BYTES, Store};

const MEMORY_LABEL: &str = "envoy_extensions_http_cache_v2_simple";
const FILES_LABEL: &str = "envoy_extensions_http_cache_v2_file_system_http_cache";
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
const MAX_KEYS_BYTES: usize = 32 << 20;
/// What a key takes besides its text, about.
const KEY_OVERHEAD_BYTES: usize = 256;

/// What came of a question to a host.
#[derive(Clone)]
pub(super) enum Landing {
    /// The answer is kept as it comes. The reader stays at its beginning, so that nothing is forgotten before all who
    /// wait have begun to read.
    Inserted(Arc<Reader>),
    /// What was kept has not changed, and is this now.
    Unchanged(Arc<Entry>),
    /// The answer is for the one who asked.
    Uncacheable,
    /// There is none.
    Failed,
    /// It was given up, as nobody waited for it: who came meanwhile asks again.
    Abandoned,
}

/// What is known of a key.
#[derive(Clone, Default)]
pub(super) enum State {
    /// What the store says.
    #[default]
    Idle,
    /// Its host was asked.
    Asked(Arc<Flight<Landing>>),
    /// It is coming, and is being kept.
    Coming(Arc<Insertion>),
    /// Its last answer was not to be kept.
    Uncacheable,
}

/// A key.
#[derive(Default)]
pub(super) struct Session(Mutex<Versioned>);

#[derive(Default)]
struct Versioned {
    state: State,
    version: u64,
}

impl Session {
    /// What is known, and a number that is another one after each change.
    pub(super) fn look(&self) -> (State, u64) {
        let known = self.known();
        (known.state.clone(), known.version)
    }

    /// From now on.
    pub(super) fn set(&self, state: State) {
        let mut known = self.known();
        known.state = state;
        known.version += 1;
    }

    /// Nothing is known any more, if an answer that was not to be kept was all.
    pub(super) fn may_be_kept(&self) {
        let mut known = self.known();
        if matches!(known.state, State::Uncacheable) {
            known.state = State::Idle;
            known.version += 1;
        }
    }

    /// Becomes the one who asks; none if something has changed.
    pub(super) fn lead(&self, version: u64) -> Option<Arc<Flight<Landing>>> {
        let mut known = self.known();
        if known.version != version {
            return None;
        }
        let flight = Arc::new(Flight::default());
        known.state = State::Asked(Arc::clone(&flight));
        known.version += 1;
        Some(flight)
    }

    fn known(&self) -> MutexGuard<'_, Versioned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions of a store.
pub(super) struct Sessions {
    pub(super) store: Arc<Storage>,
    /// What the counters are told with.
    pub(super) label: &'static str,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_key: BTreeMap<Arc<[u8]>, Known>,
    bytes: usize,
}

struct Known {
    session: Arc<Session>,
    used: SystemTime,
}

static OF_THE_PROCESS: LazyLock<Arc<Sessions>> = LazyLock::new(|| {
    let storage = Storage::of_memory(Arc::new(Store::new(MAX_BYTES)));
    Arc::new(Sessions::new(storage, MEMORY_LABEL))
});
static OF_FILES: LazyLock<Mutex<Vec<Weak<Sessions>>>> = LazyLock::new(Mutex::default);

impl Sessions {
    pub(super) fn new(storage: Storage, label: &'static str) -> Self {
        Sessions {
            store: Arc::new(storage),
            label,
            keys: Mutex::default(),
        }
    }

    /// Those of the store in memory, which all filters share.
    pub(super) fn of_the_process() -> Arc<Self> {
        Arc::clone(&OF_THE_PROCESS)
    }

    /// Those of a store in files.
    pub(super) fn of_files(files: &Arc<FileStore>) -> Arc<Self> {
        let mut known = OF_FILES.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|sessions| sessions.strong_count() > 0);
        let mut sessions = known.iter().filter_map(Weak::upgrade);
        if let Some(sessions) = sessions.find(|sessions| sessions.store.is_of(files)) {
            return sessions;
        }
        let storage = Storage::of_files(Arc::clone(files));
        let sessions = Arc::new(Sessions::new(storage, FILES_LABEL));
        known.push(Arc::downgrade(&sessions));
        sessions
    }

    /// What is known of `key`; `entries` counts keys.
    pub(super) fn session(&self, key: &[u8], now: SystemTime, entries: &Gauge) -> Arc<Session> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.by_key.get_mut(key) {
            known.used = now;
            let session = Arc::clone(&known.session);
            keys.forget_next(key, now, entries);
            return session;
        }
        let session = Arc::new(Session::default());
        keys.bytes += key.len() + KEY_OVERHEAD_BYTES;
        let known = Known {
            session: Arc::clone(&session),
            used: now,
        };
        keys.by_key.insert(Arc::from(key), known);
        entries.inc();
        keys.forget_next(key, now, entries);
        while keys.bytes > MAX_KEYS_BYTES && keys.forget_some(key, entries) {}
        session
    }
}

impl Keys {
    /// Forgets the key behind this one, if it was not asked for in a long time.
    fn forget_next(&mut self, key: &[u8], now: SystemTime, entries: &Gauge) {
        let Some((next, known)) = self.behind(key) else {
            return;
        };
        let since = now.duration_since(known.used).unwrap_or_default();
        if since >= FORGOTTEN_AFTER && known.is_idle() {
            let next = Arc::clone(next);
            self.remove(&next, entries);
        }
    }

    /// Forgets a key behind this one that nobody uses; false if there is none close by.
    fn forget_some(&mut self, key: &[u8], entries: &Gauge) -> bool {
        const LOOKS_AT: usize = 16;
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Excluded(key));
        let keys = self.by_key.range::<[u8], _>(behind);
        let mut keys = keys
            .chain(self.by_key.range::<[u8], _>(before))
            .take(LOOKS_AT);
        let found = keys.find(|(_, known)| known.is_idle());
        let Some(found) = found.map(|(key, _)| Arc::clone(key)) else {
            return false;
        };
        self.remove(&found, entries);
        true
    }

    fn behind(&self, key: &[u8]) -> Option<(&Arc<[u8]>, &Known)> {
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        let next = self.by_key.range::<[u8], _>(behind).next();
        next.or_else(|| self.by_key.first_key_value())
    }

    fn remove(&mut self, key: &[u8], entries: &Gauge) {
        if self.by_key.remove(key).is_some() {
            self.bytes -= key.len() + KEY_OVERHEAD_BYTES;
            entries.dec();
        }
    }
}

impl Known {
    /// Whether nobody has it in hand.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.session) == 1
    }
}
