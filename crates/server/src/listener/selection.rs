//! Which filter chain takes a connection: `filter_chain_match`, and the chain for those that match none.
//!
//! Envoy's order: destination port, destination address, server name, transport protocol, application protocol,
//! direct source address, kind of source, source address, source port. At each step those chains stay whose condition
//! fits best, and a step is never taken back: a chain that fitted best and fails at a later step hands over to none
//! but those that fitted as well. Several values of one condition are alternatives.
//!
//! A listener with one chain without conditions asks nothing. Otherwise each step looks at every chain that is left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::{AddressRanges, CidrRange};

use super::chain_matcher::ChainMatcher;
use crate::config::{FilterChain, FilterChainMatch, SourceType};

/// The transport protocol of a connection that no listener filter knows more of.
const RAW_BUFFER: &str = "raw_buffer";

/// What is known of a connection before it has a filter chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Criteria<'a> {
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) direct_remote: Option<SocketAddr>,
    pub(super) server_name: &'a str,
    /// Empty: none was found out.
    pub(super) transport_protocol: &'a str,
    pub(super) application_protocols: &'a [Vec<u8>],
}

/// The conditions of a listener's chains.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    conditions: Vec<Conditions>,
    /// The place of the chain for those that match none.
    default: Option<usize>,
    /// What decides instead.
    matcher: Option<Box<ChainMatcher>>,
}

/// The conditions of a chain; an empty list is none.
#[derive(Debug, Default)]
struct Conditions {
    destination_port: Option<u32>,
    destination: Vec<Prefix>,
    server_names: Vec<ServerName>,
    transport_protocol: String,
    application_protocols: Vec<String>,
    direct_source: Vec<Prefix>,
    source_type: Option<SourceType>,
    source: Vec<Prefix>,
    source_ports: Vec<u32>,
}

/// An address range, and how many bits of it count.
#[derive(Debug)]
struct Prefix {
    range: AddressRanges,
    base: IpAddr,
    bits: u32,
}

/// A name, or what stands behind a wildcard, with its dot.
#[derive(Debug, PartialEq, Eq)]
enum ServerName {
    Exact(String),
    Suffix(String),
}

impl Selection {
    /// A single chain, which takes everything.
    pub(crate) fn only_one() -> Self {
        Selection {
            conditions: vec![Conditions::default()],
            default: None,
            matcher: None,
        }
    }

    /// A tree decides, whatever the conditions are.
    pub(super) fn by_matcher(matcher: ChainMatcher) -> Self {
        Selection {
            matcher: Some(Box::new(matcher)),
            ..Selection::default()
        }
    }

    /// What decides instead of the conditions.
    pub(super) fn matcher(&self) -> Option<&ChainMatcher> {
        self.matcher.as_deref()
    }

    /// Compiles the conditions of all chains; the default one stands behind them.
    pub(super) fn compile(
        chains: &[FilterChain],
        has_default: bool,
        address: &str,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let compile = |chain: &FilterChain| match &chain.filter_chain_match {
            Some(conditions) => {
                refuse_suffixes(chain, conditions, address, ctx)?;
                Conditions::compile(conditions, ctx)
            }
            None => Ok(Conditions::default()),
        };
        let conditions: Vec<_> = chains.iter().map(compile).collect();
        let conditions: Vec<Conditions> = conditions.into_iter().collect::<Result<_, _>>()?;
        let selection = Selection {
            default: has_default.then_some(conditions.len()),
            conditions,
            matcher: None,
        };
        selection.refuse_overlaps(chains, address, ctx)?;
        Ok(selection)
    }

    /// Two chains that some connection would fit equally well.
    fn refuse_overlaps(
        &self,
        chains: &[FilterChain],
        address: &str,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        let mut sound = Ok(());
        for (place, (later, chain)) in self.conditions.iter().zip(chains).enumerate() {
            let earlier = self.conditions.iter().zip(chains).take(place);
            let mut twins = earlier.filter(|(earlier, _)| earlier.overlaps(later));
            let Some((_, twin)) = twins.next() else {
                continue;
            };
            let span = chain
                .filter_chain_match
                .as_ref()
                .map_or(chain.span(), FilterChainMatch::span);
            let text = format!(
                "error adding listener '{address}': multiple filter chains with overlapping matching rules are defined"
            );
            ctx.error(span, text).note(format!(
                "`{}` and `{}` have a value of each condition in common",
                twin.name, chain.name
            ));
            sound = Err(Refused);
        }
        sound
    }

