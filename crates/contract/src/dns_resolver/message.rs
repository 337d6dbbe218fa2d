//! The messages that choose a resolver. A newer field takes precedence over older ones.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, FromValue, Refused, Spanned, SupportTable};
use nuncio_config::{message, one_of};

use super::{ChosenResolver, ResolverSettings, ServerSettings};

const CARES: &str = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";
const SYSTEM: &str =
    "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig";

message! {
    /// A resolver, as an extension.
    pub struct DnsResolverExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// Servers and how they are asked, as it was said before there were extensions.
    pub struct DnsResolutionConfig: "envoy.config.core.v3.DnsResolutionConfig" {
        pub(crate) resolvers: Vec<ResolverAddress>,
        pub(crate) dns_resolver_options: Option<DnsResolverOptions>,
    }
}

message! {
    /// How servers are asked.
    pub struct DnsResolverOptions: "envoy.config.core.v3.DnsResolverOptions" {
        pub(crate) use_tcp_for_dns_lookups: bool,
        pub(crate) no_default_search_domain: bool,
    }
}

message! {
    /// Where a server is.
    pub struct ResolverAddress: "envoy.config.core.v3.Address" {
        pub(crate) oneof address: ResolverAddressKind,
    }
}

one_of! {
    /// Kinds of address.
    pub enum ResolverAddressKind {
        socket_address => SocketAddress(ResolverSocketAddress),
    }
}

message! {
    /// An IP address and a port.
    pub struct ResolverSocketAddress: "envoy.config.core.v3.SocketAddress" {
        pub(crate) address: Spanned<String>,
        pub(crate) oneof port_specifier: ResolverPort,
        inert protocol = "servers are asked by UDP, and by TCP where the answer is long or `use_tcp_for_dns_lookups` says so",
        inert ipv4_compat = "it concerns sockets that listen";
    }
}

one_of! {
    /// The port.
    pub enum ResolverPort {
        port_value => Value(u32),
    }
}

message! {
    /// Servers and how they are asked.
    pub struct Cares: "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig" {
        pub(crate) resolvers: Vec<ResolverAddress>,
        pub(crate) use_resolvers_as_fallback: bool,
        pub(crate) dns_resolver_options: Option<DnsResolverOptions>,
        pub(crate) query_timeout_seconds: Option<u64>,
        pub(crate) query_tries: Option<u32>,
        pub(crate) rotate_nameservers: bool,
        pub(crate) edns0_max_payload_size: Option<u32>,
        inert udp_max_queries = "each query has a socket of its own",
        inert max_udp_channel_duration = "each query has a socket of its own",
        inert reinit_channel_on_timeout = "each query has a socket of its own";
    }
}

message! {
    /// The system's own way.
    pub struct GetAddrInfo: "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig" {
        pub(crate) num_retries: Option<u32>,
        inert num_resolver_threads = "threads are made as they are needed";
    }
}

/// The fields by which a message may choose a resolver, the newest first.
#[derive(Default)]
pub struct ResolverFields<'m> {
    /// `typed_dns_resolver_config`.
    pub typed: Option<&'m DnsResolverExtension>,
    /// `dns_resolution_config`.
    pub untyped: Option<&'m DnsResolutionConfig>,
    /// `dns_resolvers`.
    pub servers: &'m [ResolverAddress],
    /// `use_tcp_for_dns_lookups`.
    pub tcp_only: bool,
}

impl ResolverFields<'_> {
    /// The resolver that they choose; none if they do not.
    ///
    /// # Errors
    /// [`Refused`] when it is not supported or cannot be used.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
        let settings = match (self.typed, self.untyped) {
            (Some(typed), _) => typed.compile(ctx)?,
            (None, Some(untyped)) => {
                let options = untyped.dns_resolver_options.as_ref();
                ResolverSettings::Servers(asked(&untyped.resolvers, options, ctx)?)
            }
            (None, None) if self.servers.is_empty() && !self.tcp_only => return Ok(None),
            (None, None) => ResolverSettings::Servers(ServerSettings {
                tcp_only: self.tcp_only,
                ..asked(self.servers, None, ctx)?
            }),
        };
        Ok(Some(Arc::new(settings)))
    }
}

/// Puts what may stand in `typed_dns_resolver_config` on the table.
pub fn support(table: &mut SupportTable) {
    Cares::support(table);
    GetAddrInfo::support(table);
}

impl DnsResolverExtension {
    fn compile(&self, ctx: &mut Ctx) -> Result<ResolverSettings, Refused> {
        let any = &self.typed_config;
        match any.type_name() {
            CARES => any.decode::<Cares>(ctx)?.compile(ctx),
            SYSTEM => {
                let config: GetAddrInfo = any.decode(ctx)?;
                Ok(ResolverSettings::System {
                    tries: config.num_retries.map(|retries| retries.saturating_add(1)),
                })
            }
            other => {
                let what = format!("DNS resolver `{other}`");
                Err(ctx.unsupported_here(any.span, what))
            }
        }
    }
}

impl Cares {
    fn compile(&self, ctx: &mut Ctx) -> Result<ResolverSettings, Refused> {
        let plain = ServerSettings::default();
        let bytes = self.edns0_max_payload_size;
        Ok(ResolverSettings::Servers(ServerSettings {
            are_fallback: self.use_resolvers_as_fallback,
            timeout: self
                .query_timeout_seconds
                .map_or(plain.timeout, Duration::from_secs),
            tries: self.query_tries.unwrap_or(plain.tries),
            rotate: self.rotate_nameservers,
            // The API's rules allow no larger one.
            edns0_max_payload_bytes: bytes.and_then(|bytes| u16::try_from(bytes).ok()),
            ..asked(&self.resolvers, self.dns_resolver_options.as_ref(), ctx)?
        }))
    }
}

fn asked(
    servers: &[ResolverAddress],
    options: Option<&DnsResolverOptions>,
    ctx: &mut Ctx,
) -> Result<ServerSettings, Refused> {
    let mut settings = ServerSettings::default();
    if let Some(options) = options {
        settings.tcp_only = options.use_tcp_for_dns_lookups;
        settings.no_search = options.no_default_search_domain;
    }
    for server in servers {
        let ResolverAddressKind::SocketAddress(server) = &server.address;
        let ResolverPort::Value(port) = server.port_specifier;
        let Ok(address) = server.address.value.parse::<IpAddr>() else {
            let text = format!("malformed IP address: {}", server.address.value);
            ctx.error(server.address.span, text);
            return Err(Refused);
        };
        // The API's rules allow no larger one.
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        settings.servers.push(SocketAddr::new(address, port));
    }
    Ok(settings)
}
