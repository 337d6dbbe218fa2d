//! The PROXY header before the bytes of CONNECT that ends here: text (version 1) or binary (version 2), of TCP over IP.
//!
//! Follows the specification of HAProxy's authors, as far as Envoy writes it.

use std::net::{IpAddr, SocketAddr};

use crate::config::route::ProxyProtocolVersion;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection on behalf of somebody else.
const V2_PROXY: u8 = 0x21;
const V2_TCP4: u8 = 0x11;
const V2_TCP6: u8 = 0x21;

/// The header of a connection from `source` to `destination`. Of two kinds of addresses the IPv4 one is written as IPv6.
pub(super) fn header(
    version: ProxyProtocolVersion,
    source: SocketAddr,
    destination: SocketAddr,
) -> Vec<u8> {
    let both_v4 = source.is_ipv4() && destination.is_ipv4();
    let (from, to) = match both_v4 {
        true => (source.ip(), destination.ip()),
        false => (as_v6(source.ip()), as_v6(destination.ip())),
    };
    match version {
        ProxyProtocolVersion::V1 => {
            let kind = if both_v4 { "TCP4" } else { "TCP6" };
            let ports = (source.port(), destination.port());
            format!("PROXY {kind} {from} {to} {} {}\r\n", ports.0, ports.1).into_bytes()
        }
        ProxyProtocolVersion::V2 => {
            let mut addresses = Vec::with_capacity(36);
            for ip in [from, to] {
                match ip {
                    IpAddr::V4(ip) => addresses.extend(ip.octets()),
                    IpAddr::V6(ip) => addresses.extend(ip.octets()),
                }
            }
            addresses.extend(source.port().to_be_bytes());
            addresses.extend(destination.port().to_be_bytes());
            let mut header = V2_SIGNATURE.to_vec();
            header.extend([V2_PROXY, if both_v4 { V2_TCP4 } else { V2_TCP6 }]);
            header.extend(u16::try_from(addresses.len()).unwrap_or(0).to_be_bytes());
            header.extend(addresses);
            header
        }
    }
}

fn as_v6(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
        v6 => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn version_1_is_a_line_of_text() {
        let v4 = header(
            ProxyProtocolVersion::V1,
            address("192.0.2.1:1000"),
            address("192.0.2.2:80"),
        );
        assert_eq!(v4, b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n");
        let v6 = header(
            ProxyProtocolVersion::V1,
            address("[2001:db8::1]:1000"),
            address("[2001:db8::2]:80"),
        );
        assert_eq!(v6, b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n");
    }

    #[test]
    fn version_2_is_binary() {
        let v4 = header(
            ProxyProtocolVersion::V2,
            address("192.0.2.1:1000"),
            address("192.0.2.2:80"),
        );
        let rest = v4.strip_prefix(V2_SIGNATURE).expect("the signature");
        assert_eq!(
            rest,
            [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 0, 80]
        );
        let v6 = header(
            ProxyProtocolVersion::V2,
            address("[::1]:1"),
            address("[::2]:2"),
        );
        assert_eq!(v6.len(), 16 + 36);
    }
}
