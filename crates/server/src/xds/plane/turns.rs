//! Whose turn it is, where a server has another one that is asked in its place (`grpc_services`, the second).
//!
//! As in Envoy the other one has its turn when the first has failed twice without ever having answered, and again
//! whenever the first fails once more; when the other one's stream ends, whether it has answered or not, the first is
//! asked again after a fixed pause. One that has answered is asked for ever.

use std::time::Duration;

use super::pace::Backoff;

/// The pause behind a stream to the other one.
const BEHIND_THE_OTHER: Duration = Duration::from_millis(500);
/// So often the first fails before the other one has its turn.
const FAILURES: u32 = 2;

/// The turns of two servers, or of one.
#[derive(Debug)]
pub(super) struct Turns {
    has_other: bool,
    is_others: bool,
    /// The first has answered.
    has_answered: bool,
    failures: u32,
}

impl Turns {
    pub(super) fn new(has_other: bool) -> Self {
        Turns {
            has_other,
            is_others: false,
            has_answered: false,
            failures: 0,
        }
    }

    /// Whether it is the other one's.
    pub(super) fn is_others(&self) -> bool {
        self.is_others
    }

    /// Who is asked has answered.
    pub(super) fn answered(&mut self) {
        self.has_answered |= !self.is_others;
    }

    /// The stream has ended: the next turn, and the pause before it.
    pub(super) fn ended(&mut self, backoff: &mut Backoff, random: u64) -> Duration {
        if self.is_others {
            self.is_others = false;
            return BEHIND_THE_OTHER;
        }
        if self.has_other && !self.has_answered {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= FAILURES {
                self.is_others = true;
                return Duration::ZERO;
            }
        }
        backoff.pause(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_one_has_its_turn_when_the_first_has_failed_twice() {
        let mut backoff = Backoff::new(Duration::from_millis(9), Duration::from_millis(90));
        let mut turns = Turns::new(true);
        let mut ended = |turns: &mut Turns| {
            let pause = turns.ended(&mut backoff, 5);
            (turns.is_others(), pause.as_millis())
        };
        assert_eq!(ended(&mut turns), (false, 5));
        assert_eq!(ended(&mut turns), (true, 0));
        turns.answered();
        assert_eq!(ended(&mut turns), (false, 500));
        assert_eq!(ended(&mut turns), (true, 0));
        assert_eq!(ended(&mut turns), (false, 500));
        turns.answered();
        assert_eq!(ended(&mut turns), (false, 5));
        assert_eq!(ended(&mut turns), (false, 5));
        let mut alone = Turns::new(false);
        assert_eq!(ended(&mut alone), (false, 5));
        assert_eq!(ended(&mut alone), (false, 5));
    }
}
