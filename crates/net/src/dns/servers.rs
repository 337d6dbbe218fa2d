//! Names by servers, over UDP and TCP.
//!
//! The messages are a library's; which servers are asked, in which order and how often is said here, with the
//! defaults of Envoy's c-ares: 5 s an answer, 4 tries, the servers in their order. A name that is not FQDN is looked
//! for in the hosts file, then as the system's search list says.

use std::cell::RefCell;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Instant, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::read_system_conf;
use nuncio_contract::dns_resolver::ServerSettings;
use nuncio_contract::stats::groups::DnsResolverStats;

use super::{Answer, DnsError, Version, both};

const DNS_PORT: u16 = 53;
/// What names and servers of the system depend on.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Servers and how they are asked.
pub struct Servers {
    settings: ServerSettings,
    opened: RefCell<Option<Opened>>,
}

struct Opened {
    v4: TokioResolver,
    v6: TokioResolver,
    /// What the files were when they were read.
    files: [Option<(u64, SystemTime)>; 2],
}

impl Servers {
    pub(super) fn new(settings: ServerSettings) -> Self {
        Servers {
            settings,
            opened: RefCell::new(None),
        }
    }

    /// The addresses of one version. Counts the question and what became of it.
    pub(super) async fn ask(
        &self,
        name: &str,
        version: Version,
        stats: &DnsResolverStats,
    ) -> Result<Answer, DnsError> {
        stats.resolve_total.inc();
        let answer = self.ask_uncounted(name, version).await;
        self.count(answer, stats)
    }

    /// The addresses of both versions, which is one question as in Envoy.
    pub(super) async fn ask_both(
        &self,
        name: &str,
        stats: &DnsResolverStats,
    ) -> Result<Answer, DnsError> {
        stats.resolve_total.inc();
        let ask = |version| self.ask_uncounted(name, version);
        let (v4, v6) = tokio::join!(ask(Version::V4), ask(Version::V6));
        self.count(both(v4, v6), stats)
    }

    fn count(
        &self,
        answer: Result<Answer, Failed>,
        stats: &DnsResolverStats,
    ) -> Result<Answer, DnsError> {
        match &answer {
            Ok(answer) if answer.addresses.is_empty() => stats.not_found.inc(),
            Ok(_) => {}
            Err(failed) => {
                match failed.timed_out {
                    true => stats.timeouts.inc(),
                    false => {
                        // Whoever fails may do so because of what was agreed with it.
                        self.opened.replace(None);
                        stats.reinits.inc();
                    }
                }
                stats.get_addr_failure.inc();
            }
        }
        answer.map_err(|failed| failed.error)
    }

    async fn ask_uncounted(&self, name: &str, version: Version) -> Result<Answer, Failed> {
        let resolver = self.resolver(version)?;
        // Names of hosts are taken as they are: there are hosts with underscores in their names.
        let name = Name::from_ascii(name).map_err(|error| Failed::because(&error))?;
        match resolver.lookup_ip(name).await {
            Ok(lookup) => Ok(Answer {
                addresses: lookup.iter().collect(),
                ttl: lookup.valid_until().checked_duration_since(Instant::now()),
                has_no_such_name: false,
            }),
            Err(error) if error.is_no_records_found() => Ok(Answer {
                has_no_such_name: error.is_nx_domain(),
                ..Answer::default()
            }),
            Err(error) => Err(Failed {
                timed_out: matches!(error, NetError::Timeout),
                error: DnsError::new(&in_words(&error)),
            }),
        }
    }

    fn resolver(&self, version: Version) -> Result<TokioResolver, Failed> {
        let files = FILES.map(state);
        let mut opened = self.opened.borrow_mut();
        let of = |opened: &Opened| match version {
            Version::V4 => opened.v4.clone(),
            Version::V6 => opened.v6.clone(),
        };
        if let Some(opened) = opened.as_ref().filter(|opened| opened.files == files) {
            return Ok(of(opened));
        }
        let (config, options) = self.configuration();
        let open = |strategy| {
            let provider = TokioRuntimeProvider::default();
            let mut builder = TokioResolver::builder_with_config(config.clone(), provider);
            *builder.options_mut() = ResolverOpts::clone(&options);
            builder.options_mut().ip_strategy = strategy;
            builder.build().map_err(|error| Failed::because(&error))
        };
        let fresh = Opened {
            v4: open(LookupIpStrategy::Ipv4Only)?,
            v6: open(LookupIpStrategy::Ipv6Only)?,
            files,
        };
        Ok(of(opened.insert(fresh)))
    }

