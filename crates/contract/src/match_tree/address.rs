//! What follows by range of addresses (`xds.type.matcher.v3.IPMatcher`): the longest prefix first, then the order of
//! the configuration. A range that is exclusive counts only if nothing longer was tried before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::HashMap;

/// Values by range.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    values: Box<[T]>,
    /// By the length of the prefix, the longest first.
    by_length: Box<[(u32, Networks)]>,
}

type Networks = HashMap<Network, Vec<Entry>>;

/// The first bits of an address; the rest is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6(u128),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    value: usize,
    exclusive: bool,
}

/// Ranges of one value.
pub(super) struct Range {
    pub(super) address: IpAddr,
    pub(super) prefix_len: u32,
    /// The value's place.
    pub(super) value: usize,
    pub(super) exclusive: bool,
}

impl<T> Ranges<T> {
    pub(super) fn new(values: Vec<T>, ranges: Vec<Range>) -> Self {
        let mut by_length: BTreeMap<u32, Networks> = BTreeMap::new();
        for range in ranges {
            let most = if range.address.is_ipv4() { 32 } else { 128 };
            let length = range.prefix_len.min(most);
            let network = Network::of(range.address, length);
            let entry = Entry {
                value: range.value,
                exclusive: range.exclusive,
            };
            let networks = by_length.entry(length).or_default();
            networks.entry(network).or_default().push(entry);
        }
        Ranges {
            values: values.into(),
            by_length: by_length.into_iter().rev().collect(),
        }
    }

    /// The values of the ranges that hold the address that `text` is, in the order in which they count.
    pub(super) fn of<'t>(&'t self, text: &[u8]) -> impl Iterator<Item = &'t T> + use<'t, T> {
        let text = std::str::from_utf8(text).ok();
        let address: Option<IpAddr> = text.and_then(|text| text.parse().ok());
        let entries = address.into_iter().flat_map(|address| {
            self.by_length.iter().flat_map(move |(length, networks)| {
                let found = networks.get(&Network::of(address, *length));
                found.into_iter().flatten()
            })
        });
        entries
            .enumerate()
            .filter(|(before, entry)| *before == 0 || !entry.exclusive)
            .filter_map(|(_, entry)| self.values.get(entry.value))
    }
}

impl Network {
    fn of(address: IpAddr, length: u32) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length));
                Network::V4(address.to_bits() & mask.unwrap_or(0))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length));
                Network::V6(address.to_bits() & mask.unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str, prefix_len: u32, value: usize, exclusive: bool) -> Range {
        Range {
            address: text.parse().expect("an address"),
            prefix_len,
            value,
            exclusive,
        }
    }

    #[test]
    fn the_longest_prefix_comes_first_and_exclusive_ranges_only_where_nothing_is_longer() {
        let ranges = Ranges::new(
            vec!["all", "ten", "host", "six", "again"],
            vec![
                range("0.0.0.0", 0, 0, false),
                range("10.1.2.3", 8, 1, true),
                range("10.0.0.1", 32, 2, false),
                range("fd00::", 8, 3, false),
                range("10.0.0.0", 8, 4, false),
            ],
        );
        let found = |text: &str| ranges.of(text.as_bytes()).copied().collect::<Vec<_>>();
        assert_eq!(found("10.0.0.1"), ["host", "again", "all"]);
        assert_eq!(found("10.9.9.9"), ["ten", "again", "all"]);
        assert_eq!(found("192.168.0.1"), ["all"]);
        assert_eq!(found("fd00::1"), ["six"]);
        assert!(found("::1").is_empty());
        assert!(found("10.0.0").is_empty());
    }
}
