//! Addresses as text: with or without the port, masked, or a part alone.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::number::append_u64;
use crate::stream_info::Address;

/// Appends the whole address, `127.0.0.1:80`, `[::1]:80`, a path, or `envoy://listener/endpoint`.
pub(super) fn append_address(address: &Address, out: &mut Vec<u8>) {
    match address {
        Address::Ip(SocketAddr::V4(v4)) => {
            append_ipv4(*v4.ip(), out);
            out.push(b':');
            append_u64(v4.port().into(), out);
        }
        Address::Ip(SocketAddr::V6(v6)) => {
            out.push(b'[');
            append_ipv6(*v6.ip(), out);
            if v6.scope_id() != 0 {
                out.push(b'%');
                append_u64(v6.scope_id().into(), out);
            }
            out.extend_from_slice(b"]:");
            append_u64(v6.port().into(), out);
        }
        Address::Pipe(path) => out.extend_from_slice(path.as_bytes()),
        Address::Internal(internal) => {
            out.extend_from_slice(b"envoy://");
            out.extend_from_slice(internal.listener.as_bytes());
            out.push(b'/');
            out.extend_from_slice(internal.endpoint_id.as_bytes());
        }
    }
}

/// Appends the address without its port; what has no port is appended whole.
pub(super) fn append_without_port(address: &Address, out: &mut Vec<u8>) {
    match address.ip() {
        Some(ip) => append_ip(ip, out),
        None => append_address(address, out),
    }
}

/// Appends the network of the address, such as `10.1.0.0/16`. A longer prefix than the address has is cut to
/// it; a negative one, and an address that is not IP, give nothing.
pub(super) fn append_masked(address: &Address, prefix_bits: i32, out: &mut Vec<u8>) {
    let (Some(ip), Ok(prefix)) = (address.ip(), u32::try_from(prefix_bits)) else {
        return;
    };
    let prefix = match ip {
        IpAddr::V4(v4) => {
            let prefix = prefix.min(32);
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            append_ipv4(Ipv4Addr::from(u32::from(v4) & mask), out);
            prefix
        }
        IpAddr::V6(v6) => {
            let prefix = prefix.min(128);
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            append_ipv6(Ipv6Addr::from(u128::from(v6) & mask), out);
            prefix
        }
    };
    out.push(b'/');
    append_u64(prefix.into(), out);
}

/// Appends an IP address.
pub(super) fn append_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => append_ipv4(v4, out),
        IpAddr::V6(v6) => append_ipv6(v6, out),
    }
}

fn append_ipv4(ip: Ipv4Addr, out: &mut Vec<u8>) {
    for (at, octet) in ip.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        append_u64(octet.into(), out);
    }
}

fn append_ipv6(ip: Ipv6Addr, out: &mut Vec<u8>) {
    // A write into a Vec does not fail.
    let _ = write!(out, "{ip}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::Ip(text.parse().expect("an address"))
    }

    fn masked(text: &str, prefix: i32) -> String {
        let mut out = Vec::new();
        append_masked(&address(text), prefix, &mut out);
        String::from_utf8(out).expect("addresses are ASCII")
    }

    #[test]
    fn masks_are_as_on_the_oracle() {
        assert_eq!(masked("127.0.0.1:9", 24), "127.0.0.0/24");
        assert_eq!(masked("127.0.0.1:9", 0), "0.0.0.0/0");
        assert_eq!(masked("127.0.0.1:9", 33), "127.0.0.1/32");
        assert_eq!(masked("127.0.0.1:9", 7), "126.0.0.0/7");
        assert_eq!(masked("127.0.0.1:9", -1), "");
        assert_eq!(masked("[2001:db8::ff]:9", 32), "2001:db8::/32");
    }

    #[test]
    fn ports_follow_the_address_and_brackets_hold_ipv6() {
        let mut out = Vec::new();
        append_address(&address("10.2.30.255:8080"), &mut out);
        out.push(b' ');
        append_address(&address("[::1]:80"), &mut out);
        out.push(b' ');
        append_without_port(&address("[::1]:80"), &mut out);
        assert_eq!(out, b"10.2.30.255:8080 [::1]:80 ::1");
    }
}