    fn configuration(&self) -> (ResolverConfig, ResolverOpts) {
        let settings = &self.settings;
        let (system, mut options) = read_system_conf().unwrap_or_default();
        let (domain, search, system_servers) = system.into_parts();
        let is_overriding = !settings.are_fallback || system_servers.is_empty();
        let servers = match !settings.servers.is_empty() && is_overriding {
            true => settings.servers.clone(),
            false if system_servers.is_empty() => {
                vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT)]
            }
            false => system_servers
                .iter()
                .map(|server| at(server.ip, server))
                .collect(),
        };
        let servers = servers.into_iter().map(|server| self.server(server));
        let config = match settings.no_search {
            true => ResolverConfig::from_parts(None, Vec::new(), servers.collect()),
            false => ResolverConfig::from_parts(domain, search, servers.collect()),
        };
        options.use_hosts_file = ResolveHosts::Always;
        options.cache_size = 0;
        options.num_concurrent_reqs = 1;
        options.timeout = settings.timeout;
        options.attempts =
            usize::try_from(settings.tries).map_or(usize::MAX, |tries| tries.saturating_sub(1));
        options.server_ordering_strategy = match settings.rotate {
            true => ServerOrderingStrategy::RoundRobin,
            false => ServerOrderingStrategy::UserProvidedOrder,
        };
        options.edns0 = settings.edns0_max_payload_bytes.is_some();
        if let Some(bytes) = settings.edns0_max_payload_bytes {
            options.edns_payload_len = bytes;
        }
        (config, options)
    }

    fn server(&self, address: SocketAddr) -> NameServerConfig {
        let port = match address.port() {
            0 => DNS_PORT,
            port => port,
        };
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = port;
            connection
        };
        let mut connections = Vec::with_capacity(2);
        if !self.settings.tcp_only {
            connections.push(at_port(ConnectionConfig::udp()));
        }
        connections.push(at_port(ConnectionConfig::tcp()));
        // That a name is not there is believed, as c-ares does; another server is not asked.
        NameServerConfig::new(address.ip(), true, connections)
    }
}

/// Why there is no answer.
struct Failed {
    error: DnsError,
    timed_out: bool,
}

impl Failed {
    fn because(error: &dyn std::fmt::Display) -> Self {
        Failed {
            error: DnsError::new(&error.to_string()),
            timed_out: false,
        }
    }
}

/// In the words of c-ares, which logs and answers of Envoy show.
fn in_words(error: &NetError) -> String {
    let text = match error {
        NetError::Timeout => "Timeout while contacting DNS servers",
        NetError::NoConnections | NetError::Io(_) => "Could not contact DNS servers",
        NetError::Proto(_) => "Misformatted DNS reply",
        NetError::Dns(hickory_resolver::net::DnsError::ResponseCode(code)) => match code {
            ResponseCode::FormErr => "DNS server claims query was misformatted",
            ResponseCode::ServFail => "DNS server returned general failure",
            ResponseCode::NotImp => "DNS server does not implement requested operation",
            ResponseCode::Refused => "DNS server refused query",
            _ => return error.to_string(),
        },
        _ => return error.to_string(),
    };
    text.to_owned()
}

fn at(ip: IpAddr, server: &NameServerConfig) -> SocketAddr {
    let port = server
        .connections
        .first()
        .map_or(DNS_PORT, |connection| connection.port);
    SocketAddr::new(ip, port)
}

fn state(path: &str) -> Option<(u64, SystemTime)> {
    let file = fs::metadata(path).ok()?;
    Some((file.len(), file.modified().ok()?))
}
