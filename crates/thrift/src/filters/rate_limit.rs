//! `envoy.filters.thrift.rate_limit`: a service is asked whether a call is one too many, by what its route says of it.
//!
//! Counted as Envoy counts it, at `cluster.<name>.ratelimit.` of the cluster that the call goes to.

use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::thrift::Head;
use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};
use nuncio_config::{enumeration, message};
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::rate_limit::{Asked, Descriptor};
use nuncio_contract::service_values::text;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_service_messages::Message as _;
use nuncio_service_messages::rate_limit::{
    Code, Entry, RateLimitDescriptor, RateLimitOverride, RateLimitRequest, RateLimitResponse,
    SHOULD_RATE_LIMIT,
};

use crate::routes::{Route, header_map};

pub(super) const MESSAGE: &str =
    "envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit";
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(20);

message! {
    /// The filter's config.
    struct Message: "envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit" {
        domain: String,
        stage: u32,
        timeout: Option<Duration>,
        failure_mode_deny: bool,
        rate_limit_service: ServiceConfig,
    }
}

message! {
    /// Who is asked.
    struct ServiceConfig: "envoy.config.ratelimit.v3.RateLimitServiceConfig" {
        grpc_service: GrpcServiceMessage,
        checked transport_api_version: ApiVersion = "there is one version, which AUTO means as well",
    }
}

enumeration! {
    /// The version of the service.
    enum ApiVersion: "envoy.config.core.v3.ApiVersion" {
        AUTO => Auto,
        V3 => V3,
    }
}

/// The compiled filter.
pub(crate) struct RateLimit {
    domain: Box<str>,
    stage: u32,
    timeout: Option<Duration>,
    pub(crate) denies_on_error: bool,
    service: GrpcTarget,
    /// The percentages of calls that are counted, and that are refused where they are too many.
    enabled: RuntimeKey,
    enforced: RuntimeKey,
}

/// What the service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call may go.
    Ok,
    /// It is one too many.
    OverLimit,
    /// The service cannot tell.
    Error,
}

pub(super) fn support(table: &mut SupportTable) {
    Message::support(table);
}

impl RateLimit {
    pub(super) fn compile(any: &Any, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: Message = any.decode(ctx)?;
        let timeout = message.timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(RateLimit {
            domain: message.domain.as_str().into(),
            stage: message.stage,
            timeout: (!timeout.is_zero()).then_some(timeout),
            denies_on_error: message.failure_mode_deny,
            service: message.rate_limit_service.grpc_service.compile(ctx)?,
            enabled: ctx.runtime.key("ratelimit.thrift_filter_enabled"),
            enforced: ctx.runtime.key("ratelimit.thrift_filter_enforcing"),
        })
    }

    /// Asks the service; none if there is nothing to ask.
    pub(crate) fn ask(
        self: &Arc<Self>,
        route: &Route,
        (head, cluster): (&Head, &str),
        info: &StreamInfo,
        (services, service_cluster): (&dyn WorkerServices, &str),
    ) -> Option<LocalFuture<Verdict>> {
        if !is_chosen(&self.enabled, services) {
            return None;
        }
        let mut headers = header_map(head);
        headers.append_from_wire(b":method-name", &head.method);
        let mut descriptors = Vec::new();
        route.rate_limits.describe_for_service(
            self.stage,
            None,
            &Asked {
                request: &headers,
                response: None,
                info,
                service_cluster,
                destination: Some(cluster.as_bytes()),
                services,
            },
            &mut descriptors,
        );
        if descriptors.is_empty() {
            return None;
        }
        let request = RateLimitRequest {
            domain: self.domain.to_string(),
            descriptors: descriptors.iter().map(told).collect(),
            hits_addend: 0,
        };
        let calls = services.calls()?;
        let message = request.encode_to_vec();
        let of = FormatContext::new(info, services);
        let call = self.service.unary(
            &*calls,
            SHOULD_RATE_LIMIT,
            &message,
            self.timeout,
            Some(&of),
        );
        Some(Box::pin(async move {
            let answer = call.await.ok();
            let answer = answer.and_then(|bytes| RateLimitResponse::decode(&*bytes).ok());
            match answer.map(|answer| answer.overall_code()) {
                None => Verdict::Error,
                Some(Code::OverLimit) => Verdict::OverLimit,
                Some(_) => Verdict::Ok,
            }
        }))
    }

    /// Whether a call that is one too many is refused.
    pub(crate) fn is_enforced(&self, services: &dyn WorkerServices) -> bool {
        is_chosen(&self.enforced, services)
    }
}

fn told(descriptor: &Descriptor) -> RateLimitDescriptor {
    let entries = descriptor.entries.iter().map(|entry| Entry {
        key: entry.key.to_string(),
        value: text(&entry.value),
    });
    RateLimitDescriptor {
        entries: entries.collect(),
        limit: descriptor.limit.map(|limit| RateLimitOverride {
            requests_per_unit: limit.requests_per_unit,
            unit: limit.unit,
        }),
        ..RateLimitDescriptor::default()
    }
}

/// Whether a call is one of so many percent; all, if runtime says nothing.
fn is_chosen(percent: &RuntimeKey, services: &dyn WorkerServices) -> bool {
    let percent = percent.integer(100);
    percent >= 100 || services.random_u64() % 100 < percent
}
