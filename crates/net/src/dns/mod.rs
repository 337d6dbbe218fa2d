//! Names to addresses, by servers ([`servers`]) or by the system's own function ([`system`]).
//!
//! Runs on the main thread's runtime; workers never resolve. Answers are not cached here: who asks decides
//! when to ask again. Follows Envoy's `DnsResolver` over c-ares: a name that exists without addresses of the
//! family, or does not exist, is an empty answer and no error; each family is asked for by itself and counted
//! (`dns.cares.*`). IP addresses resolve to themselves. `/etc/hosts` and `/etc/resolv.conf` are read again when they
//! are others than before.

mod servers;
mod system;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::dns_resolver::{ChosenResolver, ResolverSettings};
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::DnsResolverStats;

use servers::Servers;

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

/// One version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V4,
    V6,
}

impl LookupFamily {
    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::V4Only => address.is_ipv4(),
            Self::V6Only => address.is_ipv6(),
            _ => true,
        }
    }

    /// What is asked for first, and what if that has no addresses.
    fn in_turn(self) -> (Version, Option<Version>) {
        match self {
            Self::Auto => (Version::V6, Some(Version::V4)),
            Self::V4Only => (Version::V4, None),
            Self::V6Only => (Version::V6, None),
            Self::V4Preferred | Self::All => (Version::V4, Some(Version::V6)),
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

/// The resolvers of a process, one for all who have the same settings. Not `Send`.
pub struct Resolvers {
    process: ResolverSettings,
    stats: StatsStore,
    made: RefCell<HashMap<ResolverSettings, Rc<Resolver>>>,
}

impl Resolvers {
    /// None made yet. `process` is for who has no settings.
    pub fn new(process: &ChosenResolver, stats: &StatsStore) -> Self {
        Resolvers {
            process: process.as_deref().cloned().unwrap_or_default(),
            stats: stats.clone(),
            made: RefCell::default(),
        }
    }

    /// The resolver with these settings. The first one lists `dns.cares.*`, as in Envoy.
    pub fn find(&self, settings: &ChosenResolver) -> Rc<Resolver> {
        let settings = settings.as_deref().unwrap_or(&self.process);
        if let Some(made) = self.made.borrow().get(settings) {
            return Rc::clone(made);
        }
        let resolver = Rc::new(match settings {
            ResolverSettings::Servers(servers) => Resolver::Servers {
                servers: Box::new(Servers::new(servers.clone())),
                stats: self.stats.root().worker_group(),
            },
            ResolverSettings::System { tries } => Resolver::System { tries: *tries },
        });
        let made = Rc::clone(&resolver);
        self.made.borrow_mut().insert(settings.clone(), made);
        resolver
    }
}

/// Resolves names. Needs a tokio runtime; not `Send`.
pub enum Resolver {
    /// By asking servers.
    Servers {
        /// The servers.
        servers: Box<Servers>,
        /// What it counts.
        stats: Arc<DnsResolverStats>,
    },
    /// By asking the system.
    System {
        /// How often; none for as often as it takes.
        tries: Option<u32>,
    },
}

/// A query that is under way is counted for as long as this lives.
struct Pending<'s>(&'s DnsResolverStats);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending_resolutions.dec();
    }
}

impl Resolver {
    /// The addresses of `name`.
    ///
    /// # Errors
    /// No server answered, or the system's configuration is unusable.
    pub async fn resolve(&self, name: &str, family: LookupFamily) -> Result<Answer, DnsError> {
        self.resolve_holding(name, family, ()).await
    }

    /// Whether looking up goes on once nobody waits for it any more.
    pub fn runs_on(&self) -> bool {
        matches!(self, Resolver::System { .. })
    }

    /// The same; `held` lives as long as anything is done for it, also once nobody waits for it any more.
    ///
    /// # Errors
    /// As for [`Resolver::resolve`].
    pub async fn resolve_holding(
        &self,
        name: &str,
        family: LookupFamily,
        held: impl Clone + Send + 'static,
    ) -> Result<Answer, DnsError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.literal(address, family);
        }
        match self {
            Resolver::Servers { servers, stats } => {
                stats.pending_resolutions.inc();
                let _pending = Pending(stats);
                let ask = |version| servers.ask(name, version, stats);
                match (family, family.in_turn()) {
                    (LookupFamily::All, _) => servers.ask_both(name, stats).await,
                    (_, (first, second)) => {
                        let answer = ask(first).await;
                        match (answer, second) {
                            (Ok(answer), _) if !answer.addresses.is_empty() => Ok(answer),
                            (_, Some(second)) => ask(second).await,
                            (answer, None) => answer,
                        }
                    }
                }
            }
            Resolver::System { tries } => system::ask(name, family, *tries, held).await,
        }
    }
}

impl Resolver {
    /// An address in the place of a name is its own answer. As in Envoy, servers' questions are counted for it all the
    /// same: one of version 4 answers any, one of version 6 none for version 4 alone.
    fn literal(&self, address: IpAddr, family: LookupFamily) -> Result<Answer, DnsError> {
        let is_answer = match self {
            Resolver::System { .. } => family.admits(address),
            Resolver::Servers { stats, .. } => {
                stats.resolve_total.inc();
                let fails_first = address.is_ipv6()
                    && matches!(family, LookupFamily::V4Only | LookupFamily::V4Preferred);
                if fails_first {
                    stats.get_addr_failure.inc();
                    if family == LookupFamily::V4Only {
                        return Err(DnsError::new("an address of another version"));
                    }
                    stats.resolve_total.inc();
                }
                true
            }
        };
        Ok(Answer {
            addresses: is_answer.then_some(address).into_iter().collect(),
            ..Answer::default()
        })
    }
}

/// The answers of both versions as one, which fails if both do.
fn both<E>(first: Result<Answer, E>, second: Result<Answer, E>) -> Result<Answer, E> {
    match (first, second) {
        (Ok(mut first), Ok(second)) => {
            first.addresses.extend(second.addresses);
            first.ttl = [first.ttl, second.ttl].into_iter().flatten().min();
            first.has_no_such_name &= second.has_no_such_name;
            Ok(first)
        }
        (Ok(answer), Err(_)) | (Err(_), Ok(answer)) => Ok(answer),
        (Err(error), Err(_)) => Err(error),
    }
}
