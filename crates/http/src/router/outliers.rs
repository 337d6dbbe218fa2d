//! What outlier detection is told of a request: connections, heads of responses, failures and times that were up.
//!
//! A response counts by its status, one of gRPC by the status that stands for its `grpc-status`, others by
//! `error_matcher` where the cluster has one. What a circuit breaker refuses is nobody's fault and is not told.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_upstream::outlier_detection::{HostMonitor, Outcome};
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, WorkerHost};

use super::wishes::number;
use crate::route::is_grpc;

/// Tells of a response's head.
pub(crate) fn report_head(
    host: &WorkerHost,
    status: u16,
    request: &HeaderMap,
    response: &HeaderMap,
) {
    if let Some(monitor) = host.monitor() {
        monitor.report(outcome(monitor, status, request, response));
    }
}

/// Tells of a try that failed.
pub(crate) fn report_failure(host: &WorkerHost, error: &UpstreamError) {
    let is_nobodys = matches!(
        error.kind,
        UpstreamErrorKind::Overflow | UpstreamErrorKind::NoHealthyUpstream
    );
    if !is_nobodys {
        host.report(Outcome::Failed);
    }
}

#[cold]
fn outcome(
    monitor: &HostMonitor,
    status: u16,
    request: &HeaderMap,
    response: &HeaderMap,
) -> Outcome {
    let grpc_status = is_grpc(request).then(|| response.get(Known::GrpcStatus));
    let status = match (grpc_status, &monitor.settings().error_matcher) {
        (Some(Some(grpc_status)), _) => of_grpc(number(grpc_status)),
        (Some(None), _) | (None, None) => status,
        (None, Some(matcher)) => match matcher.is_error(response) {
            true => status.max(500),
            false => 200,
        },
    };
    match status < 500 && response.contains(Known::XEnvoyDegraded) {
        true => Outcome::AnsweredDegraded(status),
        false => Outcome::Answered(status),
    }
}

/// The status of HTTP that stands for one of gRPC.
const fn of_grpc(status: Option<u64>) -> u16 {
    match status {
        Some(0) => 200,
        Some(1) => 499,
        Some(3 | 9 | 11) => 400,
        Some(4) => 504,
        Some(5) => 404,
        Some(6 | 10) => 409,
        Some(7) => 403,
        Some(8) => 429,
        Some(12) => 501,
        Some(14) => 503,
        Some(16) => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_grpc_counts_as_the_one_of_http_that_it_stands_for() {
        let of = |status| of_grpc(number(status));
        assert_eq!(of(b"0"), 200);
        assert_eq!(of(b"5"), 404);
        assert_eq!(of(b"14"), 503);
        assert_eq!(of(b"4"), 504);
        assert_eq!(of(b"13"), 500);
        assert_eq!(of(b"99"), 500);
        assert_eq!(of(b"words"), 500);
    }
}
