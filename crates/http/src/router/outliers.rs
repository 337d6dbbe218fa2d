//! What outlier detection is told of a request: connections, heads of responses, failures and times that were up.
//!
//! A response counts by its status, one of gRPC by the status that stands for its `grpc-status`, others by
//! `error_matcher` where the cluster has one. What a circuit breaker refuses is nobody's fault and is not told.

use nuncio_contract::grpc::http_status_of;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_upstream::outlier_detection::{HostMonitor, Outcome};
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, WorkerHost};

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
        (Some(Some(grpc_status)), _) => http_status_of(grpc_status),
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
