//! Credentials that are fetched: before the first request if they come in time, and again before they are over.
//!
//! One task on the main thread asks for them over a cluster that is made for that; all workers see what came. Requests
//! wait while they are being fetched. What fails is tried again after 2 s, then twice that up to 32 s, until it has gone
//! well once; requests pass unsigned meanwhile, as in Envoy. Later failures leave the credentials that still count where
//! they are, and are tried again in the same steps until one goes well. A cluster that is not there for 5 s is a failure.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use nuncio_config::typed::Background;
use nuncio_contract::calls::{Calls, of_thread};
use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stat_group;

use super::credentials::Credentials;
use super::sources::Source;

/// The first time between tries, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(32);
/// How long credentials are kept that do not say when they are over.
const KEPT: Duration = Duration::from_secs(3600);
/// How long before their end credentials are fetched again.
const AHEAD: Duration = Duration::from_secs(60);
/// The shortest time to the next fetch.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// How often is asked whether the cluster is there, and how many times until it is as if the service did not answer.
const CLUSTER_CHECK: Duration = Duration::from_millis(20);
const CLUSTER_CHECKS: u32 = 250;
/// How soon a task ends whose provider is gone.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

stat_group! {
    /// Fetches, at `aws.metadata_credentials_provider.<cluster>.`.
    pub struct ProviderStats("") {
        counters { credential_refreshes_failed, credential_refreshes_performed, credential_refreshes_succeeded }
        gauges { metadata_refresh_state }
    }
}

/// What came of a fetch that went well.
pub(crate) struct Fetched {
    /// None: what came is empty.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) expires: Option<SystemTime>,
}

/// Where credentials are fetched from, and those of now.
pub(crate) struct Provider {
    cluster: Box<str>,
    source: Source,
    has_begun: AtomicBool,
    state: Mutex<State>,
}

struct State {
    is_pending: bool,
    credentials: Option<Arc<Credentials>>,
    /// When those are over, if that is known.
    expires: Option<SystemTime>,
    /// Those who wait, by number.
    waiting: BTreeMap<u64, Waker>,
    waiting_before: u64,
}

/// Waits until no fetch is under way.
struct Settled {
    provider: Arc<Provider>,
    number: Option<u64>,
}

/// Those that all of the process shares.
static SHARED: Mutex<Vec<Weak<Provider>>> = Mutex::new(Vec::new());

impl Provider {
    /// None have come yet.
    pub(crate) fn new(cluster: &str, source: Source) -> Arc<Self> {
        Arc::new(Provider {
            cluster: cluster.into(),
            source,
            has_begun: AtomicBool::new(false),
            state: Mutex::new(State {
                is_pending: true,
                credentials: None,
                expires: None,
                waiting: BTreeMap::new(),
                waiting_before: 0,
            }),
        })
    }

    /// The same for sources of which a process has one each.
    pub(crate) fn shared(cluster: &str, source: Source) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|one| one.strong_count() > 0);
        let mut known = shared.iter().filter_map(Weak::upgrade);
        let known = known.find(|one| *one.cluster == *cluster && one.source.is_same(&source));
        known.unwrap_or_else(|| {
            let new = Provider::new(cluster, source);
            shared.push(Arc::downgrade(&new));
            new
        })
    }

    /// Whether credentials are being fetched.
    pub(crate) fn is_pending(&self) -> bool {
        self.state().is_pending
    }

    /// Those of now.
    pub(crate) fn current(&self) -> Option<Arc<Credentials>> {
        self.state().credentials.clone()
    }

    /// Completes once no fetch is under way.
    pub(crate) fn settled(self: &Arc<Self>) -> LocalFuture<()> {
        Box::pin(Settled {
            provider: Arc::clone(self),
            number: None,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fetch begins at this time: requests wait for it unless there are credentials that still count.
    pub(super) fn begin_fetch(&self, now: SystemTime) {
        let mut state = self.state();
        state.is_pending |= !state.counts(now);
    }

    /// A fetch went well.
    pub(super) fn take(&self, fetched: Fetched) {
        let mut state = self.state();
        state.credentials = fetched.credentials.map(Arc::new);
        state.expires = fetched.expires;
        settle(state);
    }

    /// A fetch failed: what still counts at this time is kept.
    pub(super) fn fail(&self, now: SystemTime) {
        let mut state = self.state();
        if !state.counts(now) {
            state.credentials = None;
        }
        settle(state);
    }
}

impl State {
    fn counts(&self, now: SystemTime) -> bool {
        self.credentials.is_some() && self.expires.is_none_or(|end| end > now)
    }
}

/// Lets those go on that wait.
fn settle(mut state: MutexGuard<'_, State>) {
    state.is_pending = false;
    let waiting = std::mem::take(&mut state.waiting);
    drop(state);
    waiting.into_values().for_each(Waker::wake);
}

impl Future for Settled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let provider = Arc::clone(&self.provider);
        let mut state = provider.state();
        if !state.is_pending {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.waiting_before += 1;
            state.waiting_before
        });
        state.waiting.insert(number, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.provider.state().waiting.remove(&number);
            drop(waker);
        }
    }
}

impl Background for Provider {
    fn begin(self: Arc<Self>) {
        if let Some(calls) = of_thread()
            && !self.has_begun.swap(true, Ordering::Relaxed)
        {
            let provider = Arc::downgrade(&self);
            calls.spawn(Box::pin(go_on(provider, Calls::clone(&calls))));
        }
    }
}

