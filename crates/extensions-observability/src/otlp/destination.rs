//! Where reports go: by gRPC or by HTTP, each report a call of its own.

use std::rc::Rc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::calls::Calls;
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_service::{HttpServiceMessage, HttpTarget};

/// What of a message says where reports go; HTTP counts where there is no gRPC.
pub(crate) type DestinationMessages<'m> = (
    Option<&'m GrpcServiceMessage>,
    Option<&'m HttpServiceMessage>,
);

/// A method of gRPC, and how reports over HTTP are to be called.
pub(crate) type Method = &'static str;

/// Where reports go.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Grpc(GrpcTarget),
    Http(HttpTarget),
}

/// What becomes of a report.
pub(crate) type Outcome = Rc<dyn Fn(bool)>;

impl Destination {
    /// None if nothing is said.
    pub(crate) fn compile(
        (grpc, http): DestinationMessages<'_>,
        ctx: &mut Ctx,
    ) -> Result<Option<Self>, Refused> {
        Ok(match (grpc, http) {
            (Some(grpc), _) => Some(Destination::Grpc(grpc.compile(ctx)?)),
            (None, Some(http)) => Some(Destination::Http(http.compile(ctx)?)),
            (None, None) => None,
        })
    }

    /// The same, and who says so in calls.
    pub(crate) fn with_user_agent(&self, agent: &str) -> Self {
        match self {
            Destination::Grpc(target) => {
                let name = HeaderName::from(Known::UserAgent);
                Destination::Grpc(target.clone().with_metadata(name, agent))
            }
            Destination::Http(target) => Destination::Http(target.clone()),
        }
    }

    /// Sends a report; `outcome` is told whether it was taken.
    pub(crate) fn send(
        &self,
        calls: &Calls,
        method: Method,
        agent: &str,
        message: &[u8],
        outcome: Outcome,
    ) {
        match self {
            Destination::Grpc(target) => {
                // Envoy heeds no timeout here.
                let call = target.unary(&**calls, method, message, None, None);
                calls.spawn(Box::pin(async move { outcome(call.await.is_ok()) }));
            }
            Destination::Http(target) => {
                let mut headers = vec![(Known::ContentType, &b"application/x-protobuf"[..])];
                if !agent.is_empty() {
                    headers.push((Known::UserAgent, agent.as_bytes()));
                }
                match target.post(&**calls, &headers, message, None) {
                    None => outcome(false),
                    Some(answer) => calls.spawn(Box::pin(async move {
                        let answer = answer.await;
                        outcome(answer.is_some_and(|answer| answer.status() == 200));
                    })),
                }
            }
        }
    }
}
