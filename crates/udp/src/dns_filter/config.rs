//! The messages of the DNS filter, compiled once and shared by the workers.

use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned, read_beside};
use nuncio_config::{message, one_of};
use nuncio_contract::dns_resolver::{
    ChosenResolver, DnsResolutionConfig, DnsResolverExtension, ResolverFields, ResolverSettings,
    ServerSettings,
};
use nuncio_contract::stats::{Scope, StatsStore};

use super::MESSAGE;
use super::stats::DnsFilterStats;
use super::table::Table;

const DEFAULT_RESOLVER_TIMEOUT: Duration = Duration::from_millis(500);
const LARGEST_TABLE_BYTES: u64 = 64 << 20;
const TABLE: &str = "envoy.data.dns.v3.DnsTable";

message! {
    /// The filter's config. `access_log` is not there.
    pub struct DnsFilterMessage: "envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig" {
        stat_prefix: String,
        server_config: Option<ServerConfig>,
        client_config: Option<ClientConfig>,
        case_insensitive: bool,
    }
}

message! {
    /// What is answered here.
    pub(super) struct ServerConfig: "envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig.ServerContextConfig" {
        oneof config_source: TableSource,
    }
}

one_of! {
    /// Where the table is.
    pub(super) enum TableSource {
        inline_dns_table => Inline(DnsTable),
        external_dns_table => External(TableFile),
    }
}

message! {
    /// A file with the table; Envoy reads no other source.
    pub(super) struct TableFile: "envoy.config.core.v3.DataSource" {
        filename: Spanned<String>,
    }
}

message! {
    /// Who else is asked.
    pub(super) struct ClientConfig: "envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig.ClientContextConfig" {
        resolver_timeout: Option<Duration>,
        inert upstream_resolvers = "Envoy does not read it either",
        dns_resolution_config: Option<DnsResolutionConfig>,
        typed_dns_resolver_config: Option<DnsResolverExtension>,
        max_pending_lookups: u64,
    }
}

message! {
    /// Names.
    pub(super) struct DnsTable: "envoy.data.dns.v3.DnsTable" {
        pub(super) external_retry_count: u32,
        pub(super) virtual_domains: Vec<VirtualDomain>,
        inert known_suffixes = "Envoy does not read it any more",
    }
}

message! {
    /// A name, or those below one.
    pub(super) struct VirtualDomain: "envoy.data.dns.v3.DnsTable.DnsVirtualDomain" {
        pub(super) name: String,
        pub(super) endpoint: Option<DnsEndpoint>,
        pub(super) answer_ttl: Option<Duration>,
    }
}

message! {
    /// What a name stands for.
    pub(super) struct DnsEndpoint: "envoy.data.dns.v3.DnsTable.DnsEndpoint" {
        pub(super) oneof endpoint_config: EndpointKind,
    }
}

one_of! {
    /// What a name stands for.
    pub(super) enum EndpointKind {
        address_list => Addresses(AddressList),
        cluster_name => Cluster(String),
        service_list => Services(ServiceList),
    }
}

message! {
    /// Addresses.
    pub(super) struct AddressList: "envoy.data.dns.v3.DnsTable.AddressList" {
        pub(super) address: Vec<Spanned<String>>,
    }
}

message! {
    /// Services below a domain.
    pub(super) struct ServiceList: "envoy.data.dns.v3.DnsTable.DnsServiceList" {
        pub(super) services: Vec<DnsService>,
    }
}

message! {
    /// A service.
    pub(super) struct DnsService: "envoy.data.dns.v3.DnsTable.DnsService" {
        pub(super) service_name: String,
        pub(super) protocol: Option<ServiceProtocol>,
        pub(super) ttl: Option<Duration>,
        pub(super) targets: Vec<ServiceTarget>,
    }
}

message! {
    /// What a service is spoken over.
    pub(super) struct ServiceProtocol: "envoy.data.dns.v3.DnsTable.DnsServiceProtocol" {
        pub(super) oneof protocol_config: ProtocolKind,
    }
}

