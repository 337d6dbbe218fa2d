//! What the machine gives a process.
//!
//! Its own address, which stands for a loopback client in `x-forwarded-for`: the first IPv4 address (or IPv6, with
//! `--local-address-ip-version v6`) of an interface that is not the loopback, as Envoy takes it; the loopback's own if
//! there is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

static ADDRESS: OnceLock<IpAddr> = OnceLock::new();

/// The address, looked up once.
pub fn address() -> Option<IpAddr> {
    Some(*ADDRESS.get_or_init(|| own_address(false)))
}

/// Takes an IPv6 address for the machine's own from now on; must come before the first [`address`].
pub fn prefer_ipv6() {
    let _whoever_asked_before_has_the_other = ADDRESS.set(own_address(true));
}

fn own_address(is_v6: bool) -> IpAddr {
    let loopback = match is_v6 {
        true => IpAddr::V6(Ipv6Addr::LOCALHOST),
        false => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    first_outside(is_v6).unwrap_or(loopback)
}

fn first_outside(is_v6: bool) -> Option<IpAddr> {
    nix::ifaddrs::getifaddrs().ok()?.find_map(|interface| {
        let address = interface.address?;
        let ip = match is_v6 {
            true => IpAddr::V6(address.as_sockaddr_in6()?.ip()),
            false => IpAddr::V4(address.as_sockaddr_in()?.ip()),
        };
        (!ip.is_loopback()).then_some(ip)
    })
}

/// Asks the system not to back memory with huge pages of its own accord, which would take megabytes for a proxy that
/// needs one; the allocator is built not to ask for them. A system that can't is no worse than before.
pub fn use_small_pages() {
    let _stays_as_it_is = nix::sys::prctl::set_thp_disable(true);
}

#[cfg(test)]
mod tests {
    use super::own_address;

    #[test]
    fn there_is_an_address_of_either_version() {
        assert!(own_address(false).is_ipv4());
        assert!(own_address(true).is_ipv6());
    }
}
