//! `tracing`: which requests are traced is decided, counted, told to access logs and noted in `x-request-id` as in Envoy,
//! and operations of routes are told in `x-envoy-decorator-operation`. Their spans are [`crate::spans`]'.
//! Defaults: all requests. Runtime: `tracing.client_enabled`, `tracing.random_sampling`, `tracing.global_enabled`.

use std::sync::Arc;

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::TracingStats;
use nuncio_contract::stream_info::TraceReason;
use nuncio_contract::tracing::{self, Provider, TracerConfig, TracerRooms};

use super::request_id::RequestIds;
use crate::config::tracing as config;
use crate::route::Sampling;
use crate::spans::{RouteSpans, SpanSettings};
use crate::stream::StreamState;

const ALL: u32 = 10_000;

/// Tracing of a connection manager.
#[derive(Clone, Debug)]
pub struct Tracing {
    sampling: Sampling,
    client_enabled: RuntimeKey,
    random_sampling: RuntimeKey,
    global_enabled: RuntimeKey,
    /// Whether what is traced is sent out by what stands beside the proxy, rather than sent to it.
    is_outbound: bool,
    /// Who makes spans, if anybody does.
    pub(crate) tracer: Option<Arc<dyn TracerConfig>>,
    /// What they are to say.
    pub(crate) spans: SpanSettings,
}

impl Tracing {
    pub(super) fn compile(
        message: &config::Tracing,
        is_outbound: bool,
        provider: Option<(&Provider, TracerRooms)>,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let tracer = provider.map(|(provider, rooms)| tracing::compile(provider, rooms, ctx));
        let names = RouteSpans::compile(
            &message.custom_tags,
            &message.operation,
            &message.upstream_operation,
            ctx,
        );
        Ok(Tracing {
            tracer: tracer.transpose()?,
            spans: SpanSettings {
                names: names?,
                is_verbose: message.verbose,
                max_path_bytes: SpanSettings::path_bytes(message.max_path_tag_length),
                spawns_upstream_span: message.spawn_upstream_span == Some(true),
                propagates: !message.no_context_propagation,
                is_outbound,
            },
            sampling: Sampling {
                client: Fraction {
                    numerator: whole(message.client_sampling.as_ref(), 100),
                    divisor: 100,
                },
                random: ten_thousandths(message.random_sampling.as_ref()),
                overall: ten_thousandths(message.overall_sampling.as_ref()),
            },
            client_enabled: ctx.runtime.key("tracing.client_enabled"),
            random_sampling: ctx.runtime.key("tracing.random_sampling"),
            global_enabled: ctx.runtime.key("tracing.global_enabled"),
            is_outbound,
        })
    }

    /// Decides whether a request whose route is known is traced, and says so in its head.
    #[cold]
    pub(crate) fn decide(
        &self,
        ids: RequestIds,
        state: &mut StreamState,
        services: &dyn WorkerServices,
    ) {
        let index = state.route.index;
        let route = index.and_then(|index| state.route.table.route(index));
        let sampling = route.and_then(|route| route.sampling.as_deref());
        let sampling = sampling.unwrap_or(&self.sampling);
        state.info.trace_reason = self.reason(ids, sampling, &mut state.request, services);
        let format = route.and_then(|route| route.spans.as_ref()?.operation.as_ref());
        if self.tracer.is_some() && format.or(self.spans.names.operation.as_ref()).is_some() {
            // The name of the span is that, whatever anybody else says.
            return;
        }
        let decorator = route.and_then(|route| route.decorator.as_deref());
        let told = decorator.filter(|decorator| decorator.propagate);
        let told = told.map(|decorator| Arc::clone(&decorator.operation));
        if self.is_outbound {
            if let Some(operation) = told {
                let name = Known::XEnvoyDecoratorOperation;
                state.request.set(name, operation.as_bytes());
            }
            return;
        }
        let own = state.request.get(Known::XEnvoyDecoratorOperation);
        let has_own = own.is_some_and(|own| !own.is_empty());
        state.request.remove(Known::XEnvoyDecoratorOperation);
        state.operation = told.filter(|_| !has_own);
    }

    fn reason(
        &self,
        ids: RequestIds,
        sampling: &Sampling,
        request: &mut HeaderMap,
        services: &dyn WorkerServices,
    ) -> TraceReason {
        if !ids.decide_sampling {
            return TraceReason::Sampling;
        }
        let Some(number) = RequestIds::number(request) else {
            return TraceReason::NotTraceable;
        };
        let point = number % u64::from(ALL);
        let mut reason = ids.reason(request);
        if reason == TraceReason::NotTraceable {
            reason = self.new_reason(sampling, request, point, services);
            if reason != TraceReason::NotTraceable {
                ids.note(request, reason);
            }
        }
        let overall = self.global_enabled.fraction(sampling.overall);
        if reason != TraceReason::NotTraceable && !overall.chooses(point) {
            reason = TraceReason::NotTraceable;
            ids.note(request, reason);
        }
        reason
    }

    fn new_reason(
        &self,
        sampling: &Sampling,
        request: &HeaderMap,
        point: u64,
        services: &dyn WorkerServices,
    ) -> TraceReason {
        let client = self.client_enabled.fraction(sampling.client);
        if request.contains(Known::XClientTraceId) && client.chooses(services.random_u64()) {
            return TraceReason::ClientForced;
        }
        if request.contains(Known::XEnvoyForceTrace) {
            return TraceReason::ServiceForced;
        }
        let random = self.random_sampling.fraction(sampling.random);
        match random.chooses(point) {
            true => TraceReason::Sampling,
            false => TraceReason::NotTraceable,
        }
    }

    /// The operation goes with the response, or stays here if the host says one.
    #[cold]
    pub(crate) fn decorate_response(&self, state: &mut StreamState) {
        let name = Known::XEnvoyDecoratorOperation;
        if self.is_outbound {
            state.response.remove(name);
        } else if let Some(operation) = &state.operation {
            state.response.set(name, operation.as_bytes());
        }
    }

    /// Counts a response by why its request is traced.
    #[cold]
    pub(crate) fn count(stats: &TracingStats, is_health_check: bool, reason: TraceReason) {
        let counter = match reason {
            _ if is_health_check => &stats.not_traceable,
            TraceReason::ClientForced => &stats.client_enabled,
            TraceReason::Sampling => &stats.random_sampling,
            TraceReason::ServiceForced => &stats.service_forced,
            TraceReason::NotTraceable | TraceReason::HealthCheck => &stats.not_traceable,
        };
        counter.inc();
    }
}

fn ten_thousandths(percent: Option<&config::Percent>) -> Fraction {
    let share = percent.map_or(f64::from(ALL), |percent| (percent.value * 100.0).round());
    Fraction {
        numerator: to_number(share),
        divisor: ALL,
    }
}

fn whole(percent: Option<&config::Percent>, default: u32) -> u32 {
    percent.map_or(default, |percent| to_number(percent.value))
}

/// The API has percentages between 0 and 100.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest number that there is"
)]
fn to_number(value: f64) -> u32 {
    value as u32
}
