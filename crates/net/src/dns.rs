//! Names to addresses, by the system's resolver configuration and its hosts file.
//!
//! Runs on the main thread's runtime; workers never resolve. Answers are not cached here: who asks decides
//! when to ask again. Follows Envoy's `DnsResolver` over c-ares: a name that exists without addresses of the
//! family, or does not exist, is an empty answer and no error. IP addresses resolve to themselves.
//!
//! Different from Envoy: `/etc/hosts` and `/etc/resolv.conf` are read at the first query and then kept.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};

/// IP versions to ask for (`dns_lookup_family`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LookupFamily {
    /// IPv6, or else IPv4.
    #[default]
    Auto,
    /// IPv4.
    V4Only,
    /// IPv6.
    V6Only,
    /// IPv4, or else IPv6.
    V4Preferred,
    /// Both.
    All,
}

impl LookupFamily {
    const COUNT: usize = 5;

    fn strategy(self) -> LookupIpStrategy {
        match self {
            Self::Auto => LookupIpStrategy::Ipv6thenIpv4,
            Self::V4Only => LookupIpStrategy::Ipv4Only,
            Self::V6Only => LookupIpStrategy::Ipv6Only,
            Self::V4Preferred => LookupIpStrategy::Ipv4thenIpv6,
            Self::All => LookupIpStrategy::Ipv4AndIpv6,
        }
    }

    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::V4Only => address.is_ipv4(),
            Self::V6Only => address.is_ipv6(),
            _ => true,
        }
    }
}

/// What a name stands for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Addresses in the order of the answer; empty when there are none.
    pub addresses: Vec<IpAddr>,
    /// How long the answer is good for; `None` when it does not say.
    pub ttl: Option<Duration>,
    /// There is no such name, rather than no address of the family.
    pub has_no_such_name: bool,
}

/// No answer could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsError(Box<str>);

impl DnsError {
    /// An error in these words.
    pub fn new(text: &str) -> Self {
        DnsError(text.into())
    }
}

impl std::error::Error for DnsError {}

impl std::fmt::Display for DnsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Resolves names. Needs a tokio runtime; not `Send`.
#[derive(Default)]
pub struct Resolver {
    by_family: [OnceCell<Result<TokioResolver, DnsError>>; LookupFamily::COUNT],
}

impl Resolver {
    /// The addresses of `name`.
    ///
    /// # Errors
    /// No server answered, or the system's configuration is unusable.
    pub async fn resolve(&self, name: &str, family: LookupFamily) -> Result<Answer, DnsError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            let addresses = if family.admits(address) {
                vec![address]
            } else {
                Vec::new()
            };
            return Ok(Answer {
                addresses,
                ..Answer::default()
            });
        }
        let resolver = match self.by_family.get(family as usize) {
            Some(cell) => cell
                .get_or_init(|| open(family))
                .as_ref()
                .map_err(Clone::clone)?,
            None => return Err(DnsError("no such family".into())),
        };
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
            Err(error) => Err(DnsError(error.to_string().into())),
        }
    }
}

fn open(family: LookupFamily) -> Result<TokioResolver, DnsError> {
    let failed = |error: hickory_resolver::net::NetError| DnsError(error.to_string().into());
    let mut builder = TokioResolver::builder_tokio().map_err(failed)?;
    let options = builder.options_mut();
    options.ip_strategy = family.strategy();
    options.use_hosts_file = ResolveHosts::Always;
    options.cache_size = 0;
    builder.build().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_stands_for_itself() {
        let resolver = Resolver::default();
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let answer = resolver
            .resolve("192.0.2.1", LookupFamily::Auto)
            .await
            .unwrap();
        assert_eq!((answer.addresses, answer.ttl), (vec![v4], None));
        let answer = resolver
            .resolve("192.0.2.1", LookupFamily::V6Only)
            .await
            .unwrap();
        assert_eq!(answer, Answer::default());
    }

    #[tokio::test]
    async fn the_hosts_file_is_asked_first() {
        let resolver = Resolver::default();
        let answer = resolver
            .resolve("localhost", LookupFamily::V4Only)
            .await
            .unwrap();
        assert_eq!(answer.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}
