//! The message, compiled.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::wire::encode;
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::http_service::HttpServiceMessage;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::sampler::{Sampler, SamplerMessage};
use super::tracer::OpenTelemetryTracer;
use crate::otlp::{Destination, Detected, DetectorMessage};
use crate::span_buffer::Pace;

const DEFAULT_NAME: &str = "unknown_service:envoy";
const DEFAULT_CACHE: u32 = 1024;

message! {
    /// A tracer.
    pub(crate) struct OpenTelemetry: "envoy.config.trace.v3.OpenTelemetryConfig" {
        grpc_service: Option<GrpcServiceMessage>,
        http_service: Option<HttpServiceMessage>,
        service_name: String,
        resource_detectors: Vec<DetectorMessage>,
        sampler: Option<SamplerMessage>,
        max_cache_size: Option<u32>,
    }
}

/// The same compiled.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) destination: Option<Destination>,
    pub(super) attributes: Detected,
    pub(super) sampler: Option<Sampler>,
    pub(super) max_spans: usize,
    pub(super) pace: Pace,
    /// What it was written as, by which connection managers share a tracer.
    pub(super) written: Vec<u8>,
}

#[derive(Debug)]
struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused> {
    let message: OpenTelemetry = any.decode(ctx)?;
    let (grpc, http) = (message.grpc_service.as_ref(), message.http_service.as_ref());
    if grpc.is_some() == http.is_some() {
        let text = "OpenTelemetry Tracer must have exactly one of gRPC, HTTP, or custom exporter \
            configured.";
        ctx.error(any.span, text);
        return Err(Refused);
    }
    let mut attributes = Detected::new();
    let name = match message.service_name.as_str() {
        "" => DEFAULT_NAME,
        name => name,
    };
    attributes.insert("service.name".to_owned(), name.to_owned());
    for detector in &message.resource_detectors {
        detector.detect(&mut attributes, ctx)?;
    }
    let sampler = message.sampler.as_ref();
    let max_spans = message.max_cache_size.unwrap_or(DEFAULT_CACHE);
    Ok(Arc::new(Config(Arc::new(Settings {
        destination: Destination::compile((grpc, http), ctx)?,
        attributes,
        sampler: sampler.map(|sampler| sampler.compile(ctx)).transpose()?,
        max_spans: usize::try_from(max_spans).unwrap_or(usize::MAX),
        pace: Pace {
            min_spans: ctx.runtime.key("tracing.opentelemetry.min_flush_spans"),
            interval_ms: ctx.runtime.key("tracing.opentelemetry.flush_interval_ms"),
        },
        written: encode(&any.message),
    }))))
}

impl TracerConfig for Config {
    fn worker(&self, scope: &Scope) -> Rc<dyn Tracer> {
        OpenTelemetryTracer::of_thread(&self.0, scope)
    }
}
