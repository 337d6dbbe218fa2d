//! `DnsCacheConfig`. Not there, and so refused: `key_value_config`, `disable_dns_refresh_on_failure`.

use std::time::Duration;

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};

use crate::dns_resolver::{
    ChosenResolver, DnsResolutionConfig, DnsResolverExtension, ResolverFields,
};

message! {
    /// A cache of names.
    pub struct DnsCacheConfig: "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig" {
        pub(crate) name: Spanned<String>,
        pub(crate) dns_lookup_family: NameFamily,
        pub(crate) dns_refresh_rate: Option<Duration>,
        pub(crate) dns_min_refresh_rate: Option<Duration>,
        pub(crate) dns_failure_refresh_rate: Option<RefreshRate>,
        pub(crate) host_ttl: Option<Duration>,
        pub(crate) max_hosts: Option<u32>,
        pub(crate) dns_cache_circuit_breaker: Option<DnsCacheCircuitBreakers>,
        pub(crate) dns_query_timeout: Option<Duration>,
        pub(crate) preresolve_hostnames: Vec<PreresolvedName>,
        pub(crate) typed_dns_resolver_config: Option<DnsResolverExtension>,
        pub(crate) dns_resolution_config: Option<DnsResolutionConfig>,
        pub(crate) use_tcp_for_dns_lookups: bool,
    }
}

message! {
    /// How many requests may wait for names.
    pub struct DnsCacheCircuitBreakers: "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers" {
        pub(crate) max_pending_requests: Option<u32>,
    }
}

message! {
    /// Times between tries of a name that could not be resolved.
    pub struct RefreshRate: "envoy.config.cluster.v3.Cluster.RefreshRate" {
        pub(crate) base_interval: Spanned<Duration>,
        pub(crate) max_interval: Option<Duration>,
    }
}

message! {
    /// A name that is resolved before anybody asks.
    pub struct PreresolvedName: "envoy.config.core.v3.SocketAddress" {
        pub(crate) address: String,
        pub(crate) oneof port_specifier: PreresolvedPort,
        inert protocol = "a name is resolved whatever is spoken then",
        inert ipv4_compat = "it concerns sockets that listen",
    }
}

one_of! {
    /// Its port.
    pub enum PreresolvedPort {
        port_value => Value(u32),
    }
}

enumeration! {
    /// IP versions to ask for.
    pub enum NameFamily: "envoy.config.cluster.v3.Cluster.DnsLookupFamily" {
        AUTO => Auto,
        V4_ONLY => V4Only,
        V6_ONLY => V6Only,
        V4_PREFERRED => V4Preferred,
        ALL => All,
    }
}

/// A cache of names, checked, with Envoy's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsCacheSettings {
    /// Its name.
    pub name: Box<str>,
    /// IP versions to ask for.
    pub family: NameFamily,
    /// Time until a name is asked for again that has no address (60 s).
    pub refresh_rate: Duration,
    /// The shortest time until a name is asked for again, whatever its answer says (5 s).
    pub min_refresh_rate: Duration,
    /// Time to the first try after a failure, and the longest: doubled each time. `None`: as `refresh_rate`.
    pub failure_refresh: Option<(Duration, Duration)>,
    /// How long a name stays that nobody uses (5 min).
    pub host_ttl: Duration,
    /// Most names (1024).
    pub max_hosts: usize,
    /// Most requests that wait for names (1024).
    pub max_pending_requests: u32,
    /// Time for an answer (5 s); `None`: as long as the resolver takes.
    pub query_timeout: Option<Duration>,
    /// Who is asked.
    pub resolver: ChosenResolver,
    /// Names that are resolved before anybody asks, with their ports.
    pub preresolved: Vec<(Box<str>, u16)>,
}

impl DnsCacheConfig {
    /// Its settings.
    ///
    /// # Errors
    /// [`Refused`] when they contradict each other.
    pub fn compile(&self, ctx: &mut Ctx) -> Result<DnsCacheSettings, Refused> {
        let max_hosts = self.max_hosts.unwrap_or(1024);
        let names = self.preresolve_hostnames.len();
        if u32::try_from(names).unwrap_or(u32::MAX) > max_hosts {
            let name = &self.name.value;
            let text = format!(
                "DNS Cache [{name}] configured with preresolve_hostnames={names} larger than max_hosts={max_hosts}"
            );
            ctx.error(self.name.span, text);
            return Err(Refused);
        }
        let breaker = self.dns_cache_circuit_breaker.as_ref();
        let timeout = self.dns_query_timeout.unwrap_or(Duration::from_secs(5));
        Ok(DnsCacheSettings {
            name: self.name.value.as_str().into(),
            family: self.dns_lookup_family,
            refresh_rate: self.dns_refresh_rate.unwrap_or(Duration::from_secs(60)),
            min_refresh_rate: self.dns_min_refresh_rate.unwrap_or(Duration::from_secs(5)),
            failure_refresh: match &self.dns_failure_refresh_rate {
                Some(rate) => Some(rate.compile(ctx)?),
                None => None,
            },
            host_ttl: self.host_ttl.unwrap_or(Duration::from_secs(300)),
            max_hosts: usize::try_from(max_hosts).unwrap_or(usize::MAX),
            max_pending_requests: breaker
                .and_then(|breaker| breaker.max_pending_requests)
                .unwrap_or(1024),
            resolver: self.resolver(ctx)?,
            query_timeout: (!timeout.is_zero()).then_some(timeout),
            preresolved: self
                .preresolve_hostnames
                .iter()
                .map(name_and_port)
                .collect(),
        })
    }
}

impl DnsCacheConfig {
    fn resolver(&self, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
        let fields = ResolverFields {
            typed: self.typed_dns_resolver_config.as_ref(),
            untyped: self.dns_resolution_config.as_ref(),
            tcp_only: self.use_tcp_for_dns_lookups,
            ..ResolverFields::default()
        };
        fields.compile(ctx)
    }
}

fn name_and_port(name: &PreresolvedName) -> (Box<str>, u16) {
    let PreresolvedPort::Value(port) = name.port_specifier;
    // The API's rules allow no larger one.
    let port = u16::try_from(port).unwrap_or(u16::MAX);
    (name.address.as_str().into(), port)
}

impl RefreshRate {
    fn compile(&self, ctx: &mut Ctx) -> Result<(Duration, Duration), Refused> {
        let base = &self.base_interval;
        let max = self.max_interval.unwrap_or(base.value * 10);
        if max < base.value {
            let text = "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval";
            ctx.error(base.span, text);
            return Err(Refused);
        }
        Ok((base.value, max))
    }
}