/// Fetches again and again, as long as somebody wants to have it.
async fn go_on(provider: Weak<Provider>, calls: Calls) {
    let mut stats = None;
    let mut pace = Pace::default();
    let mut checks_left = CLUSTER_CHECKS;
    loop {
        let Some(one) = provider.upgrade() else {
            return;
        };
        let stats = stats.get_or_insert_with(|| stats_of(&one.cluster, &calls));
        one.begin_fetch(SystemClock.wall());
        let outcome = one.source.fetch(&one.cluster, &calls, stats).await;
        let outcome = match outcome {
            Err(NoCluster) if checks_left > 0 => {
                drop(one);
                checks_left -= 1;
                calls.sleep(CLUSTER_CHECK).await;
                continue;
            }
            Err(NoCluster) => None,
            Ok(outcome) => {
                checks_left = CLUSTER_CHECKS;
                outcome
            }
        };
        let expires = outcome.as_ref().map(|fetched| fetched.expires);
        match outcome {
            Some(fetched) => {
                stats.credential_refreshes_succeeded.inc();
                stats.metadata_refresh_state.set(1);
                one.take(fetched);
            }
            None => {
                stats.credential_refreshes_failed.inc();
                one.fail(SystemClock.wall());
            }
        }
        drop(one);
        let wait = pace.next(expires, SystemClock.wall());
        rest(&provider, &calls, wait).await;
    }
}

/// Sleeps for so long, or until a while after the provider is gone.
async fn rest(provider: &Weak<Provider>, calls: &Calls, wait: Duration) {
    let mut left = wait;
    while !left.is_zero() && provider.strong_count() > 0 {
        let some = left.min(LONGEST_SLEEP);
        calls.sleep(some).await;
        left -= some;
    }
}

fn stats_of(cluster: &str, calls: &Calls) -> Arc<ProviderStats> {
    let name = format!("aws.metadata_credentials_provider.{cluster}");
    let scope = calls.root().and_then(|root| root.scope(&name));
    scope.map_or_else(Arc::default, |scope| scope.worker_group())
}

/// There is no such cluster, or not yet.
pub(crate) struct NoCluster;

/// How long it is to the next fetch.
#[derive(Default)]
struct Pace {
    /// The time behind the last failure, if none has gone well since.
    last_wait: Option<Duration>,
    /// When the credentials are over that came last.
    end: Option<SystemTime>,
}

impl Pace {
    /// Behind a fetch that ended now; with the end of its credentials, if it went well.
    fn next(&mut self, outcome: Option<Option<SystemTime>>, now: SystemTime) -> Duration {
        let left = |end: Option<SystemTime>| {
            let left = end.and_then(|end| end.duration_since(now).ok());
            left.filter(|left| !left.is_zero())
        };
        let Some(end) = outcome else {
            let wait = self.last_wait.map_or(FIRST_WAIT, |last| last * 2);
            let wait = wait.min(LONGEST_WAIT);
            self.last_wait = Some(wait);
            return left(self.end).map_or(wait, |left| left.max(SHORTEST_WAIT).min(wait));
        };
        *self = Pace {
            last_wait: None,
            end,
        };
        match left(end) {
            Some(left) if left > AHEAD => (left - AHEAD).max(SHORTEST_WAIT),
            Some(_) => SHORTEST_WAIT,
            None => KEPT - AHEAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_ever_later_until_one_goes_well() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..7).map(|_| pace.next(None, now).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(pace.next(Some(None), now).as_secs(), 3540);
    }

    #[test]
    fn failures_behind_a_good_fetch_are_tried_again_soon() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut pace = Pace::default();
        let end = now + Duration::from_secs(7);
        assert_eq!(pace.next(Some(Some(end)), now).as_secs(), 1);
        let mut behind = |seconds: u64| {
            pace.next(None, now + Duration::from_secs(seconds))
                .as_secs()
        };
        assert_eq!([0, 2, 6, 7, 30].map(&mut behind), [2, 4, 1, 16, 32]);
        assert_eq!(pace.next(Some(None), now).as_secs(), 3540);
        assert_eq!(pace.next(None, now).as_secs(), 2);
    }

    #[test]
    fn a_failure_leaves_credentials_where_they_are_until_their_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let end = now + Duration::from_secs(60);
        for (expires, at_its_end) in [(Some(end), false), (None, true)] {
            let provider = Provider::new("c", Source::Instance);
            provider.take(Fetched {
                credentials: Credentials::new("id", "secret", None),
                expires,
            });
            provider.begin_fetch(now);
            assert!(!provider.is_pending());
            provider.fail(now);
            assert!(provider.current().is_some());
            provider.begin_fetch(end);
            assert_eq!(provider.is_pending(), !at_its_end);
            provider.fail(end);
            assert!(!provider.is_pending());
            assert_eq!(provider.current().is_some(), at_its_end);
        }
    }

    #[test]
    fn credentials_are_fetched_again_before_they_are_over() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut pace = Pace::default();
        let mut behind = |seconds: u64| {
            let end = now + Duration::from_secs(seconds);
            pace.next(Some(Some(end)), now).as_secs()
        };
        assert_eq!(behind(900), 840);
        assert_eq!(behind(60), 1);
        assert_eq!(behind(30), 1);
        assert_eq!(behind(0), 3540);
        let just_now = Some(Some(now + Duration::from_millis(1)));
        assert_eq!(Pace::default().next(just_now, now).as_secs(), 1);
        let past = Some(Some(now - Duration::from_secs(5)));
        assert_eq!(Pace::default().next(past, now).as_secs(), 3540);
    }
}
