//! What all threads share of a cache of names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use nuncio_contract::forward_proxy::{DnsCacheSettings, LookUp, Resolved};
use nuncio_contract::stat_group;
use nuncio_contract::stats::StatsStore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::{Asked, NameFollower};

stat_group! {
    /// What became of names, at `dns_cache.<name>.`. The main thread counts.
    pub struct DnsCacheStats("") {
        counters {
            cache_load,
            dns_address_filter_out,
            dns_query_attempt,
            dns_query_failure,
            dns_query_success,
            dns_query_timeout,
            dns_rq_pending_overflow,
            host_added,
            host_address_changed,
            host_overflow,
            host_removed,
        }
        gauges {
            num_hosts,
        }
    }
}

stat_group! {
    /// Requests that wait for names, at `dns_cache.<name>.circuit_breakers.`.
    pub struct DnsCachePendingStats("circuit_breakers.") {
        gauges {
            rq_pending_open,
            rq_pending_remaining,
        }
    }
}

/// What workers tell the main thread.
pub(super) enum Told {
    /// Somebody waits for a name.
    Asked(Asked, oneshot::Sender<Resolved>),
    /// There was no room for a name.
    HostOverflow,
    /// Too many were waiting.
    PendingOverflow,
}

/// A cache of names.
pub struct DnsCache {
    pub(super) settings: DnsCacheSettings,
    pub(crate) stats: Arc<DnsCacheStats>,
    pending_stats: Arc<DnsCachePendingStats>,
    pub(super) names: RwLock<HashMap<Box<str>, Arc<Name>>>,
    pending: AtomicU32,
    tell: UnboundedSender<Told>,
    pub(super) told: Mutex<Option<UnboundedReceiver<Told>>>,
    pub(super) followers: Mutex<Vec<Box<dyn NameFollower>>>,
    since: Instant,
}

/// A name of the cache.
#[derive(Default)]
pub(super) struct Name {
    /// None until it was resolved for the first time.
    pub(super) resolved: RwLock<Option<Resolved>>,
    used_ms: AtomicU64,
}

impl Name {
    pub(super) fn resolved(&self) -> Option<Resolved> {
        let resolved = self.resolved.read();
        resolved.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DnsCache {
    fn new(settings: DnsCacheSettings, stats: &StatsStore) -> Self {
        let scope = stats.scope(&format!("dns_cache.{}", settings.name));
        scope.register::<DnsCacheStats>();
        scope.register::<DnsCachePendingStats>();
        let (tell, told) = unbounded_channel();
        let cache = Self {
            stats: scope.worker_group(),
            pending_stats: scope.worker_group(),
            settings,
            names: RwLock::default(),
            pending: AtomicU32::new(0),
            tell,
            told: Mutex::new(Some(told)),
            followers: Mutex::default(),
            since: Instant::now(),
        };
        cache.show_pending(0);
        cache
    }

    /// Looks a name up, and has it resolved if need be.
    pub fn look_up(&self, asked: &Asked) -> LookUp {
        let (known, count) = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let known = names.get(&asked.key).and_then(|name| name.resolved());
            (known, names.len())
        };
        if let Some(known) = known {
            return LookUp::Known(known);
        }
        if count >= self.settings.max_hosts {
            let _nobody_counts_at_the_end = self.tell.send(Told::HostOverflow);
            return LookUp::Full;
        }
        let (answer, answered) = oneshot::channel();
        let _nobody_resolves_at_the_end = self.tell.send(Told::Asked(asked.clone(), answer));
        LookUp::Later(Box::pin(async move {
            answered.await.unwrap_or_else(|_| Err("no_host".into()))
        }))
    }

    /// Notes that the name's host was chosen, so that it stays.
    pub(crate) fn touch(&self, key: &str) {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(key) {
            name.used_ms.store(self.now_ms(), Relaxed);
        }
    }

    /// A name that somebody asks for now.
    pub(super) fn new_name(&self) -> Arc<Name> {
        let name = Name::default();
        name.used_ms.store(self.now_ms(), Relaxed);
        Arc::new(name)
    }

    pub(super) fn is_outlived(&self, name: &Name) -> bool {
        let unused_ms = self.now_ms().saturating_sub(name.used_ms.load(Relaxed));
        Duration::from_millis(unused_ms) > self.settings.host_ttl
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn show_pending(&self, pending: u32) {
        let left = self.settings.max_pending_requests.saturating_sub(pending);
        self.pending_stats.rq_pending_open.set(u64::from(left == 0));
        self.pending_stats.rq_pending_remaining.set(left.into());
    }
}

/// A place among the requests that wait.
pub(super) struct Permit(Arc<DnsCache>);

impl Permit {
    pub(super) fn take(cache: &Arc<DnsCache>) -> Option<Self> {
        let most = cache.settings.max_pending_requests;
        let one_more = |pending: u32| (pending < most).then(|| pending + 1);
        match cache.pending.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(before) => {
                cache.show_pending(before + 1);
                Some(Self(Arc::clone(cache)))
            }
            Err(_) => {
                let _nobody_counts_at_the_end = cache.tell.send(Told::PendingOverflow);
                None
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let before = self.0.pending.fetch_sub(1, Relaxed);
        self.0.show_pending(before.saturating_sub(1));
    }
}

/// The caches of the process by name; each lasts as long as a cluster that has it.
pub(crate) struct DnsCaches {
    all: Mutex<HashMap<Box<str>, Weak<DnsCache>>>,
    /// Those that somebody has who is no cluster, for the main thread.
    want: UnboundedSender<Weak<DnsCache>>,
    wanted: Mutex<Option<WantedCaches>>,
}

/// Caches that the main thread is to begin.
pub type WantedCaches = UnboundedReceiver<Weak<DnsCache>>;

impl Default for DnsCaches {
    fn default() -> Self {
        let (want, wanted) = unbounded_channel();
        Self {
            all: Mutex::default(),
            want,
            wanted: Mutex::new(Some(wanted)),
        }
    }
}

impl DnsCaches {
    /// The cache with these settings, made if there is none. One with others of the same name, which a reload takes
    /// away, goes with its last cluster.
    pub(crate) fn get(&self, settings: &DnsCacheSettings, stats: &StatsStore) -> Arc<DnsCache> {
        let mut caches = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = caches.get(&settings.name).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.settings == *settings) {
            return known;
        }
        let made = Arc::new(DnsCache::new(settings.clone(), stats));
        caches.insert(settings.name.clone(), Arc::downgrade(&made));
        made
    }

    /// The same for who is no cluster: the main thread begins it.
    pub(crate) fn want(&self, settings: &DnsCacheSettings, stats: &StatsStore) -> Arc<DnsCache> {
        let cache = self.get(settings, stats);
        let _nobody_resolves_at_the_end = self.want.send(Arc::downgrade(&cache));
        cache
    }

    /// What is wanted, for the main thread; none after the first time.
    pub(crate) fn take_wanted(&self) -> Option<WantedCaches> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.take()
    }
}
