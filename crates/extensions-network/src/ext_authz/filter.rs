//! What the external authorization filter does to a connection.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::network_filter::{
    NetworkClose, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkResume, NetworkStatus,
};
use nuncio_contract::service_values::{fields_of, peers};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::metadata::Value;
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_service_messages::Message;
use nuncio_service_messages::auth::{
    AttributeContext, CHECK, CheckRequest, CheckResponse, TlsSession,
};

use super::config::{Config, Settings};

/// For a service that says no time.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);
/// Where the service's metadata is left for others.
const NAMESPACE: &str = "envoy.filters.network.ext_authz";
/// How long the service took, beside its metadata.
const DURATION: &str = "ext_authz_duration";
const CLOSED: NetworkClose = NetworkClose::now("ext_authz_close");

stat_group! {
    /// Checks, at `ext_authz.<stat_prefix>.`.
    pub struct ExtAuthzStats("") {
        counters { cx_closed, denied, disabled, error, failure_mode_allowed, ok, total }
        gauges { active }
    }
}

#[derive(Clone)]
struct Shared {
    settings: Arc<Settings>,
    stats: Arc<ExtAuthzStats>,
}

struct Checking {
    shared: Shared,
    was_asked: bool,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("ext_authz.{}", self.0.stat_prefix));
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        Box::new(Checking {
            shared: self.clone(),
            was_asked: false,
        })
    }
}

impl NetworkFilter for Checking {
    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        _data: &[u8],
        _end_stream: bool,
    ) -> NetworkStatus {
        let Shared { settings, stats } = &self.shared;
        let metadata = context.stream_info.dynamic_metadata();
        if let Some(enabled) = &settings.enabled
            && !enabled.matches(metadata)
        {
            stats.disabled.inc();
            return NetworkStatus::Continue;
        }
        if std::mem::replace(&mut self.was_asked, true) {
            return NetworkStatus::Continue;
        }
        stats.total.inc();
        let under_way = UnderWay::new(stats);
        let (answer, asked) = (settings.ask(context), context.services.now());
        let shared = self.shared.clone();
        NetworkStatus::Wait(Box::pin(async move {
            let answer = answer.await;
            drop(under_way);
            NetworkResume::Then(Box::new(move |info, services| {
                shared.conclude(answer, services.now() - asked, info)
            }))
        }))
    }
}

/// A question, counted as long as it is not answered.
struct UnderWay(Arc<ExtAuthzStats>);

impl UnderWay {
    fn new(stats: &Arc<ExtAuthzStats>) -> Self {
        stats.active.inc();
        UnderWay(Arc::clone(stats))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.active.dec();
    }
}

impl Settings {
    /// Asks the service; none where it cannot tell.
    fn ask(&self, context: &NetworkContext<'_>) -> LocalFuture<Option<CheckResponse>> {
        let (Some(target), Some(calls)) = (&self.service, context.services.calls()) else {
            return Box::pin(ready(None));
        };
        let info = &*context.stream_info;
        let (source, destination) = peers(info, self.tells_certificate);
        let request = CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source),
                destination: Some(destination),
                tls_session: self.tells_tls_session.then(|| TlsSession {
                    sni: info.connection.requested_server_name.to_string(),
                }),
                ..AttributeContext::default()
            }),
        };
        let message = request.encode_to_vec();
        let of = FormatContext::new(info, context.services);
        let timeout = Some(target.timeout.unwrap_or(DEFAULT_TIMEOUT));
        let call = target.unary(&*calls, CHECK, &message, timeout, Some(&of));
        Box::pin(async move { CheckResponse::decode(&*call.await.ok()?).ok() })
    }
}

impl Shared {
    /// Notes the verdict; how the connection is closed, if it may not be.
    fn conclude(
        &self,
        answer: Option<CheckResponse>,
        took: Duration,
        info: &mut StreamInfo,
    ) -> Option<NetworkClose> {
        let (settings, stats) = (&self.settings, &self.stats);
        let Some(answer) = answer else {
            stats.error.inc();
            if settings.passes_on_error {
                stats.failure_mode_allowed.inc();
                return None;
            }
            return Some(self.closed("ext_authz_error", info));
        };
        let is_ok = answer.status.is_none_or(|status| status.code == 0);
        if let Some(fields) = answer.dynamic_metadata.filter(|it| !it.fields.is_empty()) {
            let mut fields = fields_of(fields);
            if is_ok {
                let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
                fields.insert(DURATION, Value::Number(took_ms.into()));
            }
            info.dynamic_metadata_mut().merge(NAMESPACE, fields);
        }
        if is_ok {
            stats.ok.inc();
            return None;
        }
        stats.denied.inc();
        Some(self.closed("ext_authz_denied", info))
    }

    fn closed(&self, details: &'static str, info: &mut StreamInfo) -> NetworkClose {
        self.stats.cx_closed.inc();
        info.add_flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE);
        info.response_code_details = Some(details.into());
        CLOSED
    }
}
