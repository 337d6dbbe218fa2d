//! What a client asks of the router in its headers, and how long a response may take by that and by the route.
//!
//! Times are in whole milliseconds, as in Envoy; zero means no limit. A client's headers count where they get so far:
//! the connection manager takes them from those who may not use them.

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::headers::{HeaderMap, Known, KnownSet};
use nuncio_upstream::TryStats;

use crate::config::router::RouterConfig;
use crate::exchange::Budget;
use crate::route::{Forward, StreamTimes, is_grpc};
use crate::stream::StreamState;

/// Taken out of the head once the route's own changes are made, which may have put them there.
static LATE_WISHES: KnownSet = KnownSet::of(&[
    Known::XEnvoyRetryOn,
    Known::XEnvoyRetryGrpcOn,
    Known::XEnvoyMaxRetries,
    Known::XEnvoyRetriableHeaderNames,
    Known::XEnvoyRetriableStatusCodes,
    Known::XEnvoyHedgeOnPerTryTimeout,
    Known::XEnvoyUpstreamRqPerTryTimeoutMs,
    Known::XEnvoyUpstreamRqTimeoutAltResponse,
    Known::XEnvoyUpstreamAltStatName,
    Known::XEnvoyUpstreamStreamDurationMs,
]);

/// What a client may ask of times before the route's own changes are made.
static TIME_WISHES: KnownSet = KnownSet::of(&[
    Known::XEnvoyExpectedRqTimeoutMs,
    Known::XEnvoyUpstreamRqTimeoutMs,
    Known::XEnvoyUpstreamRqPerTryTimeoutMs,
    Known::XEnvoyHedgeOnPerTryTimeout,
]);

/// How long what may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// The whole response.
    pub(crate) timeout: Option<Duration>,
    /// One try.
    pub(crate) per_try: Option<Duration>,
    /// A try without a byte.
    pub(crate) per_try_idle: Option<Duration>,
    /// Whether a try that takes too long goes on beside the next one.
    pub(crate) hedges: bool,
    /// Whether gRPC's header is to say how long it may take.
    tells_grpc: bool,
}

impl Wishes {
    /// The times, for a cluster that tracks how much of them is used.
    #[cold]
    pub(crate) fn budget(&self, stats: Rc<TryStats>) -> Box<Budget> {
        Box::new(Budget {
            stats,
            whole: self.timeout,
            per_try: self.per_try,
        })
    }
}

/// Takes the client's wishes out of the head and puts our own words in.
pub(crate) fn take_wishes(
    state: &mut StreamState,
    forward: &Forward,
    config: &RouterConfig,
) -> Wishes {
    let request = &mut state.request;
    let mut wishes = Wishes {
        timeout: route_timeout(request, forward),
        ..Wishes::default()
    };
    if let Some(times) = &forward.times {
        wishes.tells_grpc = times.stream.is_none() && times.max_grpc.is_some() && is_grpc(request);
    }
    if let Some(resilience) = &forward.resilience {
        wishes.hedges = resilience.hedges == Some(true);
        let policy = resilience.retry.as_deref();
        wishes.per_try = policy.and_then(|policy| policy.per_try_timeout);
        wishes.per_try_idle = policy.and_then(|policy| policy.per_try_idle_timeout);
    }
    if request.contains_any(&TIME_WISHES) {
        take_clients_times(request, config, &mut wishes);
    }
    if wishes.per_try >= wishes.timeout && wishes.timeout.is_some() {
        wishes.per_try = None;
    }
    wishes.tell(request, Duration::ZERO, !config.suppress_envoy_headers);
    let virtual_host = state
        .route
        .index
        .and_then(|index| state.route.table.virtual_host(index));
    if virtual_host.is_some_and(|host| host.include_request_attempt_count) {
        state.request.set_integer(Known::XEnvoyAttemptCount, 1);
    }
    wishes
}

#[cold]
fn take_clients_times(request: &mut HeaderMap, config: &RouterConfig, wishes: &mut Wishes) {
    let expected = request
        .get(Known::XEnvoyExpectedRqTimeoutMs)
        .filter(|_| config.respect_expected_rq_timeout);
    let is_from_before = expected.is_some();
    let wanted = expected.or_else(|| request.get(Known::XEnvoyUpstreamRqTimeoutMs));
    if let Some(wanted_ms) = wanted.and_then(number) {
        wishes.timeout = limit(wanted_ms);
    }
    // Who expects a time has taken the wish away already; Envoy lets a forged one pass.
    if !is_from_before {
        request.remove(Known::XEnvoyUpstreamRqTimeoutMs);
    }
    if let Some(wanted) = request.get(Known::XEnvoyUpstreamRqPerTryTimeoutMs) {
        if let Some(wanted_ms) = number(wanted) {
            wishes.per_try = limit(wanted_ms);
        }
        request.remove(Known::XEnvoyUpstreamRqPerTryTimeoutMs);
    }
    if let Some(wanted) = request.get(Known::XEnvoyHedgeOnPerTryTimeout) {
        match wanted {
            b"true" => wishes.hedges = true,
            b"false" => wishes.hedges = false,
            _ => {}
        }
        request.remove(Known::XEnvoyHedgeOnPerTryTimeout);
    }
}

