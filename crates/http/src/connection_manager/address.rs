//! Who the client is: `x-forwarded-for`, trusted hops and internal addresses.

use std::net::IpAddr;

use nuncio_contract::headers::{HeaderMap, Known};

/// Address ranges, by prefix.
#[derive(Clone, Debug)]
pub struct AddressRanges(Vec<(IpAddr, u32)>);

impl AddressRanges {
    /// Ranges from `(address, prefix length)` pairs.
    pub fn new(ranges: Vec<(IpAddr, u32)>) -> Self {
        AddressRanges(ranges)
    }

    /// RFC 1918, loopback and unique local addresses: what Envoy takes for internal by default.
    pub fn private() -> Self {
        let v4 = |a, b, c, d| IpAddr::from([a, b, c, d]);
        AddressRanges(vec![
            (v4(10, 0, 0, 0), 8),
            (v4(172, 16, 0, 0), 12),
            (v4(192, 168, 0, 0), 16),
            (v4(127, 0, 0, 0), 8),
            (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0]), 8),
            (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128),
        ])
    }

    /// Whether a range holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|(base, prefix_len)| match (base, address) {
                (IpAddr::V4(base), IpAddr::V4(address)) => same_prefix(
                    u128::from(base.to_bits()) << 96,
                    u128::from(address.to_bits()) << 96,
                    *prefix_len,
                ),
                (IpAddr::V6(base), IpAddr::V6(address)) => {
                    same_prefix(base.to_bits(), address.to_bits(), *prefix_len)
                }
                _ => false,
            })
    }
}

fn same_prefix(a: u128, b: u128, prefix_len: u32) -> bool {
    prefix_len == 0
        || (a ^ b)
            .checked_shr(128_u32.saturating_sub(prefix_len))
            .unwrap_or(0)
            == 0
}

/// The address that stands `hops_from_the_end` before the last one of `x-forwarded-for`, and whether it was
/// the only one.
pub fn last_forwarded(headers: &HeaderMap, hops_from_the_end: u32) -> Option<(IpAddr, bool)> {
    let value = headers.get(Known::XForwardedFor)?;
    let mut from_the_end = value.rsplit(|byte| *byte == b',');
    let wanted = from_the_end.nth(usize::try_from(hops_from_the_end).ok()?)?;
    let text = std::str::from_utf8(wanted).ok()?.trim();
    let address = text.parse::<IpAddr>().ok()?;
    let alone = !value.contains(&b',');
    Some((address, alone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ranges_are_internal_and_others_are_not() {
        let ranges = AddressRanges::private();
        for internal in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.9.9",
            "127.0.0.1",
            "::1",
            "fd12::1",
        ] {
            assert!(
                ranges.contains(internal.parse().expect("an address")),
                "{internal}"
            );
        }
        for external in ["11.0.0.1", "172.32.0.1", "8.8.8.8", "2001:db8::1", "::2"] {
            assert!(
                !ranges.contains(external.parse().expect("an address")),
                "{external}"
            );
        }
    }
}
