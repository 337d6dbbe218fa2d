//! The names that are answered here.
//!
//! As in Envoy names are kept by their last two labels, and a query whose two are there is one for a known domain,
//! whether its name is there or not; services are kept only where there is an address or a cluster below the same two
//! labels before them. `*.` is what is below a name at any depth, and the longest one counts; its `answer_ttl` does
//! not (300 s). With `case_insensitive` names are kept and looked up in lower case, those of clusters aside.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use nuncio_config::typed::{Ctx, Refused};

use super::config::{
    AddressList, DnsService, DnsTable, EndpointKind, ProtocolKind, ServiceTarget, TargetKind,
};

pub(super) const DEFAULT_TTL_S: u32 = 300;

/// What a name stands for.
pub(super) enum Endpoint {
    Addresses(Vec<IpAddr>),
    Cluster(Box<str>),
    Service(Service),
}

/// A service.
pub(super) struct Service {
    pub(super) ttl_s: u32,
    /// Their names, each once.
    pub(super) targets: Vec<Target>,
}

/// Where a service is.
pub(super) struct Target {
    pub(super) name: Box<str>,
    pub(super) is_cluster: bool,
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
}

/// The names.
#[derive(Default)]
pub(super) struct Table {
    /// By the last two labels of names, and by names.
    domains: HashMap<Box<str>, HashMap<Box<str>, Endpoint>>,
    ttls_s: HashMap<Box<str>, u32>,
    /// Whether names have no case.
    folds: bool,
}

impl Table {
    pub(super) fn compile(message: &DnsTable, folds: bool, ctx: &mut Ctx) -> Result<Self, Refused> {
        let mut table = Table {
            folds,
            ..Table::default()
        };
        let mut is_sound = true;
        for domain in &message.virtual_domains {
            let whole = table.folded(&domain.name);
            let name = whole.strip_prefix('*');
            let name = name.filter(|rest| rest.starts_with('.'));
            let name = name.unwrap_or(&whole);
            match domain.endpoint.as_ref().map(|it| &it.endpoint_config) {
                Some(EndpointKind::Addresses(list)) => match addresses(list, ctx) {
                    Ok(addresses) => table.add_addresses(name, addresses),
                    Err(Refused) => is_sound = false,
                },
                Some(EndpointKind::Services(list)) => {
                    for service in &list.services {
                        table.add_service(suffix(name), &whole, service);
                    }
                }
                Some(EndpointKind::Cluster(cluster)) => {
                    let of_suffix = table.domains.entry(suffix(name).into()).or_default();
                    let cluster = Endpoint::Cluster(cluster.as_str().into());
                    of_suffix.entry(name.into()).or_insert(cluster);
                }
                None => {}
            }
            let ttl = domain.answer_ttl.map(|ttl| seconds(ttl.as_secs()));
            let ttl_s = ttl.unwrap_or(DEFAULT_TTL_S);
            table.ttls_s.entry(name.into()).or_insert(ttl_s);
        }
        is_sound.then_some(table).ok_or(Refused)
    }

    fn add_addresses(&mut self, name: &str, mut addresses: Vec<IpAddr>) {
        let of_suffix = self.domains.entry(suffix(name).into()).or_default();
        match of_suffix.get_mut(name) {
            Some(Endpoint::Addresses(known)) => known.append(&mut addresses),
            Some(_) => {}
            None => drop(of_suffix.insert(name.into(), Endpoint::Addresses(addresses))),
        }
    }

    fn add_service(&mut self, suffix: &str, domain: &str, service: &DnsService) {
        let protocol = service.protocol.as_ref().map(|it| &it.protocol_config);
        let protocol = match protocol {
            Some(ProtocolKind::Name(name)) if !name.is_empty() => name,
            Some(ProtocolKind::Number(6)) => "tcp",
            Some(ProtocolKind::Number(17)) => "udp",
            _ => return,
        };
        let Some(of_suffix) = self.domains.get_mut(suffix) else {
            return;
        };
        let lined = |part: &str| match part.starts_with('_') {
            true => part.to_owned(),
            false => format!("_{part}"),
        };
        let (service_name, protocol) = (lined(&service.service_name), lined(protocol));
        let name = format!("{service_name}.{protocol}.{domain}");
        let name: Box<str> = folded(&name, self.folds).into();
        let mut targets: Vec<Target> = Vec::new();
        for target in service.targets.iter().map(|it| target(it, self.folds)) {
            if targets.iter().all(|known| known.name != target.name) {
                targets.push(target);
            }
        }
        let compiled = Service {
            ttl_s: service.ttl.map_or(0, |ttl| seconds(ttl.as_secs())),
            targets,
        };
        of_suffix.entry(name).or_insert(Endpoint::Service(compiled));
    }