/// Takes what the retries did not take out of the head; the status of an answer to what takes too long.
pub(crate) fn take_late_wishes(request: &mut HeaderMap) -> u16 {
    if !request.contains_any(&LATE_WISHES) {
        return 504;
    }
    let wants_other = request.contains(Known::XEnvoyUpstreamRqTimeoutAltResponse);
    request.remove_all(&LATE_WISHES);
    if wants_other { 204 } else { 504 }
}

impl Wishes {
    /// Tells the host how long it has, where `elapsed` of the time is over.
    pub(crate) fn tell(&self, request: &mut HeaderMap, elapsed: Duration, in_envoys_header: bool) {
        if !in_envoys_header && !self.tells_grpc {
            return;
        }
        let one_try = self.per_try.filter(|_| !self.hedges);
        let Some(expected) = one_try.or(self.timeout) else {
            return;
        };
        let left = self
            .timeout
            .map(|timeout| timeout.saturating_sub(elapsed).max(ONE_MILLISECOND));
        let expected = left.map_or(expected, |left| expected.min(left));
        let expected_ms = milliseconds(expected);
        if in_envoys_header {
            request.set_integer(Known::XEnvoyExpectedRqTimeoutMs, expected_ms);
        }
        if self.tells_grpc {
            set_grpc_timeout(request, expected_ms);
        }
    }
}

/// As zero would be no limit.
const ONE_MILLISECOND: Duration = Duration::from_millis(1);

fn limit(wanted_ms: u64) -> Option<Duration> {
    (wanted_ms > 0).then(|| Duration::from_millis(wanted_ms))
}

/// A number that is told in a header.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The timeout by the route, before what the client says.
fn route_timeout(request: &HeaderMap, forward: &Forward) -> Option<Duration> {
    match forward.times.as_deref() {
        None => forward.timeout,
        Some(StreamTimes {
            stream: Some(_), ..
        }) => None,
        Some(times) => match times.max_grpc {
            Some(max) if is_grpc(request) => {
                let asked = grpc_timeout(request).unwrap_or_default();
                let offset = times.grpc_offset.filter(|offset| *offset < asked);
                let asked = asked.saturating_sub(offset.unwrap_or_default());
                let is_too_long = !max.is_zero() && (asked.is_zero() || asked > max);
                let timeout = if is_too_long { max } else { asked };
                (!timeout.is_zero()).then_some(timeout)
            }
            _ => forward.timeout,
        },
    }
}

/// The time that a call of gRPC may take.
pub(crate) fn grpc_timeout(request: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = request.get(Known::GrpcTimeout)?.split_last()?;
    let value = number(digits).filter(|value| *value <= MOST_IN_GRPC)?;
    let up_to_ms = |parts: u64| Duration::from_millis(value.div_ceil(parts));
    Some(match unit {
        b'H' => Duration::from_secs(value * 3600),
        b'M' => Duration::from_secs(value * 60),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => up_to_ms(1000),
        b'n' => up_to_ms(1_000_000),
        _ => return None,
    })
}

/// gRPC has eight digits.
const MOST_IN_GRPC: u64 = 99_999_999;

/// Says how long a call of gRPC may take.
pub(crate) fn set_grpc_timeout(request: &mut HeaderMap, timeout_ms: u64) {
    let units = [(1, 'm'), (1000, 'S'), (60_000, 'M'), (3_600_000, 'H')];
    let fits = |(size, _): &(u64, char)| timeout_ms / size <= MOST_IN_GRPC;
    let (size, unit) = units.into_iter().find(fits).unwrap_or((3_600_000, 'H'));
    let value = format!("{}{unit}", (timeout_ms / size).min(MOST_IN_GRPC));
    request.set(Known::GrpcTimeout, value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpcs_timeouts_are_read_and_written_in_the_smallest_unit_that_fits() {
        let read = |text: &[u8]| {
            let mut request = HeaderMap::request();
            request.set(Known::GrpcTimeout, text);
            grpc_timeout(&request)
        };
        assert_eq!(read(b"5S"), Some(Duration::from_secs(5)));
        assert_eq!(read(b"1u"), Some(Duration::from_millis(1)));
        assert_eq!(read(b"2000001n"), Some(Duration::from_millis(3)));
        assert_eq!(read(b"2H"), Some(Duration::from_secs(7200)));
        for odd in [&b"5"[..], b"", b"S", b"123456789m", b"-1S", b"5x"] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
        let written = |timeout_ms| {
            let mut request = HeaderMap::request();
            set_grpc_timeout(&mut request, timeout_ms);
            request.get(Known::GrpcTimeout).unwrap_or_default().to_vec()
        };
        assert_eq!(written(250), b"250m");
        assert_eq!(written(100_000_000), b"100000S");
        assert_eq!(written(u64::MAX), b"99999999H");
    }
}
