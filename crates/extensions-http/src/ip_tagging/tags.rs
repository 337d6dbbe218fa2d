//! Tags by address: for each length of prefix that is in use a table of the prefixes of that length, so that a look-up
//! costs as many hashes as there are lengths. IPv4 addresses in IPv6 are addresses of IPv6, as in Envoy.

use std::collections::HashMap;
use std::net::IpAddr;

use nuncio_config::span::Span;
use nuncio_contract::matching::{CidrRange, WrittenRange};

use super::config::IpTag;

/// The tags of all ranges.
#[derive(Default)]
pub(super) struct Tags {
    /// Each once, in the order of the config.
    pub(super) names: Box<[Box<str>]>,
    v4: Vec<Level>,
    v6: Vec<Level>,
}

/// The prefixes of one length, with indices of names.
struct Level {
    mask: u128,
    prefixes: HashMap<u128, Vec<usize>>,
}

impl Tags {
    /// Compiles; of what is wrong, where and why.
    pub(super) fn compile(tags: &[IpTag]) -> Result<Self, (Span, String)> {
        let mut all = Tags::default();
        let mut names: Vec<Box<str>> = Vec::new();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for tag in tags {
            let name = tag.ip_tag_name.as_str();
            let number = *numbers.entry(name).or_insert(names.len());
            if number == names.len() {
                names.push(name.into());
            }
            for range in &tag.ip_list {
                all.add(range, number)?;
            }
        }
        all.names = names.into();
        Ok(all)
    }

    fn add(&mut self, range: &CidrRange, number: usize) -> Result<(), (Span, String)> {
        let (address, bits) = (range.address(), range.prefix_bits());
        let base = address.value.parse::<IpAddr>().map_err(|_| {
            let written = &address.value;
            let text =
                format!("invalid ip/mask combo '{written}/{bits}' (format is <ip>/<# mask bits>)");
            (address.span, text)
        })?;
        let (base, width) = number_of(base);
        let mask = match width - bits.min(width) {
            128 => 0,
            rest => u128::MAX << rest,
        };
        let levels = match width {
            32 => &mut self.v4,
            _ => &mut self.v6,
        };
        let at = match levels.iter().position(|level| level.mask == mask) {
            Some(at) => at,
            None => {
                levels.push(Level {
                    mask,
                    prefixes: HashMap::new(),
                });
                levels.len() - 1
            }
        };
        if let Some(level) = levels.get_mut(at) {
            let known = level.prefixes.entry(base & mask).or_default();
            if !known.contains(&number) {
                known.push(number);
            }
        }
        Ok(())
    }

    /// The indices of an address's tags, ordered.
    pub(super) fn of(&self, address: IpAddr) -> Vec<usize> {
        let (address, width) = number_of(address);
        let levels = match width {
            32 => &self.v4,
            _ => &self.v6,
        };
        let found = levels
            .iter()
            .filter_map(|level| level.prefixes.get(&(address & level.mask)));
        let mut found: Vec<usize> = found.flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// An address as a number, and how many bits it has.
fn number_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}
