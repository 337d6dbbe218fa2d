//! The timeouts of connections and streams. Defaults: 5 minutes of an idle stream, 1 hour of an idle connection, 5 s of
//! drain, 1 s of delayed close.

use std::time::Duration;

use super::common;
use crate::config::connection_manager as config;
use crate::connection_manager::jitter::Jitter;

/// The time between a connection's notice and its end, where the configuration has none.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeouts; none means that there is no limit.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// No bytes either way on a stream.
    pub stream_idle: Option<Duration>,
    /// From the end of a response of HTTP/2 until the client has given window for all of it.
    pub stream_flush: Option<Duration>,
    /// No stream on a connection.
    pub connection_idle: Option<Duration>,
    /// The whole request.
    pub request: Option<Duration>,
    /// The request's head.
    pub request_headers: Option<Duration>,
    /// The life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// The life of a stream.
    pub max_stream_duration: Option<Duration>,
    /// From the notice that a connection takes no more streams to the last that it takes.
    pub drain: Duration,
    /// By how much `drain` may be longer.
    pub drain_jitter: Jitter,
    /// By how much `max_connection_duration` may be longer.
    pub max_connection_jitter: Jitter,
    /// Whether a connection of HTTP/1 that has lived its time waits for one more request instead.
    pub outlives_quietly: bool,
    /// From the last response to the close, for the client to read it.
    pub delayed_close: Option<Duration>,
}

impl Timeouts {
    /// `drain`, for a connection with this random number.
    pub(crate) fn jittered_drain(&self, random: impl FnOnce() -> u64) -> Duration {
        self.drain + self.drain_jitter.extra(self.drain, random)
    }

    /// How much longer than others a connection with this random number may live.
    pub(crate) fn extra_life(&self, random: impl FnOnce() -> u64) -> Duration {
        let whole = self.max_connection_duration.unwrap_or_default();
        self.max_connection_jitter.extra(whole, random)
    }
}

impl Timeouts {
    pub(super) fn from_message(message: &config::HttpConnectionManager) -> Self {
        let limit = |given: Option<Duration>, default: Option<Duration>| {
            given.or(default).filter(|limit| !limit.is_zero())
        };
        let common = common(message);
        Timeouts {
            stream_idle: limit(message.stream_idle_timeout, Some(Duration::from_secs(300))),
            stream_flush: limit(
                message.stream_flush_timeout.or(message.stream_idle_timeout),
                Some(Duration::from_secs(300)),
            ),
            connection_idle: limit(
                common.and_then(|common| common.idle_timeout),
                Some(Duration::from_secs(3600)),
            ),
            request: limit(message.request_timeout, None),
            request_headers: limit(message.request_headers_timeout, None),
            max_connection_duration: limit(
                common.and_then(|common| common.max_connection_duration),
                None,
            ),
            max_stream_duration: limit(common.and_then(|common| common.max_stream_duration), None),
            drain: message.drain_timeout.unwrap_or(DRAIN_TIMEOUT),
            drain_jitter: Jitter::of(message.drain_timeout_jitter.as_ref()),
            max_connection_jitter: Jitter::of(
                common.and_then(|common| common.max_connection_duration_jitter.as_ref()),
            ),
            outlives_quietly: message.http1_safe_max_connection_duration,
            delayed_close: limit(message.delayed_close_timeout, Some(Duration::from_secs(1))),
        }
    }
}
