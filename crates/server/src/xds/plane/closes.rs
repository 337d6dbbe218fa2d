//! What the log says of streams that end: as in Envoy, a server that is away or slow for a moment is no warning, one that
//! stays so for [`PATIENCE`] is, and what else goes wrong is at once. What has come since makes it a new story.

use std::time::{Duration, Instant};

use nuncio_contract::grpc::status;

use super::Ended;
use crate::log::LogLevel;

/// How long a server may be away without a warning.
const PATIENCE: Duration = Duration::from_secs(30);

/// The ends of the streams to a server.
#[derive(Debug, Default)]
pub(super) struct Closes {
    /// The first of those that are alike.
    first: Option<First>,
}

#[derive(Debug)]
struct First {
    status: u32,
    /// What the last of them said.
    message: String,
    at: Instant,
}

impl Closes {
    /// A message came.
    pub(super) fn forget(&mut self) {
        self.first = None;
    }

    /// What to say, and how loud, of the stream `name` that has ended now.
    pub(super) fn tell(&mut self, name: &str, ended: &Ended, now: Instant) -> (LogLevel, String) {
        let Ended { status, message } = ended;
        let plain = format!("{name} closed: {status}, {message}");
        if *status == status::OK {
            return (LogLevel::Debug, plain);
        }
        if !matches!(*status, status::UNAVAILABLE | status::DEADLINE_EXCEEDED) {
            return (LogLevel::Warning, plain);
        }
        let Some(first) = &mut self.first else {
            self.first = Some(First::new(ended, now));
            return (LogLevel::Debug, plain);
        };
        let since = now.saturating_duration_since(first.at);
        let seconds = since.as_secs();
        if first.status != *status {
            let before = std::mem::replace(first, First::new(ended, now));
            let (status, message) = (before.status, before.message);
            let text = format!("{plain} (previously {status}, {message} since {seconds}s ago)");
            return (LogLevel::Warning, text);
        }
        first.message.clone_from(message);
        if since <= PATIENCE {
            return (LogLevel::Debug, plain);
        }
        let text = format!("{name} closed since {seconds}s ago: {status}, {message}");
        (LogLevel::Warning, text)
    }
}

impl First {
    fn new(ended: &Ended, at: Instant) -> Self {
        First {
            status: ended.status,
            message: ended.message.clone(),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: u32, message: &str) -> Ended {
        Ended {
            status,
            message: message.to_owned(),
        }
    }

    #[test]
    fn who_is_away_for_a_moment_is_no_warning() {
        let (mut closes, start) = (Closes::default(), Instant::now());
        let mut tell = |status, message, seconds| {
            let now = start + Duration::from_secs(seconds);
            closes.tell("S", &ended(status, message), now)
        };
        let away = |text: &str| (LogLevel::Debug, text.to_owned());
        let warning = |text: &str| (LogLevel::Warning, text.to_owned());
        assert_eq!(tell(14, "away", 0), away("S closed: 14, away"));
        assert_eq!(tell(14, "gone", 30), away("S closed: 14, gone"));
        let text = "S closed since 31s ago: 14, far";
        assert_eq!(tell(14, "far", 31), warning(text));
        let text = "S closed: 4, late (previously 14, far since 35s ago)";
        assert_eq!(tell(4, "late", 35), warning(text));
        assert_eq!(tell(4, "late", 60), away("S closed: 4, late"));
        assert_eq!(tell(13, "", 61), warning("S closed: 13, "));
        assert_eq!(tell(0, "", 62), away("S closed: 0, "));
        closes.forget();
        let now = start + Duration::from_secs(99);
        let told = closes.tell("S", &ended(14, "away"), now);
        assert_eq!(told, away("S closed: 14, away"));
    }
}
