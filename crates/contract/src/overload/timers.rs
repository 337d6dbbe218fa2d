//! Timeouts that become shorter while memory is short, down to a minimum each.

use std::time::Duration;

/// A kind of timeout that may be reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaledTimer {
    /// A connection without streams.
    ConnectionIdle,
    /// A stream without bytes.
    StreamIdle,
    /// The handshake of a transport.
    TransportConnect,
    /// The life of a connection.
    ConnectionMax,
    /// A complete response that the client does not take.
    StreamFlush,
}

impl ScaledTimer {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// The shortest that a timeout becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Least {
    /// So long.
    Time(Duration),
    /// A share of what it is otherwise, from 0 to 1.
    Share(f64),
}

/// The shortest that timeouts become, by their kinds; others stay as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimerMinimums([Option<Least>; ScaledTimer::COUNT]);

impl TimerMinimums {
    /// Sets that of a kind; false if it had one.
    pub fn set(&mut self, timer: ScaledTimer, least: Least) -> bool {
        self.0[timer as usize].replace(least).is_none()
    }

    /// Whether timeouts of a kind become shorter.
    pub fn has(&self, timer: ScaledTimer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Whether any do.
    pub fn has_any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// A timeout as it is while the action has gone so far.
    pub fn scaled(&self, timer: ScaledTimer, whole: Duration, degree: f32) -> Duration {
        let Some(least) = self.0[timer as usize] else {
            return whole;
        };
        let least = match least {
            Least::Time(time) => time.min(whole),
            Least::Share(share) => whole.mul_f64(share.clamp(0.0, 1.0)),
        };
        least + (whole - least).mul_f64(f64::from((1.0 - degree).clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn with(least: Least) -> TimerMinimums {
        let mut minimums = TimerMinimums::default();
        assert!(minimums.set(ScaledTimer::StreamIdle, least));
        assert!(!minimums.set(ScaledTimer::StreamIdle, least));
        minimums
    }

    #[test]
    fn a_timeout_goes_from_the_whole_to_its_minimum() {
        let minimums = with(Least::Time(Duration::from_secs(2)));
        let scaled = |degree| {
            minimums
                .scaled(ScaledTimer::StreamIdle, TEN, degree)
                .as_secs()
        };
        assert_eq!([scaled(0.0), scaled(0.5), scaled(1.0)], [10, 6, 2]);
    }

    #[test]
    fn a_minimum_may_be_a_share_and_never_makes_a_timeout_longer() {
        let share = with(Least::Share(0.1));
        let scaled = share.scaled(ScaledTimer::StreamIdle, TEN, 1.0);
        assert_eq!(scaled, Duration::from_secs(1));
        let long = with(Least::Time(Duration::from_secs(60)));
        assert_eq!(long.scaled(ScaledTimer::StreamIdle, TEN, 1.0), TEN);
    }

    #[test]
    fn others_stay_as_they_are() {
        let minimums = with(Least::Share(0.0));
        assert_eq!(minimums.scaled(ScaledTimer::ConnectionIdle, TEN, 1.0), TEN);
    }
}
