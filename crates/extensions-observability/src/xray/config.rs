//! The message, compiled.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::manifest::Manifest;
use super::tracer::XRayTracer;
use crate::statsd::config::{PortSpecifier, SocketProtocol};

const MAX_MANIFEST_BYTES: usize = 1 << 20;

message! {
    /// A tracer.
    pub(crate) struct XRay: "envoy.config.trace.v3.XRayConfig" {
        daemon_endpoint: Option<DaemonEndpoint>,
        segment_name: Spanned<String>,
        sampling_rule_manifest: Option<DataSource>,
        segment_fields: Option<SegmentFields>,
    }
}

message! {
    /// Where the daemon is.
    pub(crate) struct DaemonEndpoint: "envoy.config.core.v3.SocketAddress" {
        protocol: SocketProtocol,
        address: Spanned<String>,
        oneof port_specifier: PortSpecifier,
    }
}

message! {
    /// What all segments say.
    pub(crate) struct SegmentFields: "envoy.config.trace.v3.XRayConfig.SegmentFields" {
        origin: String,
        aws: Option<Arc<Json>>,
    }
}

/// The same compiled.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) daemon: SocketAddr,
    /// What segments of requests are called.
    pub(super) name: Box<str>,
    pub(super) origin: Box<str>,
    pub(super) aws: Option<Arc<Json>>,
    /// Shared by the workers, so that a rule's target is that of the process.
    pub(super) manifest: Manifest,
}

#[derive(Debug)]
struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused> {
    let message: XRay = any.decode(ctx)?;
    let daemon = daemon(
        message.daemon_endpoint.as_ref(),
        message.segment_name.span,
        ctx,
    )?;
    let manifest = match &message.sampling_rule_manifest {
        None => Manifest::default(),
        Some(source) => {
            let text = source.read_quietly(MAX_MANIFEST_BYTES, ctx);
            if text.is_none() && !source.is_inline_string() {
                let text = "the sampling rules cannot be read, so that the default rule holds";
                ctx.warning(message.segment_name.span, text);
            }
            let (manifest, wrong) = Manifest::read(&text.unwrap_or_default());
            if let Some(wrong) = wrong {
                let text = format!("the sampling rules cannot be read: {wrong}");
                ctx.warning(message.segment_name.span, text);
            }
            manifest
        }
    };
    let fields = message.segment_fields;
    let (origin, aws) = fields.map_or_else(Default::default, |it| (it.origin, it.aws));
    Ok(Arc::new(Config(Arc::new(Settings {
        daemon,
        name: message.segment_name.value.into(),
        origin: origin.into(),
        aws,
        manifest,
    }))))
}

fn daemon(
    endpoint: Option<&DaemonEndpoint>,
    span: nuncio_config::span::Span,
    ctx: &mut Ctx,
) -> Result<SocketAddr, Refused> {
    let endpoint = endpoint.filter(|it| matches!(it.protocol, SocketProtocol::Udp));
    let Some(endpoint) = endpoint else {
        ctx.error(span, "X-Ray daemon endpoint must be a UDP socket address")
            .suggest("`daemon_endpoint` needs `protocol: UDP`");
        return Err(Refused);
    };
    let PortSpecifier::Value(port) = &endpoint.port_specifier;
    let address = endpoint.address.value.as_str();
    let bare = address
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'));
    match (
        bare.unwrap_or(address).parse::<IpAddr>(),
        u16::try_from(*port),
    ) {
        (Ok(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        _ => {
            let text = format!("malformed IP address: {address}");
            ctx.error(endpoint.address.span, text)
                .suggest("`daemon_endpoint` takes an IP address, not a name");
            Err(Refused)
        }
    }
}

impl TracerConfig for Config {
    fn worker(&self, _scope: &Scope) -> Rc<dyn Tracer> {
        XRayTracer::new(&self.0)
    }
}
