//! The message, compiled.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::wire::encode;
use nuncio_config::{message, one_of};
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Tracer, TracerConfig};

use super::tracer::SkyWalkingTracer;

const MOST_CACHED: u32 = 1024;

message! {
    /// A tracer.
    pub(crate) struct SkyWalking: "envoy.config.trace.v3.SkyWalkingConfig" {
        grpc_service: GrpcServiceMessage,
        client_config: Option<ClientConfig>,
    }
}

message! {
    /// Who tells.
    pub(crate) struct ClientConfig: "envoy.config.trace.v3.ClientConfig" {
        service_name: String,
        instance_name: String,
        oneof authentication_specifier: Option<Authentication>,
        max_cache_size: Option<u32>,
    }
}

one_of! {
    /// How the collector knows that we may.
    pub(crate) enum Authentication {
        backend_token => Token(String),
    }
}

/// The same compiled.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) target: GrpcTarget,
    /// By which the next is told of the trace.
    pub(super) header: HeaderName,
    /// Empty: the node's cluster.
    pub(super) service: Box<str>,
    /// Empty: the node's id.
    pub(super) instance: Box<str>,
    /// More do not wait for a stream.
    pub(super) max_cached: usize,
    /// What it was written as, by which connection managers share a tracer.
    pub(super) written: Vec<u8>,
}

#[derive(Debug)]
struct Config(Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused> {
    let message: SkyWalking = any.decode(ctx)?;
    let mut target = message.grpc_service.compile(ctx)?;
    let (Ok(header), Ok(authentication)) = (
        HeaderName::parse("sw8"),
        HeaderName::parse("authentication"),
    ) else {
        return Err(Refused);
    };
    let client = message.client_config.as_ref();
    if let Some(Authentication::Token(token)) =
        client.and_then(|client| client.authentication_specifier.as_ref())
        && !token.is_empty()
    {
        target = target.with_metadata(authentication, token);
    }
    let most = client.and_then(|client| client.max_cache_size);
    let name = |of: fn(&ClientConfig) -> &String| {
        let name = client.map(of).map(String::as_str);
        name.unwrap_or_default().into()
    };
    Ok(Arc::new(Config(Arc::new(Settings {
        target,
        header,
        service: name(|client| &client.service_name),
        instance: name(|client| &client.instance_name),
        max_cached: usize::try_from(most.unwrap_or(MOST_CACHED)).unwrap_or(usize::MAX),
        written: encode(&any.message),
    }))))
}

impl TracerConfig for Config {
    fn worker(&self, scope: &Scope) -> Rc<dyn Tracer> {
        SkyWalkingTracer::of_thread(&self.0, scope)
    }
}
