//! The message, compiled.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::wire::encode;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::tracer::DatadogTracer;

message! {
    /// A tracer.
    pub(crate) struct Datadog: "envoy.config.trace.v3.DatadogConfig" {
        collector_cluster: String,
        service_name: String,
        collector_hostname: String,
    }
}

/// The same compiled.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) cluster: Box<str>,
    /// What the agent is called in requests to it.
    pub(super) host: Box<str>,
    pub(super) service: Box<str>,
    /// What it was written as, by which connection managers share a tracer.
    pub(super) written: Vec<u8>,
}

#[derive(Debug)]
struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused> {
    let message: Datadog = any.decode(ctx)?;
    let host = match message.collector_hostname.as_str() {
        "" => &message.collector_cluster,
        host => host,
    };
    Ok(Arc::new(Config(Arc::new(Settings {
        host: host.into(),
        cluster: message.collector_cluster.as_str().into(),
        service: message.service_name.into(),
        written: encode(&any.message),
    }))))
}

impl TracerConfig for Config {
    fn worker(&self, scope: &Scope) -> Rc<dyn Tracer> {
        DatadogTracer::of_thread(&self.0, scope)
    }
}
