//! The buckets of a service and a domain, which all filters that name both share; workers and the main thread, which
//! reports, see the same.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::task::Waker;
use std::time::Instant;

use nuncio_config::typed::Background;
use nuncio_contract::calls::{Calls, of_thread};
use nuncio_contract::grpc_client::GrpcTarget;

use super::bucket::{Behavior, Bucket, Id};
use super::reporting::Reporting;

/// How many buckets there may be.
const MAX_BUCKETS: usize = 16_384;
/// How long the names and values of one.
const MAX_BYTES_OF_ID: usize = 4096;
/// How long those of all together.
const MAX_BYTES_OF_IDS: usize = 8 << 20;

/// The buckets.
pub(super) struct Quotas {
    pub(super) target: GrpcTarget,
    pub(super) domain: Box<str>,
    known: RwLock<Known>,
    new: Mutex<New>,
    has_begun: AtomicBool,
    /// A bucket found no room, and none has gone since.
    is_full: AtomicBool,
}

#[derive(Default)]
struct Known {
    buckets: HashMap<Arc<Id>, Arc<Bucket>>,
    id_bytes: usize,
}

/// What the service was not told of yet.
#[derive(Default)]
struct New {
    buckets: Vec<Arc<Bucket>>,
    reporting: Option<Waker>,
}

/// All that there are in the process.
static SHARED: Mutex<Vec<Weak<Quotas>>> = Mutex::new(Vec::new());

impl Quotas {
    pub(super) fn new(target: GrpcTarget, domain: &str) -> Arc<Self> {
        Arc::new(Quotas {
            target,
            domain: domain.into(),
            known: RwLock::default(),
            new: Mutex::default(),
            has_begun: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        })
    }

    /// Those of a service and a domain.
    pub(super) fn shared(target: GrpcTarget, domain: &str) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|one| one.strong_count() > 0);
        let mut known = shared.iter().filter_map(Weak::upgrade);
        let same = |one: &Arc<Quotas>| {
            *one.domain == *domain && one.target.destination() == target.destination()
        };
        known.find(same).unwrap_or_else(|| {
            let new = Quotas::new(target, domain);
            shared.push(Arc::downgrade(&new));
            new
        })
    }

    /// A bucket, if it is known.
    pub(super) fn bucket(&self, id: &Id) -> Option<Arc<Bucket>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.buckets.get(id).map(Arc::clone)
    }

    /// Makes a bucket with its first request. False if there is no room for it.
    pub(super) fn create(
        &self,
        id: Arc<Id>,
        behavior: Behavior,
        is_allowed: bool,
        now: Instant,
    ) -> bool {
        let bytes = bytes_of(&id);
        if bytes > MAX_BYTES_OF_ID || self.is_full() {
            return false;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = known.buckets.get(&*id) {
            bucket.count(is_allowed);
            return true;
        }
        let id_bytes = known.id_bytes.saturating_add(bytes);
        if known.buckets.len() >= MAX_BUCKETS || id_bytes > MAX_BYTES_OF_IDS {
            self.is_full.store(true, Ordering::Relaxed);
            return false;
        }
        let bucket = Arc::new(Bucket::new(Arc::clone(&id), behavior, now));
        bucket.count(is_allowed);
        known.buckets.insert(id, Arc::clone(&bucket));
        known.id_bytes = id_bytes;
        drop(known);
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.buckets.push(bucket);
        let reporting = new.reporting.take();
        drop(new);
        reporting.into_iter().for_each(Waker::wake);
        true
    }

    /// Whether there is no room for new buckets.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Forgets a bucket.
    pub(super) fn abandon(&self, id: &Id) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.buckets.remove(id).is_some() {
            known.id_bytes = known.id_bytes.saturating_sub(bytes_of(id));
            self.is_full.store(false, Ordering::Relaxed);
        }
    }

    /// The buckets that are new; `reporting` is woken when there are more.
    pub(super) fn take_new(&self, reporting: &Waker) -> Vec<Arc<Bucket>> {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.reporting = Some(reporting.clone());
        std::mem::take(&mut new.buckets)
    }
}

fn bytes_of(id: &Id) -> usize {
    id.iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

impl Background for Quotas {
    fn begin(self: Arc<Self>) {
        if let Some(calls) = of_thread()
            && !self.has_begun.swap(true, Ordering::Relaxed)
        {
            let mut reporting = Reporting::new(Arc::downgrade(&self), Calls::clone(&calls));
            calls.spawn(Box::pin(poll_fn(move |cx| reporting.poll(cx))));
        }
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        let new = self.new.get_mut().unwrap_or_else(PoisonError::into_inner);
        new.reporting.take().into_iter().for_each(Waker::wake);
    }
}
