//! A bucket: what was used of it, and what becomes of its requests.
//!
//! What the service assigns counts until it expires; then the fallback of the configuration for its time, then the rule
//! for buckets that nothing was assigned to. Times are compared when somebody asks. Tokens that are left go over to
//! another bucket of tokens in proportion, as in Envoy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nuncio_contract::token_bucket::TokenBucket;
use nuncio_service_messages::common;
use nuncio_service_messages::rate_limit_quota::{BucketId, BucketQuotaUsage};

/// Its name.
pub(super) type Id = BTreeMap<String, String>;

/// What becomes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    AllowAll,
    DenyAll,
    Tokens(Tokens),
}

/// The size and speed of a bucket of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) max_tokens: u32,
    pub(super) tokens_per_fill: u32,
    pub(super) fill_interval: Duration,
}

/// What the configuration says of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behavior {
    /// While nothing is assigned.
    pub(super) unassigned: Rule,
    /// Once an assignment has expired, and for how long.
    pub(super) expired: Option<(Rule, Duration)>,
}

/// A bucket.
pub(super) struct Bucket {
    pub(super) id: Arc<Id>,
    allowed: AtomicU64,
    denied: AtomicU64,
    state: Mutex<State>,
}

struct State {
    behavior: Behavior,
    last_report: Instant,
    assigned: Option<Assigned>,
    /// Of the rule that counts, if it has tokens and was asked for them.
    tokens: Option<TokenBucket>,
}

struct Assigned {
    rule: Rule,
    /// None if that is beyond all times.
    ends: Option<Instant>,
    is_fallback: bool,
}

impl Bucket {
    pub(super) fn new(id: Arc<Id>, behavior: Behavior, now: Instant) -> Self {
        Bucket {
            id,
            allowed: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            state: Mutex::new(State {
                behavior,
                last_report: now,
                assigned: None,
                tokens: None,
            }),
        }
    }

    /// Whether a request may pass, which is counted.
    pub(super) fn admit(&self, now: Instant) -> bool {
        let is_allowed = self.state().admit(now);
        self.count(is_allowed);
        is_allowed
    }

    /// Counts a request.
    pub(super) fn count(&self, is_allowed: bool) {
        let counter = if is_allowed {
            &self.allowed
        } else {
            &self.denied
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The service has assigned a rule for so long.
    pub(super) fn assign(&self, rule: Rule, time_to_live: Duration, now: Instant) {
        let mut state = self.state();
        state.expire(now);
        state.assign(rule, now.checked_add(time_to_live), false, now);
    }

    /// What was used since this was called last.
    pub(super) fn usage(&self, now: Instant) -> BucketQuotaUsage {
        let bucket = (*self.id).clone();
        let mut state = self.state();
        let elapsed = now.saturating_duration_since(state.last_report);
        state.last_report = now;
        drop(state);
        BucketQuotaUsage {
            bucket_id: Some(BucketId { bucket }),
            time_elapsed: Some(common::Duration {
                seconds: i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            num_requests_allowed: self.allowed.swap(0, Ordering::Relaxed),
            num_requests_denied: self.denied.swap(0, Ordering::Relaxed),
        }
    }

    /// Whether nothing was used since the last report, and nothing is assigned.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_unused = |counter: &AtomicU64| counter.load(Ordering::Relaxed) == 0;
        if !is_unused(&self.allowed) || !is_unused(&self.denied) {
            return false;
        }
        let mut state = self.state();
        state.expire(now);
        state.assigned.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, now: Instant) -> bool {
        self.expire(now);
        let assigned = self.assigned.as_ref().map(|assigned| assigned.rule);
        match assigned.unwrap_or(self.behavior.unassigned) {
            Rule::AllowAll => true,
            Rule::DenyAll => false,
            Rule::Tokens(of) if of.fill_interval.is_zero() => true,
            Rule::Tokens(of) => self.tokens.get_or_insert_with(|| of.full()).take(now),
        }
    }

    /// Goes on to the rule of this moment.
    fn expire(&mut self, now: Instant) {
        while let Some(assigned) = &self.assigned
            && let Some(ends) = assigned.ends
            && ends <= now
        {
            match self.behavior.expired {
                Some((rule, time)) if !assigned.is_fallback => {
                    self.assign(rule, ends.checked_add(time), true, now);
                }
                _ => {
                    self.assigned = None;
                    self.tokens = None;
                }
            }
        }
    }

    fn assign(&mut self, rule: Rule, ends: Option<Instant>, is_fallback: bool, now: Instant) {
        let before = self.assigned.take().map(|assigned| assigned.rule);
        if before != Some(rule) {
            self.tokens = match (rule, self.tokens.take()) {
                (Rule::Tokens(of), Some(old)) => Some(of.full().as_full_as(&old, now)),
                _ => None,
            };
        }
        self.assigned = Some(Assigned {
            rule,
            ends,
            is_fallback,
        });
    }
}

impl Tokens {
    fn full(&self) -> TokenBucket {
        TokenBucket::new(self.max_tokens, self.tokens_per_fill, self.fill_interval)
    }
}
