//! The message, compiled.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use nuncio_config::dump::{self, Options};
use nuncio_config::message;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::json;
use super::manifest::Manifest;
use super::tracer::XRayTracer;
use crate::statsd::config::{PortSpecifier, SocketProtocol};

const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// The message as JSON, and the text of the manifest.
type Key = (String, Vec<u8>);

/// What is in use, so that loads and connection managers that say the same have the same.
static SHARED: LazyLock<Mutex<HashMap<Key, Weak<Settings>>>> = LazyLock::new(Mutex::default);

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
    /// As JSON.
    pub(super) aws: Box<str>,
    /// Shared by the workers and by tracers that are equal, so that a rule's target is that of the process.
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
    let (manifest, text) = manifest(message.sampling_rule_manifest.as_ref(), ctx);
    let fields = message.segment_fields;
    let (origin, aws) = fields.map_or_else(Default::default, |it| (it.origin, it.aws));
    let aws = aws.map_or_else(|| "{}".to_owned(), |aws| json::value(&aws).to_string());
    let settings = Settings {
        daemon,
        name: message.segment_name.value.into(),
        origin: origin.into(),
        aws: aws.into(),
        manifest,
    };
    let key = (dump::to_json(&any.message, Options::default()), text);
    Ok(Arc::new(Config(shared(key, settings))))
}

/// The rules and the text that they were read from.
fn manifest(source: Option<&DataSource>, ctx: &mut Ctx) -> (Manifest, Vec<u8>) {
    let Some(source) = source else {
        return (Manifest::default(), Vec::new());
    };
    let span = source.span();
    let text = match source.read_once(MAX_MANIFEST_BYTES, ctx) {
        Ok(text) => text,
        Err(wrong) => {
            let text = "the sampling rules cannot be read, so that the default rule holds";
            ctx.warning(span, text).note(wrong);
            Vec::new()
        }
    };
    let (manifest, wrong) = Manifest::read(&text);
    if let Some(wrong) = wrong {
        let text = format!("the sampling rules cannot be read: {wrong}");
        ctx.warning(span, text);
    }
    (manifest, text)
}

/// Those of the same message and manifest, if any are in use: a rule's target is that of all tracers that are equal.
fn shared(key: Key, settings: Settings) -> Arc<Settings> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = shared.get(&key).and_then(Weak::upgrade) {
        return there;
    }
    if shared.len() == shared.capacity() {
        shared.retain(|_, there| there.strong_count() > 0);
    }
    let settings = Arc::new(settings);
    shared.insert(key, Arc::downgrade(&settings));
    settings
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracers_that_say_the_same_share_their_targets_while_one_is_there() {
        let tracer = |name: &str, text: &[u8]| {
            let settings = Settings {
                daemon: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 1),
                name: name.into(),
                origin: "".into(),
                aws: "{}".into(),
                manifest: Manifest::default(),
            };
            shared((name.to_owned(), text.to_vec()), settings)
        };
        let one = tracer("a name of its own", b"rules");
        assert!(Arc::ptr_eq(&one, &tracer("a name of its own", b"rules")));
        assert!(!Arc::ptr_eq(&one, &tracer("a name of its own", b"others")));
        assert!(!Arc::ptr_eq(&one, &tracer("another name", b"rules")));
        let gone = Arc::downgrade(&one);
        drop(one);
        let _again = tracer("a name of its own", b"rules");
        assert!(gone.upgrade().is_none());
    }
}
