//! `connection_rate_limit`: how many connections a worker opens to a host in a second. As in Envoy each host counts for
//! itself, also those that are none of the cluster's, and transactions are free.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nuncio_contract::token_bucket::TokenBucket;

/// After that long a bucket is full again, whatever was taken.
const FULL_AGAIN: Duration = Duration::from_secs(1);

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// One of the cluster's, by its identity.
    Known(usize),
    /// Another one.
    Stranger(SocketAddr),
}

/// The buckets of the hosts that were asked for within a second.
pub(super) struct ConnectionRate {
    per_second: Option<u32>,
    buckets: RefCell<HashMap<Place, Bucket>>,
}

struct Bucket {
    tokens: TokenBucket,
    asked_at: Instant,
}

impl ConnectionRate {
    /// None: there is no limit.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        ConnectionRate {
            per_second,
            buckets: RefCell::default(),
        }
    }

    /// Whether a connection may be opened, which is counted.
    pub(super) fn admits(&self, place: Place, now: Instant) -> bool {
        let Some(per_second) = self.per_second else {
            return true;
        };
        let mut buckets = self.buckets.borrow_mut();
        buckets.retain(|_, bucket| now.saturating_duration_since(bucket.asked_at) < FULL_AGAIN);
        let bucket = buckets.entry(place).or_insert_with(|| Bucket {
            tokens: TokenBucket::of_a_second(u64::from(per_second)),
            asked_at: now,
        });
        bucket.asked_at = now;
        bucket.tokens.take(now)
    }

    /// Has all begin anew.
    pub(super) fn forget(&self) {
        self.buckets.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(port: u16) -> Place {
        Place::Stranger(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn each_host_counts_for_itself() {
        let (rate, now) = (ConnectionRate::new(Some(2)), Instant::now());
        let admitted = |place| (0..4).filter(|_| rate.admits(place, now)).count();
        for place in [Place::Known(1), Place::Known(2), stranger(1), stranger(2)] {
            assert_eq!(admitted(place), 2, "{place:?}");
        }
        rate.forget();
        assert_eq!(admitted(stranger(1)), 2);
    }

    #[test]
    fn buckets_fill_steadily_and_full_ones_are_not_kept() {
        let (rate, now) = (ConnectionRate::new(Some(2)), Instant::now());
        let at = |millis| now + Duration::from_millis(millis);
        assert!(rate.admits(stranger(1), at(0)) && rate.admits(stranger(1), at(0)));
        assert!(!rate.admits(stranger(1), at(400)));
        assert!(rate.admits(stranger(1), at(500)));
        assert!(rate.admits(stranger(2), at(1500)));
        assert_eq!(rate.buckets.borrow().len(), 1);
        assert!(rate.admits(stranger(1), at(1500)));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let rate = ConnectionRate::new(None);
        assert!((0..1000).all(|_| rate.admits(Place::Known(1), Instant::now())));
        assert!(rate.buckets.borrow().is_empty());
    }
}
