//! How much is in the files, and what goes when that is too much: those that were used longest ago, as the file system
//! tells it. A thread of the store looks at the folder when it begins, when there is too much, and every
//! `max_eviction_period`; not more often than every `min_eviction_period`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::stats::{Counter, Scope, WideGauge};

use super::FileSettings;

/// A file that is being written is left alone for so long.
const NEW_FILES_STAY: Duration = Duration::from_secs(60);

/// What the files take.
pub(crate) struct Sizes {
    settings: FileSettings,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    count: u64,
    stats: Option<Stats>,
    is_wanted: bool,
    is_over: bool,
}

struct Stats {
    eviction_runs: Arc<Counter>,
    size_bytes: Arc<WideGauge>,
    size_count: Arc<WideGauge>,
    _limits: [Arc<WideGauge>; 2],
}

struct Found {
    path: PathBuf,
    bytes: u64,
    /// When it was used, in seconds and nanoseconds.
    used: (i64, i64),
}

impl Sizes {
    pub(super) fn new(settings: &FileSettings) -> Arc<Self> {
        Arc::new(Sizes {
            settings: settings.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Counts at `root`, and begins to look after the files; once.
    pub(super) fn begin(self: &Arc<Self>, root: &Scope) {
        let mut state = self.state();
        if state.stats.is_some() {
            return;
        }
        let path = &self.settings.path;
        let gauge = |name: &str| root.wide_gauge(&format!("cache.{name}.cache_path.{path}"));
        let limits = [gauge("size_limit_bytes"), gauge("size_limit_count")];
        let [bytes, count] = &limits;
        bytes.set(self.settings.max_bytes.unwrap_or(0));
        count.set(self.settings.max_count.unwrap_or(0));
        state.stats = Some(Stats {
            eviction_runs: root.counter(&format!("cache.eviction_runs.cache_path.{path}")),
            size_bytes: gauge("size_bytes"),
            size_count: gauge("size_count"),
            _limits: limits,
        });
        drop(state);
        let sizes = Arc::clone(self);
        let thread = std::thread::Builder::new().name("cache_eviction".to_owned());
        let _without_it_nothing_goes = thread.spawn(move || sizes.look_after());
    }

    /// The store is gone.
    pub(super) fn end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    pub(super) fn added(&self, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes);
        state.count = state.count.saturating_add(1);
        state.tell();
        if self.is_too_much(&state) {
            state.is_wanted = true;
            self.changed.notify_all();
        }
    }

    pub(super) fn removed(&self, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.count = state.count.saturating_sub(1);
        state.tell();
    }

    fn is_too_much(&self, state: &State) -> bool {
        let is_over = |max: Option<u64>, is: u64| max.is_some_and(|max| is > max);
        is_over(self.settings.max_bytes, state.bytes)
            || is_over(self.settings.max_count, state.count)
    }

    fn look_after(&self) {
        let (bytes, count) = self.look(|_| {});
        let mut state = self.state();
        state.bytes = bytes;
        state.count = count;
        state.tell();
        state.is_wanted = self.is_too_much(&state);
        let mut last = None;
        while !state.is_over {
            if state.is_wanted {
                if let Some(wait) = self.must_wait(last) {
                    state = self.wait(state, Some(wait));
                    continue;
                }
                state.is_wanted = false;
                drop(state);
                last = Some(Instant::now());
                self.evict();
                state = self.state();
                continue;
            }
            let began = Instant::now();
            let period = self.settings.max_eviction_period;
            state = self.wait(state, period);
            state.is_wanted |= period.is_some_and(|period| began.elapsed() >= period);
        }
    }

    /// How long no other eviction may begin.
    fn must_wait(&self, last: Option<Instant>) -> Option<Duration> {
        let period = self.settings.min_eviction_period?;
        period.checked_sub(last?.elapsed())
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match most {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.changed.wait_timeout(state, most);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Looks at all files, and removes what is too much of them.
    pub(super) fn evict(&self) {
        let mut files = Vec::new();
        let (bytes, count) = self.look(|found| files.push(found));
        {
            let mut state = self.state();
            state.bytes = bytes;
            state.count = count;
            state.tell();
            if let Some(stats) = &state.stats {
                stats.eviction_runs.inc();
            }
        }
        let over = |max: Option<u64>, is: u64| max.is_some_and(|max| is > max);
        let is_over = over(self.settings.max_bytes, bytes) || over(self.settings.max_count, count);
        if !is_over {
            return;
        }
        files.sort_by(|one, other| (other.used, &other.path).cmp(&(one.used, &one.path)));
        let most_bytes = self.settings.max_bytes.map(|max| self.less(max));
        let most_count = self.settings.max_count.map(|max| self.less(max));
        let (mut kept_bytes, mut kept_count, mut is_full) = (0_u64, 0_u64, false);
        for file in files {
            kept_bytes = kept_bytes.saturating_add(file.bytes);
            kept_count += 1;
            is_full |= over(most_bytes, kept_bytes) || over(most_count, kept_count);
            if is_full && fs::remove_file(&file.path).is_ok() {
                self.removed(file.bytes);
            }
        }
    }

    /// What is left of a limit by an eviction.
    fn less(&self, max: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of it, about"
        )]
        let share = (max as f64 * self.settings.evict_fraction) as u64;
        max.saturating_sub(share)
    }

    /// Tells of each file; the sums of their bytes and their number.
    fn look(&self, mut each: impl FnMut(Found)) -> (u64, u64) {
        let (mut bytes, mut count) = (0_u64, 0_u64);
        let mut each = |found: Found| {
            bytes = bytes.saturating_add(found.bytes);
            count += 1;
            each(found);
        };
        let root = Path::new(&*self.settings.path);
        look_into(root, &mut each);
        if self.settings.subdivisions > 1 {
            for folder in fs::read_dir(root).into_iter().flatten().flatten() {
                if folder
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(b"cache-folder-")
                {
                    look_into(&folder.path(), &mut each);
                }
            }
        }
        (bytes, count)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&self) {
        if let Some(stats) = &self.stats {
            stats.size_bytes.set(self.bytes);
            stats.size_count.set(self.count);
        }
    }
}

fn look_into(folder: &Path, each: &mut impl FnMut(Found)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if !name.starts_with(b"cache-") || !metadata.is_file() {
            continue;
        }
        if name.ends_with(b".new") {
            let age = metadata
                .modified()
                .map(|at| SystemTime::now().duration_since(at));
            if age.is_ok_and(|age| age.is_ok_and(|age| age > NEW_FILES_STAY)) {
                let _gone = fs::remove_file(entry.path());
            }
            continue;
        }
        let accessed = (metadata.atime(), metadata.atime_nsec());
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        each(Found {
            path: entry.path(),
            bytes: metadata.len(),
            used: accessed.max(changed),
        });
    }
}
