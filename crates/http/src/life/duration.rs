//! `max_stream_duration` of routes, in the place of the connection manager's, and of the time in gRPC's header.

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::headers::HeaderMap;

use crate::downstream::Downstream;
use crate::exchange::{Exchange, STREAM_DURATION};
use crate::route::{Action, StreamLimits, is_grpc};
use crate::router::{grpc_timeout, milliseconds, set_grpc_timeout};
use crate::stream::StreamState;

impl<D: Downstream> Exchange<'_, D> {
    /// Limits the stream by its route, which has been found.
    pub(super) fn limit_duration(&self, state: &mut StreamState) {
        let Some(index) = state.route.index else {
            return;
        };
        let table = Rc::clone(&state.route.table);
        let Action::Forward(forward) = table.action(index) else {
            return;
        };
        let Some(limits) = forward.times.as_ref().and_then(|times| times.stream) else {
            return;
        };
        match longest(&limits, &mut state.request) {
            Longest::AsBefore => {}
            Longest::NoLimit => self.deadlines.clear(STREAM_DURATION),
            Longest::This(longest) => self
                .deadlines
                .set(STREAM_DURATION, state.info.start + longest),
        }
    }
}

/// How long a stream may last by its route.
#[derive(Debug, PartialEq, Eq)]
enum Longest {
    AsBefore,
    NoLimit,
    This(Duration),
}

/// The limit of a request; the header of a call of gRPC then tells it.
fn longest(limits: &StreamLimits, request: &mut HeaderMap) -> Longest {
    let longest = choose(limits, request);
    if let Longest::This(longest) = longest
        && !longest.is_zero()
        && is_grpc(request)
    {
        set_grpc_timeout(request, milliseconds(longest));
    }
    longest
}

fn choose(limits: &StreamLimits, request: &HeaderMap) -> Longest {
    let asked = grpc_timeout(request);
    let (Some(asked), Some(max)) = (asked, limits.grpc_max) else {
        return match limits.longest {
            None => Longest::AsBefore,
            Some(longest) if longest.is_zero() => Longest::NoLimit,
            Some(longest) => Longest::This(longest),
        };
    };
    let capped = match max.is_zero() {
        true => asked,
        false => asked.min(max),
    };
    Longest::This(capped.saturating_sub(limits.grpc_offset.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nuncio_contract::headers::Known;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn of(limits: StreamLimits, asked: &[u8]) -> (Longest, Vec<u8>) {
        let mut request = HeaderMap::request();
        request.set(Known::ContentType, b"application/grpc");
        if !asked.is_empty() {
            request.set(Known::GrpcTimeout, asked);
        }
        let found = longest(&limits, &mut request);
        let told = request.get(Known::GrpcTimeout).unwrap_or_default().to_vec();
        (found, told)
    }

    #[test]
    fn the_routes_duration_counts_where_grpcs_header_does_not() {
        let limits = StreamLimits {
            longest: Some(seconds(3)),
            ..StreamLimits::default()
        };
        assert_eq!(of(limits, b"").0, Longest::This(seconds(3)));
        assert_eq!(
            of(limits, b"9S"),
            (Longest::This(seconds(3)), b"3000m".into())
        );
        let none = StreamLimits {
            longest: Some(Duration::ZERO),
            ..limits
        };
        assert_eq!(of(none, b"").0, Longest::NoLimit);
        assert_eq!(of(StreamLimits::default(), b"9S").0, Longest::AsBefore);
    }

    #[test]
    fn a_request_that_is_no_call_of_grpc_keeps_its_header() {
        let limits = StreamLimits {
            longest: Some(seconds(3)),
            ..StreamLimits::default()
        };
        let mut request = HeaderMap::request();
        request.set(Known::GrpcTimeout, b"9S");
        assert_eq!(longest(&limits, &mut request), Longest::This(seconds(3)));
        assert_eq!(request.get(Known::GrpcTimeout), Some(&b"9S"[..]));
    }

    #[test]
    fn grpcs_header_counts_up_to_its_limit_and_less_the_offset() {
        let limits = StreamLimits {
            longest: Some(seconds(3)),
            grpc_max: Some(seconds(10)),
            grpc_offset: Some(seconds(1)),
        };
        assert_eq!(
            of(limits, b"5S"),
            (Longest::This(seconds(4)), b"4000m".into())
        );
        assert_eq!(
            of(limits, b"1M"),
            (Longest::This(seconds(9)), b"9000m".into())
        );
        assert_eq!(
            of(limits, b"1S"),
            (Longest::This(Duration::ZERO), b"1S".into())
        );
        let without_limit = StreamLimits {
            grpc_max: Some(Duration::ZERO),
            ..limits
        };
        assert_eq!(of(without_limit, b"1M").0, Longest::This(seconds(59)));
    }
}
