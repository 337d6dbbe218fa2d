//! Who is asked, and how.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::calls::collect;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::http_filter::FilterContext;
use nuncio_contract::services::LocalFuture;
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
                let call = target.unary(&*calls, CHECK, &message, Some(timeout), Some(&of));
                Box::pin(async move {
                    match call.await {
                        Ok(message) => grpc_answer::verdict(&message),
                        Err(_) => Verdict::Error(None),
                    }
                })
            }
            Service::Http(target) => {
                let head = target.head(context, told, body.as_ref(), settings.encodes_raw_headers);
                let call = calls.start(&target.cluster, head, target.options());
                let Some(mut call) = call else {
                    return Box::pin(ready(Verdict::Error(None)));
                };
                call.send(&body.map(|body| body.bytes).unwrap_or_default(), true);
                let answer = collect(call);
                let target = Arc::clone(target);
                Box::pin(async move {
                    match answer.await {
                        Some(answer) => target.verdict(answer),
                        None => Verdict::Error(None),
                    }
                })
            }
        }
    }
}
