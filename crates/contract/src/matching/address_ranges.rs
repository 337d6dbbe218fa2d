//! `envoy.config.core.v3.CidrRange`, and the same of `xds.core.v3`: address ranges by prefix. IPv4 and IPv6 are never the same, a prefix that is
//! longer than an address counts as one of its length, and one that is not given has no bits, so that every address
//! of its kind is in the range, as in Envoy.

use std::net::IpAddr;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

message! {
    /// An address range.
    pub struct CidrRange: "envoy.config.core.v3.CidrRange" {
        pub(crate) address_prefix: Spanned<String>,
        pub(crate) prefix_len: Option<u32>,
    }
}

message! {
    /// An address range in the words of another API.
    pub struct XdsCidrRange: "xds.core.v3.CidrRange" {
        pub(crate) address_prefix: Spanned<String>,
        pub(crate) prefix_len: Option<u32>,
    }
}

/// An address range as it is written.
pub trait WrittenRange {
    /// The address.
    fn address(&self) -> &Spanned<String>;

    /// How many bits count.
    fn prefix_bits(&self) -> u32;

    /// What is said of an address that is none.
    fn malformed(&self) -> String {
        format!("malformed IP address: {}", self.address().value)
    }
}

impl WrittenRange for CidrRange {
    fn address(&self) -> &Spanned<String> {
        &self.address_prefix
    }

    fn prefix_bits(&self) -> u32 {
        self.prefix_len.unwrap_or(0)
    }
}

impl WrittenRange for XdsCidrRange {
    fn address(&self) -> &Spanned<String> {
        &self.address_prefix
    }

    fn prefix_bits(&self) -> u32 {
        self.prefix_len.unwrap_or(0)
    }
}

impl CidrRange {
    /// The address, and how many of its bits count; one that is none is reported at its place.
    pub fn parse(&self, ctx: &mut Ctx) -> Result<(IpAddr, u32), Refused> {
        match self.address_prefix.value.parse::<IpAddr>() {
            Ok(base) => {
                let most = if base.is_ipv4() { 32 } else { 128 };
                Ok((base, self.prefix_bits().min(most)))
            }
            Err(_) => {
                ctx.error(self.address_prefix.span, self.malformed());
                Err(Refused)
            }
        }
    }
}

/// Address ranges, by prefix.
#[derive(Clone, Debug, Default)]
pub struct AddressRanges(Box<[Range]>);

#[derive(Clone, Copy, Debug)]
struct Range {
    base: IpAddr,
    prefix_bits: u32,
}

impl AddressRanges {
    /// Compiles; an address that is none is reported at its place.
    pub fn compile(ranges: &[impl WrittenRange], ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::compile_or_say(ranges, WrittenRange::malformed, ctx)
    }

    /// The same, with the reader's own words for what is wrong.
    pub fn compile_or_say<R: WrittenRange>(
        ranges: &[R],
        say: impl Fn(&R) -> String,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|range| {
                let address = range.address();
                let base = address.value.parse().map_err(|_| {
                    ctx.error(address.span, say(range));
                    Refused
                })?;
                Ok(Range {
                    base,
                    prefix_bits: range.prefix_bits(),
                })
            })
            .collect();
        ranges.into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// Ranges that are known beforehand: addresses and how many of their bits count.
    pub fn of(ranges: impl IntoIterator<Item = (IpAddr, u32)>) -> Self {
        let ranges = ranges
            .into_iter()
            .map(|(base, prefix_bits)| Range { base, prefix_bits });
        Self(ranges.collect())
    }

    /// Whether a range holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let high = |bits: u32| u128::from(bits) << 96;
                self.same_prefix(high(base.to_bits()), high(address.to_bits()))
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                self.same_prefix(base.to_bits(), address.to_bits())
            }
            _ => false,
        }
    }

    fn same_prefix(self, a: u128, b: u128) -> bool {
        let rest_bits = u128::BITS.saturating_sub(self.prefix_bits);
        (a ^ b).checked_shr(rest_bits).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(base: &str, prefix_bits: u32, address: &str) -> bool {
        let parse = |text: &str| text.parse().expect("an address");
        let base = parse(base);
        AddressRanges([Range { base, prefix_bits }].into()).contains(parse(address))
    }

    #[test]
    fn as_many_bits_as_the_prefix_has_must_be_the_same() {
        for (base, bits, within, beyond) in [
            ("172.16.9.9", 12, "172.31.0.1", "172.32.0.1"),
            ("127.0.0.1", 32, "127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", 100, "127.0.0.1", "127.0.0.2"),
            ("fd00::", 8, "fdff::1", "fe00::"),
            ("::1", 128, "::1", "::2"),
        ] {
            assert!(is_in(base, bits, within), "{base}/{bits} {within}");
            assert!(!is_in(base, bits, beyond), "{base}/{bits} {beyond}");
        }
    }

    #[test]
    fn no_bits_take_every_address_of_the_kind() {
        assert!(is_in("10.0.0.0", 0, "8.8.8.8"));
        assert!(is_in("::1", 0, "fd12::1"));
        assert!(!is_in("10.0.0.0", 0, "::1"));
        assert!(!is_in("::", 0, "10.0.0.0"));
        assert!(!is_in("::ffff:10.0.0.0", 104, "10.0.0.1"));
    }
}
