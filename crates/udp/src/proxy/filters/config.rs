//! The messages of session filters, compiled once and shared by the workers.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{message, one_of};
use nuncio_contract::forward_proxy::DnsCacheConfig;
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Scope, StatsStore};

use super::held::{AskBuffer, BufferLimits};
use super::{AuthzStats, FilterOnWorker};

const CAPSULE: &str = "envoy.extensions.filters.udp.udp_proxy.session.http_capsule.v3.FilterConfig";
const FORWARD_PROXY: &str =
    "envoy.extensions.filters.udp.udp_proxy.session.dynamic_forward_proxy.v3.FilterConfig";
const EXT_AUTHZ: &str = "envoy.extensions.filters.udp.udp_proxy.session.ext_authz.v3.FilterConfig";

/// For a service that says no time.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);

message! {
    /// A filter of sessions.
    pub(in crate::proxy) struct SessionFilter: "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.SessionFilter" {
        name: Spanned<String>,
        oneof config_type: Option<SessionFilterType>,
    }
}

one_of! {
    /// Its config.
    pub(in crate::proxy) enum SessionFilterType {
        typed_config => TypedConfig(Any),
    }
}

message! {
    /// Datagrams as capsules.
    pub(in crate::proxy) struct HttpCapsule: "envoy.extensions.filters.udp.udp_proxy.session.http_capsule.v3.FilterConfig" {}
}

message! {
    /// Names of hosts.
    pub(in crate::proxy) struct ForwardProxy: "envoy.extensions.filters.udp.udp_proxy.session.dynamic_forward_proxy.v3.FilterConfig" {
        stat_prefix: String,
        oneof implementation_specifier: Option<Implementation>,
        checked buffer_options: Option<ForwardProxyBuffer> = "no session waits for a name, as nothing says which name a session is for",
    }
}

message! {
    /// How many datagrams may wait for a name.
    pub(in crate::proxy) struct ForwardProxyBuffer: "envoy.extensions.filters.udp.udp_proxy.session.dynamic_forward_proxy.v3.FilterConfig.BufferOptions" {
        inert max_buffered_datagrams = "no session waits for a name, as nothing says which name a session is for",
        inert max_buffered_bytes = "no session waits for a name, as nothing says which name a session is for",
    }
}

one_of! {
    /// How names are resolved.
    pub(in crate::proxy) enum Implementation {
        dns_cache_config => Cache(DnsCacheConfig),
    }
}

message! {
    /// Whom to ask about sessions.
    pub(in crate::proxy) struct ExtAuthz: "envoy.extensions.filters.udp.udp_proxy.session.ext_authz.v3.FilterConfig" {
        stat_prefix: String,
        grpc_service: GrpcServiceMessage,
        failure_mode_allow: bool,
        buffer_options: Option<AskBuffer>,
    }
}

stat_group! {
    /// Datagrams that wait for names, at `udp.session.dynamic_forward_proxy.<stat_prefix>.`; none ever does.
    pub struct ForwardProxyStats("") {
        counters { buffer_overflow }
    }
}

/// What the crate honours of filters that are found by their type.
pub(in crate::proxy) fn support(table: &mut SupportTable) {
    HttpCapsule::support(table);
    ForwardProxy::support(table);
    ExtAuthz::support(table);
}

/// Whom to ask about sessions, compiled.
pub(in crate::proxy) struct AskSettings {
    pub(super) service: GrpcTarget,
    pub(super) timeout: Duration,
    pub(super) passes_on_error: bool,
    pub(super) buffer: Option<BufferLimits>,
}

/// A filter, compiled.
pub(in crate::proxy) enum FilterConfig {
    Capsule,
    /// Sessions pass; its stats are listed.
    Passes {
        _listed: Scope,
    },
    Ask(Arc<AskSettings>, Scope),
}

impl FilterConfig {
    pub(in crate::proxy) fn compile(
        message: &SessionFilter,
        stats: &StatsStore,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let any = message.config_type.as_ref();
        let any = any.map(|SessionFilterType::TypedConfig(any)| any);
        match any.map(|any| (any.type_name(), any)) {
            Some((CAPSULE, any)) => any.decode::<HttpCapsule>(ctx).map(|_| Self::Capsule),
            Some((FORWARD_PROXY, any)) => {
                let message: ForwardProxy = any.decode(ctx)?;
                if let Some(Implementation::Cache(cache)) = &message.implementation_specifier {
                    cache.compile(ctx)?;
                }
                let prefix = &message.stat_prefix;
                let scope = stats.scope(&format!("udp.session.dynamic_forward_proxy.{prefix}"));
                scope.register::<ForwardProxyStats>();
                Ok(Self::Passes { _listed: scope })
            }
            Some((EXT_AUTHZ, any)) => Self::compile_ask(&any.decode(ctx)?, stats, ctx),
            other => {
                let type_name = other.map_or("", |(name, _)| name);
                let name = &message.name;
                let text = format!(
                    "Didn't find a registered implementation for '{}' with type URL: '{type_name}'",
                    name.value
                );
                ctx.error(other.map_or(name.span, |(_, any)| any.span), text);
                Err(Refused)
            }
        }
    }

    fn compile_ask(message: &ExtAuthz, stats: &StatsStore, ctx: &mut Ctx) -> Result<Self, Refused> {
        let service = message.grpc_service.compile(ctx)?;
        let scope = stats.scope(&format!("udp.session.ext_authz.{}", message.stat_prefix));
        scope.register::<AuthzStats>();
        let settings = AskSettings {
            timeout: service.timeout.unwrap_or(DEFAULT_TIMEOUT),
            service,
            passes_on_error: message.failure_mode_allow,
            buffer: message.buffer_options.as_ref().map(AskBuffer::limits),
        };
        Ok(Self::Ask(Arc::new(settings), scope))
    }

    /// The worker's part.
    pub(in crate::proxy) fn on_worker(&self) -> FilterOnWorker {
        match self {
            Self::Capsule => FilterOnWorker::Capsule,
            Self::Passes { .. } => FilterOnWorker::Passes,
            Self::Ask(settings, scope) => {
                FilterOnWorker::Ask(Arc::clone(settings), scope.worker_group())
            }
        }
    }
}
