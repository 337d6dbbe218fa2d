//! Samplers: whether a span is reported.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::cel::{CelExpression, RequestCondition};
use nuncio_contract::matching::FractionalPercent;
use nuncio_contract::tracing::SpanStart;

/// The message of the one that samples all.
pub(super) const ALWAYS_ON: &str =
    "envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig";
const PARENT_BASED: &str =
    "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig";
const RATIO: &str =
    "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig";
const BY_EXPRESSION: &str = "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig";
/// Samplers in samplers.
const MAX_DEPTH: usize = 16;

message! {
    /// A sampler.
    pub(crate) struct SamplerMessage: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "samplers are found by the type of their message",
        typed_config: Any,
    }
}

message! {
    /// As the parent is, or as another sampler says where there is none.
    pub(crate) struct ParentBased: "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig" {
        wrapped_sampler: SamplerMessage,
    }
}

message! {
    /// A share of the traces.
    pub(crate) struct TraceIdRatio: "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig" {
        sampling_percentage: Option<FractionalPercent>,
    }
}

message! {
    /// Those for which an expression is true.
    pub(crate) struct ByExpression: "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig" {
        expression: CelExpression,
    }
}

/// A sampler, compiled.
#[derive(Debug)]
pub(super) enum Sampler {
    AlwaysOn,
    ParentBased(Box<Sampler>),
    Ratio(FractionalPercent),
    Expression(RequestCondition),
    Never,
}

impl SamplerMessage {
    pub(super) fn compile(&self, ctx: &mut Ctx) -> Result<Sampler, Refused> {
        self.compile_at(0, ctx)
    }

    fn compile_at(&self, depth: usize, ctx: &mut Ctx) -> Result<Sampler, Refused> {
        let any = &self.typed_config;
        match any.type_name() {
            ALWAYS_ON => any.decode::<()>(ctx).map(|()| Sampler::AlwaysOn),
            PARENT_BASED if depth < MAX_DEPTH => {
                let message: ParentBased = any.decode(ctx)?;
                let wrapped = message.wrapped_sampler.compile_at(depth + 1, ctx)?;
                Ok(Sampler::ParentBased(Box::new(wrapped)))
            }
            RATIO => {
                let message: TraceIdRatio = any.decode(ctx)?;
                let share = message.sampling_percentage;
                Ok(share.map_or(Sampler::Never, Sampler::Ratio))
            }
            BY_EXPRESSION => {
                let message: ByExpression = any.decode(ctx)?;
                RequestCondition::compile(&message.expression, ctx).map(Sampler::Expression)
            }
            name => Err(ctx.unsupported_here(any.span, format!("sampler `{name}`"))),
        }
    }
}

impl Sampler {
    /// Whether a span of this trace is reported; `parent` is whether its parent is, if it has one.
    pub(super) fn samples(
        &self,
        trace_id: &[u8; 16],
        parent: Option<bool>,
        start: &SpanStart<'_>,
    ) -> bool {
        match self {
            Sampler::AlwaysOn => true,
            Sampler::Never => false,
            Sampler::ParentBased(other) => {
                parent.unwrap_or_else(|| other.samples(trace_id, None, start))
            }
            Sampler::Expression(condition) => {
                condition.holds(start.info, start.request, start.services)
            }
            Sampler::Ratio(percent) => {
                let [first, ..] = halves(trace_id);
                percent.share().chooses(first)
            }
        }
    }
}

/// Both halves as numbers, as a machine of the usual kind has them in memory.
fn halves(trace_id: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*trace_id);
    let low = u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(number >> 64).unwrap_or(0);
    [low, high]
}