one_of! {
    /// The same by its name or number.
    pub(super) enum ProtocolKind {
        number => Number(u32),
        name => Name(String),
    }
}

message! {
    /// Where a service is.
    pub(super) struct ServiceTarget: "envoy.data.dns.v3.DnsTable.DnsServiceTarget" {
        pub(super) oneof endpoint_type: TargetKind,
        pub(super) priority: u32,
        pub(super) weight: u32,
        pub(super) port: u32,
    }
}

one_of! {
    /// A name of the table, or a cluster.
    pub(super) enum TargetKind {
        host_name => Host(String),
        cluster_name => Cluster(String),
    }
}

/// The compiled config.
pub struct DnsFilterConfig {
    /// `dns_filter.<stat_prefix>.`
    pub(super) scope: Scope,
    pub(super) table: Table,
    /// Who else is asked, if anybody is.
    pub(super) others: Option<Others>,
}

/// Who is asked for what is not in the table.
pub(super) struct Others {
    pub(super) resolver: ChosenResolver,
    pub(super) timeout: Duration,
    /// How often a question that found no answer in time is asked again.
    pub(super) retries: u32,
    /// How many questions may wait for an answer.
    pub(super) most_pending: u64,
    /// Where resolvers count.
    pub(super) stats: StatsStore,
}

impl DnsFilterConfig {
    /// Compiles the filter's message; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(any: &Any, stats: &StatsStore, ctx: &mut Ctx) -> Result<Self, Refused> {
        debug_assert_eq!(any.type_name(), MESSAGE);
        let message: DnsFilterMessage = any.decode(ctx)?;
        let source = message.server_config.as_ref();
        let read = match source.map(|server| &server.config_source) {
            Some(TableSource::External(file)) => read_table(&file.filename, ctx),
            _ => None,
        };
        let table = match source.map(|server| &server.config_source) {
            Some(TableSource::Inline(table)) => Some(table),
            _ => read.as_ref(),
        };
        let retries = table.map_or(0, |table| table.external_retry_count);
        let folds = message.case_insensitive;
        let table = table.map_or(Ok(Table::default()), |table| {
            Table::compile(table, folds, ctx)
        });
        let others = message.client_config.as_ref();
        let others = others.map(|client| client.compile(retries, stats, ctx));
        let scope = stats.scope(&format!("dns_filter.{}", message.stat_prefix));
        scope.register::<DnsFilterStats>();
        Ok(DnsFilterConfig {
            scope,
            table: table?,
            others: others.transpose()?,
        })
    }
}

impl ClientConfig {
    fn compile(&self, retries: u32, stats: &StatsStore, ctx: &mut Ctx) -> Result<Others, Refused> {
        let fields = ResolverFields {
            typed: self.typed_dns_resolver_config.as_ref(),
            untyped: self.dns_resolution_config.as_ref(),
            ..ResolverFields::default()
        };
        // The resolver of the bootstrap is not for it, as in Envoy.
        let default = || ResolverSettings::Servers(ServerSettings::default()).into();
        Ok(Others {
            resolver: Some(fields.compile(ctx)?.unwrap_or_else(default)),
            timeout: self.resolver_timeout.unwrap_or(DEFAULT_RESOLVER_TIMEOUT),
            retries,
            most_pending: self.max_pending_lookups,
            stats: stats.clone(),
        })
    }
}

/// A table that cannot be read is an empty one, as in Envoy.
fn read_table(path: &Spanned<String>, ctx: &mut Ctx) -> Option<DnsTable> {
    let bytes = ctx.read_file(&path.value, LARGEST_TABLE_BYTES);
    let read = bytes.map_err(|error| error.to_string());
    let read = read.and_then(|bytes| read_beside::<DnsTable>(TABLE, &path.value, bytes));
    match read {
        Ok(table) => Some(table),
        Err(why) => {
            let text = format!("the DNS table `{}` is not used: {why}", path.value);
            ctx.warning(path.span, text);
            None
        }
    }
}
