//! When a connection pings its peer, and when it gives it up. Time and chance come from the caller.
//!
//! As in Envoy, any frame of the peer counts as a sign of life while an answer is awaited: it gives the answer another
//! timeout's time, but does not replace it.

use std::time::{Duration, Instant};

use super::settings::KeepaliveSettings;

/// The keepalive of one connection (`connection_keepalive`).
#[derive(Clone, Debug)]
pub struct Keepalive {
    settings: KeepaliveSettings,
    next_ping: Option<Instant>,
    answer_due: Option<Instant>,
    last_received: Instant,
}

/// What the keepalive wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveAction {
    /// Nothing now.
    None,
    /// Send a PING.
    SendPing,
    /// The peer is gone: close; counted by `http2.keepalive_timeout`.
    TimedOut,
}

impl Keepalive {
    /// Begins now. `random` is any number; it spreads the intervals.
    pub fn new(settings: &KeepaliveSettings, now: Instant, random: u64) -> Self {
        let mut keepalive = Self {
            settings: settings.clone(),
            next_ping: None,
            answer_due: None,
            last_received: now,
        };
        keepalive.schedule(now, random);
        keepalive
    }

    /// When [`Keepalive::on_deadline`] is to be called, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        match (self.answer_due, self.next_ping) {
            (Some(due), Some(next)) => Some(due.min(next)),
            (due, next) => due.or(next),
        }
    }

    /// What to do at this time.
    pub fn on_deadline(&mut self, now: Instant) -> KeepaliveAction {
        if self.answer_due.is_some_and(|due| due <= now) {
            return KeepaliveAction::TimedOut;
        }
        if self.next_ping.is_some_and(|next| next <= now) {
            return self.ping(now);
        }
        KeepaliveAction::None
    }

    /// A stream is about to be opened: whether the connection has been quiet for so long that a PING goes first.
    pub fn before_stream(&mut self, now: Instant) -> KeepaliveAction {
        let quiet = now.saturating_duration_since(self.last_received);
        match self.settings.idle_interval {
            Some(interval) if !interval.is_zero() && quiet > interval => self.ping(now),
            _ => KeepaliveAction::None,
        }
    }

    /// Bytes came from the peer.
    pub fn received(&mut self, now: Instant) {
        self.last_received = now;
        if let Some(due) = &mut self.answer_due {
            *due = now + self.settings.timeout;
        }
    }

    /// The peer answered a PING.
    pub fn answered(&mut self, now: Instant, random: u64) {
        if self.answer_due.take().is_some() {
            self.schedule(now, random);
        }
    }

    fn ping(&mut self, now: Instant) -> KeepaliveAction {
        if self.answer_due.is_some() {
            return KeepaliveAction::None;
        }
        self.next_ping = None;
        self.answer_due = Some(now + self.settings.timeout);
        KeepaliveAction::SendPing
    }

    fn schedule(&mut self, now: Instant, random: u64) {
        self.next_ping = self
            .settings
            .interval
            .map(|interval| now + interval + self.jitter(interval, random));
    }

    /// From nothing to the jitter's part of the interval, in whole milliseconds.
    fn jitter(&self, interval: Duration, random: u64) -> Duration {
        let most = interval.mul_f64(self.settings.jitter.clamp(0.0, 1.0));
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        match random.checked_rem(most_ms) {
            Some(extra_ms) => Duration::from_millis(extra_ms),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KeepaliveSettings {
        KeepaliveSettings {
            interval: Some(Duration::from_secs(10)),
            timeout: Duration::from_secs(3),
            jitter: 0.15,
            idle_interval: Some(Duration::from_secs(2)),
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_peer_is_pinged_and_given_up_without_an_answer() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&settings(), start, 0);
        assert_eq!(keepalive.deadline(), Some(after(start, 10)));
        assert_eq!(
            keepalive.on_deadline(after(start, 9)),
            KeepaliveAction::None
        );
        assert_eq!(
            keepalive.on_deadline(after(start, 10)),
            KeepaliveAction::SendPing
        );
        assert_eq!(keepalive.deadline(), Some(after(start, 13)));
        assert_eq!(
            keepalive.on_deadline(after(start, 13)),
            KeepaliveAction::TimedOut
        );
    }

    #[test]
    fn other_frames_give_the_answer_more_time() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&settings(), start, 0);
        keepalive.on_deadline(after(start, 10));
        keepalive.received(after(start, 12));
        assert_eq!(
            keepalive.on_deadline(after(start, 13)),
            KeepaliveAction::None
        );
        assert_eq!(
            keepalive.on_deadline(after(start, 15)),
            KeepaliveAction::TimedOut
        );
    }

    #[test]
    fn an_answer_begins_the_next_interval_with_some_jitter() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&settings(), start, 0);
        keepalive.on_deadline(after(start, 10));
        keepalive.answered(after(start, 11), 1_499);
        let next = after(start, 21) + Duration::from_millis(1_499);
        assert_eq!(keepalive.deadline(), Some(next));
        keepalive.answered(after(start, 12), 0);
        assert_eq!(keepalive.deadline(), Some(next), "it was not asked for");
    }

    #[test]
    fn a_stream_on_a_quiet_connection_is_preceded_by_one_ping() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&settings(), start, 0);
        assert_eq!(
            keepalive.before_stream(after(start, 2)),
            KeepaliveAction::None
        );
        assert_eq!(
            keepalive.before_stream(after(start, 3)),
            KeepaliveAction::SendPing
        );
        assert_eq!(
            keepalive.before_stream(after(start, 3)),
            KeepaliveAction::None
        );
    }
}
