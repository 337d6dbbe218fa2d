//! The message, compiled.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::wire::encode;
use nuncio_config::{enumeration, message};
use nuncio_contract::http_service::{HttpServiceMessage, HttpTarget};
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::tracer::ZipkinTracer;
use crate::span_buffer::Pace;

const TIMEOUT: Duration = Duration::from_secs(5);

message! {
    /// A tracer.
    pub(crate) struct Zipkin: "envoy.config.trace.v3.ZipkinConfig" {
        collector_cluster: String,
        collector_endpoint: String,
        collector_hostname: String,
        collector_service: Option<HttpServiceMessage>,
        trace_id_128bit: bool,
        shared_span_context: Option<bool>,
        trace_context_option: TraceContextOption,
        checked collector_endpoint_version: Version = "JSON is the one form that there is, and the first is refused by the API's rules",
    }
}

enumeration! {
    /// How spans are written.
    pub(crate) enum Version: "envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion" {
        DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE => First,
        HTTP_JSON => Json,
    }
}

enumeration! {
    /// By which headers traces go on.
    pub(crate) enum TraceContextOption: "envoy.config.trace.v3.ZipkinConfig.TraceContextOption" {
        USE_B3 => B3,
        USE_B3_WITH_W3C_PROPAGATION => B3AndW3c,
    }
}

/// The same compiled.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) target: HttpTarget,
    pub(super) has_long_ids: bool,
    pub(super) shares_spans: bool,
    pub(super) speaks_w3c: bool,
    pub(super) pace: Pace,
    /// What it was written as, by which connection managers share a tracer.
    pub(super) written: Vec<u8>,
}

#[derive(Debug)]
struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused> {
    let message: Zipkin = any.decode(ctx)?;
    Ok(Arc::new(Config(Arc::new(Settings {
        target: message.target(any, ctx)?,
        has_long_ids: message.trace_id_128bit,
        shares_spans: message.shared_span_context != Some(false),
        speaks_w3c: matches!(message.trace_context_option, TraceContextOption::B3AndW3c),
        pace: Pace {
            min_spans: ctx.runtime.key("tracing.zipkin.min_flush_spans"),
            interval_ms: ctx.runtime.key("tracing.zipkin.flush_interval_ms"),
        },
        written: encode(&any.message),
    }))))
}

impl Zipkin {
    fn target(&self, any: &Any, ctx: &mut Ctx) -> Result<HttpTarget, Refused> {
        if let Some(service) = &self.collector_service {
            return service.compile(ctx);
        }
        let cluster = self.collector_cluster.as_str();
        let why = match () {
            () if cluster.is_empty() => {
                "Either collector_cluster or collector_service must be specified"
            }
            () if self.collector_endpoint.is_empty() => {
                "collector_endpoint must be specified when using collector_cluster"
            }
            () => {
                let host = match self.collector_hostname.as_str() {
                    "" => cluster,
                    host => host,
                };
                return Ok(HttpTarget::new(
                    cluster,
                    host,
                    &self.collector_endpoint,
                    TIMEOUT,
                ));
            }
        };
        ctx.error(any.span, why);
        Err(Refused)
    }
}

impl TracerConfig for Config {
    fn worker(&self, scope: &Scope) -> Rc<dyn Tracer> {
        ZipkinTracer::of_thread(&self.0, scope)
    }
}