    fn folded<'n>(&self, name: &'n str) -> Cow<'n, str> {
        folded(name, self.folds)
    }

    /// Whether there are names with the same last two labels.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.domains.contains_key(suffix(&self.folded(name)))
    }

    /// What a name stands for: itself, or the longest that it is below.
    pub(super) fn find(&self, name: &str) -> Option<&Endpoint> {
        let name = &*self.folded(name);
        let of_suffix = self.domains.get(suffix(name))?;
        if let Some(found) = of_suffix.get(name) {
            return Some(found);
        }
        let mut rests = name
            .char_indices()
            .filter(|(at, char)| *at > 0 && *char == '.');
        rests.find_map(|(at, _)| of_suffix.get(name.get(at..)?))
    }

    /// The addresses of a name.
    pub(super) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        match self.find(name)? {
            Endpoint::Addresses(addresses) => Some(addresses),
            _ => None,
        }
    }

    /// How long what is said of a name holds.
    pub(super) fn ttl_s(&self, name: &str) -> u32 {
        self.ttls_s
            .get(&*self.folded(name))
            .copied()
            .unwrap_or(DEFAULT_TTL_S)
    }
}

/// The name as it is kept.
fn folded(name: &str, folds: bool) -> Cow<'_, str> {
    match folds {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

fn seconds(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The last two labels.
fn suffix(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').skip(1);
    let second = dots.next().and_then(|(at, _)| name.get(at + 1..));
    second.unwrap_or(name)
}

fn addresses(list: &AddressList, ctx: &mut Ctx) -> Result<Vec<IpAddr>, Refused> {
    let mut addresses = Vec::new();
    for text in &list.address {
        match text.value.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => {
                let words = format!("malformed IP address: {}", text.value);
                ctx.error(text.span, words);
            }
        }
    }
    (addresses.len() == list.address.len())
        .then_some(addresses)
        .ok_or(Refused)
}

fn target(message: &ServiceTarget, folds: bool) -> Target {
    // The rules of the API keep them below that.
    let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let (name, is_cluster) = match &message.endpoint_type {
        TargetKind::Host(name) => (folded(name, folds), false),
        TargetKind::Cluster(name) => (name.into(), true),
    };
    Target {
        name: name.into(),
        is_cluster,
        priority: number(message.priority),
        weight: number(message.weight),
        port: number(message.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_by_their_last_two_labels() {
        assert_eq!(suffix("a.b.c.d"), "c.d");
        assert_eq!(suffix("c.d"), "c.d");
        assert_eq!(suffix("d"), "d");
        assert_eq!(suffix(""), "");
    }

    #[test]
    fn the_longest_name_that_one_is_below_counts() {
        let mut table = Table::default();
        let ip = |last: u8| vec![IpAddr::from([192, 0, 2, last])];
        table.add_addresses(".a.test", ip(1));
        table.add_addresses(".b.a.test", ip(2));
        table.add_addresses("c.a.test", ip(3));
        table.add_addresses("c.a.test", ip(4));
        let found = |name| table.addresses(name).map(<[_]>::to_vec);
        assert_eq!(found("x.a.test"), Some(ip(1)));
        assert_eq!(found("x.b.a.test"), Some(ip(2)));
        assert_eq!(found("y.x.b.a.test"), Some(ip(2)));
        assert_eq!(found("c.a.test"), Some([ip(3), ip(4)].concat()));
        assert_eq!(found("a.test"), None);
        assert_eq!(found("A.A.test"), None);
        assert!(table.knows("other.a.test") && !table.knows("b.test"));
    }

    #[test]
    fn names_may_have_no_case() {
        let mut table = Table {
            folds: true,
            ..Table::default()
        };
        table.add_addresses("a.test", vec![IpAddr::from([192, 0, 2, 1])]);
        assert!(table.addresses("A.tEst").is_some());
    }
}
