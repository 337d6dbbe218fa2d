//! Code that was fetched, by its SHA-256, for all who want the same. As in Envoy, code that nobody has wanted for 24 hours
//! goes, and a failure counts for 10 seconds. Here there is a limit besides: 256 MiB of code, of 1000 hashes.
//!
//! What is counted waits here until somebody has the stats at hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::lifecycle::RemoteStats;

const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 3600);
const NEGATIVE_TIME: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 256 << 20;
const MAX_ENTRIES: usize = 1000;

struct Entry {
    /// None: it is being fetched, or could not be.
    code: Option<Arc<[u8]>>,
    in_progress: bool,
    used_at: Instant,
    fetched_at: Instant,
}

/// The code, and what was counted and not told yet.
#[derive(Default)]
pub(crate) struct CodeCache {
    entries: HashMap<Box<str>, Entry>,
    hits: u64,
    misses: u64,
    negative_hits: u64,
    failures: u64,
    successes: u64,
    /// The number of entries that was told last.
    told_entries: u64,
}

static CACHE: Mutex<Option<CodeCache>> = Mutex::new(None);

/// Does something with the cache of the process.
pub(crate) fn with<R>(act: impl FnOnce(&mut CodeCache) -> R) -> R {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    act(cache.get_or_insert_default())
}

impl CodeCache {
    /// The code, if it is there.
    pub(crate) fn find(&mut self, sha256: &str, now: Instant) -> Option<Arc<[u8]>> {
        let entry = self.entries.get_mut(sha256)?;
        entry.used_at = now;
        let code = entry.code.clone()?;
        self.hits += 1;
        Some(code)
    }

    /// It is fetched from now on.
    pub(crate) fn begin(&mut self, sha256: &str, now: Instant) {
        self.make_room(sha256, now);
        let Some(entry) = self.entries.get_mut(sha256) else {
            self.misses += 1;
            let entry = Entry {
                code: None,
                in_progress: true,
                used_at: now,
                fetched_at: now,
            };
            self.entries.insert(sha256.into(), entry);
            return;
        };
        self.misses += u64::from(entry.in_progress);
        let age = now.saturating_duration_since(entry.fetched_at);
        self.negative_hits += u64::from(age < NEGATIVE_TIME);
        entry.in_progress = true;
        (entry.used_at, entry.fetched_at) = (now, now);
    }

    /// It has come, or has not.
    pub(crate) fn end(&mut self, sha256: &str, code: Option<Arc<[u8]>>) {
        match code.is_some() {
            true => self.successes += 1,
            false => self.failures += 1,
        }
        let Some(entry) = self.entries.get_mut(sha256) else {
            return;
        };
        entry.in_progress = false;
        // Where others fetched it meanwhile it stays.
        entry.code = code.or_else(|| entry.code.take());
        self.shrink(sha256);
    }

    fn make_room(&mut self, wanted: &str, now: Instant) {
        self.entries.retain(|sha256, entry| {
            now.saturating_duration_since(entry.used_at) <= TIME_TO_LIVE || **sha256 == *wanted
        });
        while self.entries.len() >= MAX_ENTRIES && self.drop_oldest(wanted) {}
    }

    fn shrink(&mut self, newest: &str) {
        let bytes = |cache: &Self| -> usize {
            let all = cache.entries.values().flat_map(|entry| &entry.code);
            all.map(|code| code.len()).sum()
        };
        while bytes(self) > MAX_BYTES && self.drop_oldest(newest) {}
    }

    /// Drops what was used least of late, but for one.
    fn drop_oldest(&mut self, but: &str) -> bool {
        let others = self.entries.iter().filter(|(sha256, _)| ***sha256 != *but);
        let oldest = others.min_by_key(|(_, entry)| entry.used_at);
        let Some(oldest) = oldest.map(|(sha256, _)| sha256.clone()) else {
            return false;
        };
        self.entries.remove(&oldest).is_some()
    }

    /// Tells what was counted.
    pub(crate) fn tell(&mut self, stats: &RemoteStats) {
        let take = std::mem::take;
        stats.remote_load_cache_hits.add(take(&mut self.hits));
        stats.remote_load_cache_misses.add(take(&mut self.misses));
        let negative = take(&mut self.negative_hits);
        stats.remote_load_cache_negative_hits.add(negative);
        stats
            .remote_load_fetch_failures
            .add(take(&mut self.failures));
        stats
            .remote_load_fetch_successes
            .add(take(&mut self.successes));
        let entries = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let gauge = &stats.remote_load_cache_entries;
        gauge.add(entries.saturating_sub(self.told_entries));
        gauge.sub(self.told_entries.saturating_sub(entries));
        self.told_entries = entries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_by_its_hash_until_it_was_not_wanted_for_a_day() {
        let (mut cache, now) = (CodeCache::default(), Instant::now());
        assert!(cache.find("a", now).is_none());
        cache.begin("a", now);
        assert!(cache.find("a", now).is_none(), "it is under way");
        cache.end("a", Some([1].into()));
        assert_eq!(cache.find("a", now).as_deref(), Some(&[1][..]));
        cache.begin("b", now + TIME_TO_LIVE);
        assert!(cache.entries.contains_key("a"));
        cache.begin("b", now + TIME_TO_LIVE + Duration::from_secs(1));
        assert!(!cache.entries.contains_key("a"));
        assert_eq!((cache.hits, cache.misses, cache.successes), (1, 3, 1));
    }

    #[test]
    fn a_failure_counts_for_ten_seconds() {
        let (mut cache, now) = (CodeCache::default(), Instant::now());
        cache.begin("a", now);
        cache.end("a", None);
        cache.begin("a", now + Duration::from_secs(9));
        cache.end("a", None);
        assert_eq!(cache.negative_hits, 1);
        cache.begin("a", now + Duration::from_secs(19));
        assert_eq!((cache.negative_hits, cache.misses), (1, 1));
        assert_eq!(cache.failures, 2);
    }

    #[test]
    fn there_is_a_limit() {
        let (mut cache, mut now) = (CodeCache::default(), Instant::now());
        for number in 0..MAX_ENTRIES + 2 {
            now += Duration::from_millis(1);
            cache.begin(&number.to_string(), now);
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        assert!(!cache.entries.contains_key("1"), "the oldest go");
        let large: Arc<[u8]> = vec![0; MAX_BYTES / 2 + 1].into();
        cache.end("5", Some(Arc::clone(&large)));
        cache.end("6", Some(large));
        assert!(cache.find("5", now).is_none());
        assert!(cache.find("6", now).is_some());
    }
}
