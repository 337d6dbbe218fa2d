//! `envoy.filters.udp.session.ext_authz`: a service is asked by gRPC whether a session may be, when it begins.
//!
//! The service is told of both ends, and has 200 ms by default. What the client sends meanwhile waits (`buffer_options`)
//! or is dropped; a session that may not be drops all and stays until it is idle. Trust: the service is trusted with
//! the verdict and the metadata.

use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::service_values::{fields_of, peers};
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_service_messages::Message;
use nuncio_service_messages::auth::{AttributeContext, CHECK, CheckRequest, CheckResponse};

use super::config::AskSettings;
use super::held::Held;

/// Where the service's metadata is left for access logs.
const NAMESPACE: &str = "envoy.filters.udp.session.ext_authz";

stat_group! {
    /// Questions about sessions, at `udp.session.ext_authz.<stat_prefix>.`.
    pub struct AuthzStats("") {
        counters { buffer_overflow, denied, error, failure_mode_allowed, ok, total }
        gauges { active }
    }
}

/// A question about a session.
pub(in crate::proxy) struct Ask {
    settings: Arc<AskSettings>,
    stats: Arc<AuthzStats>,
    verdict: Option<Verdict>,
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied,
}

/// A question, counted as long as it is not answered.
struct UnderWay(Arc<AuthzStats>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.active.dec();
    }
}

impl Ask {
    pub(super) fn new(settings: Arc<AskSettings>, stats: Arc<AuthzStats>) -> Self {
        Ask {
            settings,
            stats,
            verdict: None,
            held: Held::default(),
        }
    }

    /// Whether a datagram goes on; if not, it waits or is dropped.
    pub(super) fn passes(&mut self, datagram: &[u8]) -> bool {
        if self.verdict.is_none()
            && let Some(limits) = self.settings.buffer
            && self.held.push(datagram, limits).is_err()
        {
            self.stats.buffer_overflow.inc();
        }
        self.verdict == Some(Verdict::Allowed)
    }

    /// Asks; none where the service cannot tell.
    pub(in crate::proxy) fn begin(
        &self,
        info: &StreamInfo,
        services: &dyn WorkerServices,
    ) -> LocalFuture<Option<CheckResponse>> {
        self.stats.total.inc();
        self.stats.active.inc();
        let under_way = UnderWay(Arc::clone(&self.stats));
        let (source, destination) = peers(info, false);
        let request = CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source),
                destination: Some(destination),
                ..AttributeContext::default()
            }),
        };
        let message = request.encode_to_vec();
        let of = FormatContext::new(info, services);
        let (service, timeout) = (&self.settings.service, Some(self.settings.timeout));
        let call = services
            .calls()
            .map(|calls| service.unary(&*calls, CHECK, &message, timeout, Some(&of)));
        Box::pin(async move {
            let answer = call?.await;
            drop(under_way);
            CheckResponse::decode(&*answer.ok()?).ok()
        })
    }

    /// Notes the verdict; whether the session may be.
    pub(in crate::proxy) fn conclude(
        &mut self,
        answer: Option<CheckResponse>,
        info: &mut StreamInfo,
    ) -> bool {
        let stats = &self.stats;
        let is_allowed = match &answer {
            None => {
                stats.error.inc();
                if self.settings.passes_on_error {
                    stats.failure_mode_allowed.inc();
                }
                self.settings.passes_on_error
            }
            Some(answer) if answer.status.as_ref().is_none_or(|status| status.code == 0) => {
                stats.ok.inc();
                true
            }
            Some(_) => {
                stats.denied.inc();
                false
            }
        };
        let metadata = answer.and_then(|answer| answer.dynamic_metadata);
        if let Some(fields) = metadata.filter(|it| !it.fields.is_empty()) {
            let metadata = info.dynamic_metadata_mut();
            metadata.merge(NAMESPACE, fields_of(fields));
        }
        if !is_allowed {
            info.add_flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE);
            self.held = Held::default();
        }
        self.verdict = Some(match is_allowed {
            true => Verdict::Allowed,
            false => Verdict::Denied,
        });
        is_allowed
    }

    /// What has waited meanwhile.
    pub(in crate::proxy) fn take_held(&mut self) -> Held {
        std::mem::take(&mut self.held)
    }
}