    /// The place of the chain that takes a connection.
    pub(super) fn find(&self, criteria: &Criteria<'_>) -> Option<usize> {
        if let [only] = self.conditions.as_slice()
            && only.is_empty()
        {
            return Some(0);
        }
        let mut left: Vec<usize> = (0..self.conditions.len()).collect();
        for step in STEPS {
            let fits: Vec<(usize, usize)> = left
                .iter()
                .filter_map(|place| Some((*place, step(self.conditions.get(*place)?, criteria)?)))
                .collect();
            let Some(best) = fits.iter().map(|(_, fit)| *fit).max() else {
                return self.default;
            };
            left.clear();
            let those = fits.iter().filter(|(_, fit)| *fit == best);
            left.extend(those.map(|(place, _)| *place));
        }
        left.first().copied().or(self.default)
    }
}

/// How well a chain's condition fits a connection; none if it does not.
type Step = fn(&Conditions, &Criteria<'_>) -> Option<usize>;

const STEPS: [Step; 9] = [
    |chain, criteria| {
        let port = criteria.local.map(|local| u32::from(local.port()));
        exactly(chain.destination_port.as_ref(), |wanted| {
            Some(*wanted) == port
        })
    },
    |chain, criteria| in_ranges(&chain.destination, criteria.local),
    |chain, criteria| by_name(&chain.server_names, criteria.server_name),
    |chain, criteria| {
        let known = match criteria.transport_protocol {
            "" => RAW_BUFFER,
            known => known,
        };
        match chain.transport_protocol.as_str() {
            "" => Some(0),
            wanted => (wanted == known).then_some(1),
        }
    },
    |chain, criteria| {
        // The client's first choice that any chain has counts.
        let offered = criteria.application_protocols.iter().rev();
        let fits = offered.enumerate().filter(|(_, offered)| {
            let mut wanted = chain.application_protocols.iter();
            wanted.any(|wanted| wanted.as_bytes() == offered.as_slice())
        });
        match chain.application_protocols.is_empty() {
            true => Some(0),
            false => fits.map(|(place, _)| place + 1).max(),
        }
    },
    |chain, criteria| in_ranges(&chain.direct_source, criteria.direct_remote),
    |chain, criteria| {
        exactly(chain.source_type.as_ref(), |wanted| {
            is_local(criteria) == (*wanted == SourceType::SameIpOrLoopback)
        })
    },
    |chain, criteria| in_ranges(&chain.source, criteria.remote),
    |chain, criteria| {
        let port = criteria.remote.map(|remote| u32::from(remote.port()));
        match chain.source_ports.is_empty() {
            true => Some(0),
            false => chain
                .source_ports
                .iter()
                .any(|wanted| Some(*wanted) == port)
                .then_some(1),
        }
    },
];

fn exactly<T>(wanted: Option<&T>, fits: impl Fn(&T) -> bool) -> Option<usize> {
    match wanted {
        None => Some(0),
        Some(wanted) => fits(wanted).then_some(1),
    }
}

/// The longest prefix. What has no IP address counts as having the highest one, as in Envoy.
fn in_ranges(ranges: &[Prefix], address: Option<SocketAddr>) -> Option<usize> {
    if ranges.is_empty() {
        return Some(0);
    }
    let address = address.map_or(Ipv4Addr::BROADCAST.into(), |address| address.ip());
    let holding = ranges.iter().filter(|range| range.range.contains(address));
    let bits = holding.map(|range| range.bits).max()?;
    usize::try_from(bits).ok()
}

/// The whole name, or the longest suffix of whole labels.
fn by_name(names: &[ServerName], asked: &str) -> Option<usize> {
    if names.is_empty() {
        return Some(0);
    }
    let fit = |name: &ServerName| match name {
        ServerName::Exact(name) => (name == asked).then_some(usize::MAX),
        ServerName::Suffix(suffix) => {
            let is_longer = asked.len() > suffix.len();
            (is_longer && asked.ends_with(suffix.as_str())).then_some(suffix.len())
        }
    };
    names.iter().filter_map(fit).max()
}

/// Whether the client is on this machine.
fn is_local(criteria: &Criteria<'_>) -> bool {
    match (criteria.remote, criteria.local) {
        // Of the addresses that never leave the machine only the common one counts, as in Envoy.
        (Some(remote), Some(local)) => {
            remote.ip() == local.ip()
                || remote.ip() == Ipv4Addr::LOCALHOST
                || remote.ip() == Ipv6Addr::LOCALHOST
        }
        // A unix domain socket.
        _ => true,
    }
}

impl Conditions {
    fn compile(message: &FilterChainMatch, ctx: &mut Ctx) -> Result<Self, Refused> {
        let destination = prefixes(&message.prefix_ranges, ctx);
        let direct_source = prefixes(&message.direct_source_prefix_ranges, ctx);
        let source = prefixes(&message.source_prefix_ranges, ctx);
        let server_names = message.server_names.iter().map(|name| {
            match name.strip_prefix('*') {
                // A lone wildcard is no condition at all.
                Some(suffix) => ServerName::Suffix(suffix.to_owned()),
                None => ServerName::Exact(name.clone()),
            }
        });
        Ok(Conditions {
            destination_port: message.destination_port.filter(|port| *port != 0),
            destination: destination?,
            server_names: server_names.collect(),
            transport_protocol: message.transport_protocol.clone(),
            application_protocols: message.application_protocols.clone(),
            direct_source: direct_source?,
            source_type: match message.source_type {
                SourceType::Any => None,
                kind => Some(kind),
            },
            source: source?,
            source_ports: message.source_ports.clone(),
        })
    }

    fn is_empty(&self) -> bool {
        self.destination_port.is_none()
            && self.destination.is_empty()
            && self.server_names.is_empty()
            && self.transport_protocol.is_empty()
            && self.application_protocols.is_empty()
            && self.direct_source.is_empty()
            && self.source_type.is_none()
            && self.source.is_empty()
            && self.source_ports.is_empty()
    }

    /// Whether both have a value of each condition in common.
    fn overlaps(&self, other: &Self) -> bool {
        fn any<T: PartialEq>(one: &[T], other: &[T]) -> bool {
            (one.is_empty() && other.is_empty()) || one.iter().any(|it| other.contains(it))
        }
        self.destination_port == other.destination_port
            && any(&self.destination, &other.destination)
            && any(&self.server_names, &other.server_names)
            && self.transport_protocol == other.transport_protocol
            && any(&self.application_protocols, &other.application_protocols)
            && any(&self.direct_source, &other.direct_source)
            && self.source_type == other.source_type
            && any(&self.source, &other.source)
            && any(&self.source_ports, &other.source_ports)
    }
}

/// Endings of addresses, which the API has and Envoy refuses as well.
fn refuse_suffixes(
    chain: &FilterChain,
    conditions: &FilterChainMatch,
    address: &str,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    if conditions.address_suffix.is_empty() && conditions.suffix_len.is_none() {
        return Ok(());
    }
    let text = format!(
        "error adding listener '{address}': filter chain '{}' contains unimplemented fields",
        chain.name
    );
    ctx.error(conditions.span(), text)
        .suggest("neither `address_suffix` nor `suffix_len` do anything: use `prefix_ranges`");
    Err(Refused)
}

impl PartialEq for Prefix {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits && self.range.contains(other.base)
    }
}

fn prefixes(ranges: &[CidrRange], ctx: &mut Ctx) -> Result<Vec<Prefix>, Refused> {
    let each = ranges.iter().map(|range| {
        let (base, bits) = range.parse(ctx)?;
        Ok(Prefix {
            range: AddressRanges::of([(base, bits)]),
            base,
            bits,
        })
    });
    let each: Vec<_> = each.collect();
    each.into_iter().collect()
}
