//! Connecting to a host that has several addresses (RFC 8305): they are tried one after the other, the next one when
//! one has failed or has taken 300 ms, and the first connection that is open, handshake included, is the one.
//!
//! As in Envoy the versions of IP take turns, beginning with that of the first address unless the cluster says
//! otherwise; the cluster's `connect_timeout` is that of all attempts together.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cluster::HappyEyeballs;

/// How long an attempt may take before the next one begins.
const PATIENCE: Duration = Duration::from_millis(300);

impl HappyEyeballs {
    /// The order in which addresses are tried.
    pub(super) fn order(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let first = addresses.first().is_some_and(SocketAddr::is_ipv4);
        let first = self.first_is_ipv4.unwrap_or(first);
        let (mut preferred, mut others): (Vec<SocketAddr>, Vec<_>) = addresses
            .iter()
            .copied()
            .partition(|address| address.is_ipv4() == first);
        let at_once = usize::try_from(self.first_count).unwrap_or(usize::MAX);
        let mut ordered = Vec::with_capacity(addresses.len());
        while !preferred.is_empty() || !others.is_empty() {
            ordered.extend(preferred.drain(..at_once.max(1).min(preferred.len())));
            ordered.extend(others.drain(..others.len().min(1)));
        }
        ordered
    }
}

/// What `attempt` comes to at the first address where it comes to something; else the last failure.
pub(super) async fn first_of<T, E, A: Future<Output = Result<T, E>>>(
    addresses: Vec<SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> A,
) -> Result<T, E> {
    let mut left = addresses.into_iter();
    let mut under_way: Vec<Pin<Box<A>>> = Vec::new();
    under_way.extend(left.next().map(|address| Box::pin(attempt(address))));
    let mut patience = pin!(sleep(PATIENCE));
    poll_fn(move |cx| {
        loop {
            let mut failure = None;
            let mut place = 0;
            while let Some(one) = under_way.get_mut(place) {
                match one.as_mut().poll(cx) {
                    Poll::Ready(Ok(done)) => return Poll::Ready(Ok(done)),
                    Poll::Ready(Err(error)) => {
                        failure = Some(error);
                        drop(under_way.remove(place));
                    }
                    Poll::Pending => place += 1,
                }
            }
            let is_due = failure.is_some() || patience.as_mut().poll(cx).is_ready();
            if is_due && let Some(address) = left.next() {
                under_way.push(Box::pin(attempt(address)));
                patience.as_mut().reset(Instant::now() + PATIENCE);
                continue;
            }
            return match failure {
                Some(error) if under_way.is_empty() => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            };
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const FOUR: [&str; 4] = [
        "192.0.2.1:1",
        "192.0.2.2:1",
        "192.0.2.3:1",
        "[2001:db8::1]:1",
    ];

    #[test]
    fn versions_take_turns_from_that_of_the_first_address_on() {
        let ordered = HappyEyeballs::default().order(&addresses(&FOUR));
        let [a, b, c, d] = FOUR;
        assert_eq!(ordered, addresses(&[a, d, b, c]));
    }

    #[test]
    fn a_cluster_may_say_which_version_is_first_and_how_many_of_it() {
        let [a, b, c, d] = FOUR;
        let first_v6 = HappyEyeballs {
            first_is_ipv4: Some(false),
            first_count: 1,
        };
        assert_eq!(first_v6.order(&addresses(&FOUR)), addresses(&[d, a, b, c]));
        let two_of_v4 = HappyEyeballs {
            first_is_ipv4: Some(true),
            first_count: 2,
        };
        assert_eq!(two_of_v4.order(&addresses(&FOUR)), addresses(&[a, b, d, c]));
    }

    /// What becomes of an attempt: a number after so many milliseconds, or none.
    async fn after(outcome: Result<u16, u16>, milliseconds: u64) -> Result<u16, u16> {
        sleep(Duration::from_millis(milliseconds)).await;
        outcome
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_when_one_has_failed() {
        let began = Instant::now();
        let done = first_of(addresses(&FOUR), |address| match address.to_string() {
            text if text == FOUR[0] => after(Err(1), 10),
            _ => after(Ok(2), 10),
        });
        assert_eq!(done.await, Ok(2));
        assert_eq!(began.elapsed(), Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_beside_one_that_takes_long() {
        let began = Instant::now();
        let done = first_of(addresses(&FOUR), |address| match address.to_string() {
            text if text == FOUR[1] => after(Ok(2), 50),
            _ => after(Ok(1), 10_000),
        });
        assert_eq!(done.await, Ok(2));
        assert_eq!(began.elapsed(), Duration::from_millis(350));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_that_of_all() {
        let mut count = 0;
        let done = first_of(addresses(&FOUR), |_| {
            count += 1;
            after(Err(count), 1)
        });
        assert_eq!(done.await, Err(4));
    }
}
