//! What the machine gives a process.
//!
//! Its own address, which stands for a loopback client in `x-forwarded-for`: the first IPv4 address
//! of an interface that is up and not the loopback, as Envoy takes it; 127.0.0.1 if there is none.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

/// The address, looked up once.
pub fn address() -> Option<IpAddr> {
    static ADDRESS: OnceLock<IpAddr> = OnceLock::new();
    Some(*ADDRESS.get_or_init(|| first_outside().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))))
}

fn first_outside() -> Option<IpAddr> {
    nix::ifaddrs::getifaddrs().ok()?.find_map(|interface| {
        let ip = interface.address?.as_sockaddr_in()?.ip();
        (!ip.is_loopback()).then_some(IpAddr::V4(ip))
    })
}

/// Asks the system not to back the heap with huge pages: the allocator's first blocks would take 8 MiB at once
/// for a proxy that needs 2. A system that can't is no worse than before.
pub fn use_small_pages() {
    let _stays_as_it_is = nix::sys::prctl::set_thp_disable(true);
}
