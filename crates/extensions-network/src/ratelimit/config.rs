//! The messages of the rate limit filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::formatter::Format;
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::network_filter::NetworkFilterConfig;

const DEFAULT_TIMEOUT: Duration = Duration::from_millis(20);

message! {
    /// The filter's config.
    pub(super) struct RateLimit: "envoy.extensions.filters.network.ratelimit.v3.RateLimit" {
        stat_prefix: String,
        domain: String,
        descriptors: Vec<Descriptor>,
        timeout: Option<Duration>,
        failure_mode_deny: bool,
        rate_limit_service: ServiceConfig,
    }
}

message! {
    /// What connections are counted by.
    struct Descriptor: "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor" {
        entries: Vec<Entry>,
    }
}

message! {
    /// A part of it.
    struct Entry: "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry" {
        key: String,
        value: Spanned<String>,
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
    pub(super) enum ApiVersion: "envoy.config.core.v3.ApiVersion" {
        AUTO => Auto,
        V3 => V3,
    }
}

/// The parts of a descriptor: keys and the values that connections give them.
pub(super) type Parts = Box<[(Box<str>, Format)]>;

/// The compiled config, shared by the workers.
pub(super) struct Settings {
    pub(super) stat_prefix: Box<str>,
    pub(super) domain: Box<str>,
    pub(super) descriptors: Box<[Parts]>,
    pub(super) timeout: Option<Duration>,
    pub(super) denies_on_error: bool,
    pub(super) service: GrpcTarget,
    /// The percentages of connections that are counted, and that are closed where they are too many.
    pub(super) enabled: RuntimeKey,
    pub(super) enforced: RuntimeKey,
}

/// What the chain holds.
pub(super) struct Config(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    let message: RateLimit = any.decode(ctx)?;
    let descriptors: Vec<_> = message
        .descriptors
        .iter()
        .map(|descriptor| descriptor.compile(ctx))
        .collect();
    let timeout = message.timeout.unwrap_or(DEFAULT_TIMEOUT);
    Ok(Arc::new(Config(Arc::new(Settings {
        stat_prefix: message.stat_prefix.as_str().into(),
        domain: message.domain.as_str().into(),
        descriptors: descriptors.into_iter().collect::<Result<_, _>>()?,
        timeout: (!timeout.is_zero()).then_some(timeout),
        denies_on_error: message.failure_mode_deny,
        service: message.rate_limit_service.grpc_service.compile(ctx)?,
        enabled: ctx.runtime.key("ratelimit.tcp_filter_enabled"),
        enforced: ctx.runtime.key("ratelimit.tcp_filter_enforcing"),
    }))))
}

impl Descriptor {
    fn compile(&self, ctx: &mut Ctx) -> Result<Parts, Refused> {
        let parts = self.entries.iter().map(|entry| {
            let value = Format::compile(&entry.value.value).map_err(|error| {
                ctx.error(entry.value.span, error.to_string());
                Refused
            });
            Ok((entry.key.as_str().into(), value?))
        });
        parts.collect()
    }
}
