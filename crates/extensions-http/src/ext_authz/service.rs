//! Who is asked, and how.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::call_span::CallSpan;
use nuncio_contract::calls::{CallAnswer, collect};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::reason_phrase::reason_phrase;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::tracing::SharedSpan;
use nuncio_service_messages::Message;
use nuncio_service_messages::auth::CHECK;

use super::check::{self, ToldBody, ToldHeaders};
use super::config::Settings;
use super::grpc_answer;
use super::http_service::HttpTarget;
use super::verdict::Verdict;

/// For a service that says no time.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);

/// A service.
#[derive(Debug)]
pub(super) enum Service {
    /// Nobody: an error, as in Envoy.
    None,
    Grpc(GrpcTarget),
    Http(Arc<HttpTarget>),
}

impl Service {
    /// Asks whether the request may pass; what is sent is taken from it at once.
    pub(super) fn ask(
        &self,
        context: &FilterContext<'_>,
        (settings, told): (&Settings, &ToldHeaders),
        extensions: BTreeMap<String, String>,
        body: Option<ToldBody>,
        emits_span: bool,
    ) -> LocalFuture<Verdict> {
        let Some(calls) = context.services.calls() else {
            return Box::pin(ready(Verdict::Error(None)));
        };
        match self {
            Service::None => Box::pin(ready(Verdict::Error(None))),
            Service::Grpc(target) => {
                let message = check::request(context, settings, told, extensions, body);
                let message = message.encode_to_vec();
                let mut of = FormatContext::new(context.stream_info, context.services);
                of.request_headers = Some(context.request_headers);
                let timeout = target.timeout.unwrap_or(DEFAULT_TIMEOUT);
                let timeout = Some(timeout);
                let call = target.unary_with_span(&*calls, CHECK, &message, timeout, Some(&of));
                Box::pin(async move {
                    let (answer, span) = call.await;
                    let verdict = match answer {
                        Ok(message) => grpc_answer::verdict(&message),
                        Err(_) => Verdict::Error(None),
                    };
                    if let Some(span) = span {
                        end_grpc_span(span, &verdict);
                    }
                    verdict
                })
            }
            Service::Http(target) => {
                let head = target.head(context, told, body.as_ref(), settings.encodes_raw_headers);
                if !is_whole(&head) {
                    return Box::pin(ready(Verdict::Error(None)));
                }
                let cluster = &*target.cluster;
                let mut span = CallSpan::call(SharedSpan::of(context.stream_info), cluster, None);
                if let Some(span) = span.as_mut().filter(|_| !emits_span) {
                    span.set_sampled(false);
                }
                let call = CallSpan::start(span.as_ref(), &*calls, cluster, head, target.options());
                let Some(mut call) = call else {
                    return Box::pin(ready(Verdict::Error(None)));
                };
                call.send(&body.map(|body| body.bytes).unwrap_or_default(), true);
                let answer = collect(call);
                let target = Arc::clone(target);
                Box::pin(async move {
                    let answer = answer.await;
                    if let Some(span) = span {
                        end_http_span(span, answer.as_ref().map(CallAnswer::status));
                    }
                    match answer {
                        Some(answer) => target.verdict(answer),
                        None => Verdict::Error(None),
                    }
                })
            }
        }
    }
}

/// Whether a head is one of a request; it is not if a route's service is one of HTTP and its chain's, which says what is
/// told, is none and tells little.
fn is_whole(head: &HeaderMap) -> bool {
    let Some(method) = head.get(Known::Method) else {
        return false;
    };
    let has_path = head.contains(Known::Path);
    match method {
        b"CONNECT" => head.contains(Known::Authority) && has_path == head.contains(Known::Protocol),
        _ => has_path,
    }
}

const STATUS: &str = "ext_authz_status";
const OK: &str = "ext_authz_ok";
const NOT_OK: &str = "ext_authz_unauthorized";

/// Says what a service of gRPC has said, if it has said anything.
fn end_grpc_span(mut span: CallSpan, verdict: &Verdict) {
    match verdict {
        Verdict::Ok(_) => span.set_tag(STATUS, OK),
        Verdict::Denied(_) => span.set_tag(STATUS, NOT_OK),
        Verdict::Error(Some(_)) => span.set_tag(STATUS, "ext_authz_error"),
        Verdict::Error(None) => {}
    }
    span.end();
}

/// Says how a service of HTTP has answered, or the proxy for it; none if the answer broke off.
fn end_http_span(mut span: CallSpan, status: Option<u16>) {
    match status {
        Some(status) => {
            span.set_tag(STATUS, if status == 200 { OK } else { NOT_OK });
            span.set_tag("ext_authz_http_status", reason_phrase(status));
        }
        None => span.note_reset(),
    }
    span.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole_with(headers: &[(Known, &str)]) -> bool {
        let mut head = HeaderMap::request();
        for (name, value) in headers {
            head.set(*name, value.as_bytes());
        }
        is_whole(&head)
    }

    #[test]
    fn a_plain_connect_needs_no_path_and_all_else_does() {
        let connect = [(Known::Method, "CONNECT"), (Known::Authority, "a:1")];
        assert!(is_whole_with(&connect));
        assert!(!is_whole_with(&connect[..1]));
        let websocket = [connect[0], connect[1], (Known::Protocol, "websocket")];
        assert!(!is_whole_with(&websocket));
        assert!(is_whole_with(&[(Known::Method, "GET"), (Known::Path, "/")]));
        assert!(!is_whole_with(&[(Known::Method, "GET")]));
        assert!(!is_whole_with(&[(Known::Path, "/")]));
    }
}
