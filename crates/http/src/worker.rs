//! What belongs to one worker: its clock and chance, its clusters, the date of the second.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::clock::Clock;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_upstream::{ClusterManager, WorkerClusters};

/// A worker. Everything on it runs on one thread.
pub struct Worker {
    clock: Rc<dyn Clock>,
    random: Cell<u64>,
    /// The worker's view of the clusters.
    pub clusters: Rc<WorkerClusters>,
    /// All clusters, for look-ups by name.
    pub manager: Arc<ClusterManager>,
    next_connection_id: Cell<u64>,
    date: RefCell<(u64, Box<[u8]>)>,
    draining: Cell<bool>,
}

impl Worker {
    /// A worker; `seed` must differ from worker to worker.
    pub fn new(clock: Rc<dyn Clock>, seed: u64, manager: Arc<ClusterManager>, first_connection_id: u64) -> Self {
        Worker {
            clusters: Rc::new(WorkerClusters::new(Arc::clone(&manager), Rc::clone(&clock), seed)),
            manager,
            clock,
            random: Cell::new(seed | 1),
            next_connection_id: Cell::new(first_connection_id),
            date: RefCell::new((0, Box::default())),
            draining: Cell::new(false),
        }
    }

    /// A number that no other connection of the process has.
    pub fn next_connection_id(&self, step: u64) -> u64 {
        let id = self.next_connection_id.get();
        self.next_connection_id.set(id.wrapping_add(step));
        id
    }

    /// Calls `read` with the HTTP date of now, made once a second.
    pub fn with_date<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        let seconds = self.wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut date = self.date.borrow_mut();
        if date.0 != seconds || date.1.is_empty() {
            let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            *date = (seconds, text.into_bytes().into_boxed_slice());
        }
        read(&date.1)
    }

    /// Whether the process drains: responses close their connections.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Begins or ends the drain.
    pub fn set_draining(&self, draining: bool) {
        self.draining.set(draining);
    }
}

impl Clock for Worker {
    fn now(&self) -> Instant {
        self.clock.now()
    }
    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }
}

impl WorkerServices for Worker {
    /// xorshift64*: fast, and good enough for percentages and ids; never used for secrets.
    fn random_u64(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
