//! How a connection manager that was replaced or removed sees its connections off.
//!
//! From the begin of the drain on, responses close their connections: each one (`--drain-strategy
//! immediate`), or more and more of them as the time passes (`gradual`, the default: a share that grows from
//! none to all). When the drain time is over, what is left is closed, in the middle of a request if need be.
//! Until then streams run as if nothing had happened. All as in Envoy; its default time is 600 s.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::task::Waker;
use std::time::{Duration, Instant};

use nuncio_contract::services::WorkerServices;

/// How connections are seen off.
#[derive(Clone, Copy, Debug)]
pub struct DrainPolicy {
    /// From the begin to the end (`--drain-time-s`).
    pub time: Duration,
    /// Whether responses close their connections by and by, or all from the start.
    pub is_gradual: bool,
    /// Whether connections go on while the admin has health checks fail.
    pub ignores_health: bool,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        DrainPolicy {
            time: Duration::from_secs(600),
            is_gradual: true,
            ignores_health: false,
        }
    }
}

/// The drain of one connection manager.
pub struct Drain {
    policy: DrainPolicy,
    begun: Cell<Option<Instant>>,
    is_over: Cell<bool>,
    /// Whether waiting connections are to look at more than their deadlines.
    needs_care: Cell<bool>,
    /// How often connections were woken.
    wakes: Cell<u32>,
    /// Wakes each connection, by its id.
    connections: RefCell<HashMap<u64, Waker>>,
}

/// A connection that is woken when the drain is over.
pub struct Registered<'a> {
    drain: &'a Drain,
    connection: u64,
}

impl Drain {
    /// A drain that has not begun.
    pub fn new(policy: DrainPolicy) -> Self {
        Drain {
            policy,
            begun: Cell::default(),
            is_over: Cell::default(),
            needs_care: Cell::default(),
            wakes: Cell::default(),
            connections: RefCell::default(),
        }
    }

    /// Begins, if it has not; returns when it will be over.
    pub fn begin(&self, now: Instant) -> Instant {
        let begun = self.begun.get().unwrap_or(now);
        self.begun.set(Some(begun));
        begun + self.policy.time
    }

    /// Ends it: every connection that is left closes.
    pub fn end(&self) {
        self.is_over.set(true);
        self.needs_care.set(true);
        self.wake();
    }

    /// Has connections look at the overload manager whenever they wait.
    pub(crate) fn heed_overload(&self) {
        self.needs_care.set(true);
    }

    /// Wakes every connection.
    pub(crate) fn wake(&self) {
        self.wakes.set(self.wakes.get().wrapping_add(1));
        let wakers: Vec<_> = self.connections.borrow().values().cloned().collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// How often connections were woken, for those that have to wake others.
    pub(crate) fn wakes(&self) -> u32 {
        self.wakes.get()
    }

    /// Whether a connection that waits is to look whether the drain is over, and at the overload manager: one test for
    /// what is rare.
    #[inline]
    pub(crate) fn needs_care(&self) -> bool {
        self.needs_care.get()
    }

    /// Whether connections go on while the admin has health checks fail.
    pub fn ignores_health(&self) -> bool {
        self.policy.ignores_health
    }

    /// Whether connections close at once.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Whether a response that is about to leave closes its connection.
    #[inline]
    pub fn closes(&self, services: &impl WorkerServices) -> bool {
        self.begun
            .get()
            .is_some_and(|begun| self.share_falls_on(begun, services))
    }

    #[cold]
    fn share_falls_on(&self, begun: Instant, services: &impl WorkerServices) -> bool {
        let passed = services.now().saturating_duration_since(begun);
        if !self.policy.is_gradual || passed >= self.policy.time {
            return true;
        }
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let point = services
            .random_u64()
            .checked_rem(milliseconds(self.policy.time));
        point.is_none_or(|point| point < milliseconds(passed))
    }

    /// Has `waker` woken when the drain is over, until the registration is dropped.
    pub fn register(&self, connection: u64, waker: &Waker) -> Registered<'_> {
        self.connections
            .borrow_mut()
            .insert(connection, waker.clone());
        Registered {
            drain: self,
            connection,
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.drain.connections.borrow_mut().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::SystemTime;

    use nuncio_contract::clock::{Clock, ManualClock};
    use nuncio_contract::services::LocalFuture;

    use super::*;

    struct Services {
        clock: ManualClock,
        random: u64,
    }

    impl Clock for Services {
        fn now(&self) -> Instant {
            self.clock.now()
        }
        fn wall(&self) -> SystemTime {
            self.clock.wall()
        }
    }

    impl WorkerServices for Services {
        fn random_u64(&self) -> u64 {
            self.random
        }
        fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn services(random: u64) -> Services {
        Services {
            clock: ManualClock::default(),
            random,
        }
    }

    fn policy(is_gradual: bool) -> DrainPolicy {
        DrainPolicy {
            time: Duration::from_secs(10),
            is_gradual,
            ignores_health: false,
        }
    }

    #[test]
    fn nothing_closes_before_the_drain_begins() {
        assert!(!Drain::new(policy(false)).closes(&services(0)));
    }

    #[test]
    fn an_immediate_drain_closes_with_every_response() {
        let drain = Drain::new(policy(false));
        let services = services(u64::MAX);
        drain.begin(services.now());
        assert!(drain.closes(&services));
    }

    #[test]
    fn a_drain_heeds_health_checks_unless_its_policy_says_otherwise() {
        assert!(!Drain::new(policy(true)).ignores_health());
        let policy = DrainPolicy {
            ignores_health: true,
            ..policy(true)
        };
        assert!(Drain::new(policy).ignores_health());
    }

    #[test]
    fn a_gradual_drain_closes_a_share_that_grows_with_the_time() {
        let drain = Drain::new(policy(true));
        let services = services(5_000);
        let end = drain.begin(services.now());
        assert_eq!(end, services.now() + Duration::from_secs(10));
        services.clock.advance(Duration::from_secs(5));
        assert!(!drain.closes(&services), "5.000 s of 10 are left");
        services.clock.advance(Duration::from_millis(1));
        assert!(drain.closes(&services));
        assert_eq!(
            drain.begin(services.now()),
            end,
            "a second begin changes nothing"
        );
    }

    #[test]
    fn the_end_wakes_the_connections_that_are_left() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let drain = Drain::new(policy(true));
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let _left = drain.register(1, &waker);
        drop(drain.register(2, &waker));
        drain.end();
        assert!(drain.is_over());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
