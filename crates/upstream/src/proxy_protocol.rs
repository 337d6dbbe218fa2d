//! PROXY headers to hosts, text (version 1) or binary (version 2), of TCP over IP: whose connection it is, told before
//! anything else, a TLS handshake too.
//!
//! Follows the specification of HAProxy's authors, as far as Envoy writes it. Connections that are told of other
//! clients are kept apart, so that a request goes out under its own client's address. Checks of hosts, and requests
//! of a connection manager that wants so, have no client: version 2 says so, version 1 names the connection's own ends.
//! Values (TLVs) are only for clients' connections of version 2, and may be 65,499 bytes at most, where Envoy leaves
//! out what is too much.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nuncio_contract::proxy_values::Passing;
use nuncio_contract::stream_info::{Address, ConnectionInfo, ProxyValues};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::server_names::ConnectionName;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, a connection on behalf of somebody else.
const V2_PROXY: u8 = 0x21;
/// Version 2, a connection of the proxy itself.
const V2_LOCAL: u8 = 0x20;
const V2_TCP4: u8 = 0x11;
const V2_TCP6: u8 = 0x21;

/// A value's kind and length.
const VALUE_HEAD_BYTES: usize = 3;
/// What there is room for beside two addresses of IPv6.
const MOST_VALUE_BYTES: usize = 65_535 - 36;

/// Versions of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// What a cluster's hosts are told.
#[derive(Clone, Debug)]
pub struct UpstreamProxyProtocol {
    version: ProxyVersion,
    values: Vec<u8>,
    kinds: Vec<u8>,
    passing: Passing,
}

impl UpstreamProxyProtocol {
    /// Values are added one by one.
    pub fn new(version: ProxyVersion, passing: Passing) -> Self {
        UpstreamProxyProtocol {
            version,
            values: Vec::new(),
            kinds: Vec::new(),
            passing,
        }
    }

    /// Adds a value of a kind; whether there is room for it.
    pub fn add(&mut self, kind: u8, value: &[u8]) -> bool {
        let has_room = append(&mut self.values, kind, value);
        if has_room {
            self.kinds.push(kind);
        }
        has_room
    }

    /// The values that a client's host is told: the configuration's, then those of the client that may pass, are of no
    /// kind that the configuration has, and find room.
    fn values_with(&self, of_client: &ProxyValues) -> Vec<u8> {
        let mut values = self.values.clone();
        for (kind, value) in &of_client.0 {
            if self.passing.lets_pass(*kind) && !self.kinds.contains(kind) {
                let _left_out_without_room = append(&mut values, *kind, value);
            }
        }
        values
    }

    /// The name of a connection that is this client's; none if its addresses are not of IP. `values` are the client's.
    pub fn name(
        &self,
        client: &ConnectionInfo,
        values: Option<&ProxyValues>,
        name: Option<ConnectionName>,
    ) -> Option<ConnectionName> {
        let ip = |address: &Option<Address>| match address {
            Some(Address::Ip(address)) => Some(*address),
            _ => None,
        };
        let ends = ip(&client.remote_address).zip(ip(&client.local_address));
        let Some((remote, local)) = ends else {
            return name;
        };
        let header = match values {
            Some(values) if !values.0.is_empty() => {
                header(self.version, remote, local, &self.values_with(values))
            }
            _ => header(self.version, remote, local, &self.values),
        };
        Some(ConnectionName::with_header(name, header.into()))
    }

    /// Tells the host whose connection it is; returns how many bytes that took.
    pub(crate) async fn tell(
        &self,
        stream: &mut TcpStream,
        name: Option<&ConnectionName>,
    ) -> io::Result<usize> {
        let header = match name.and_then(ConnectionName::header) {
            Some(header) => Arc::clone(header),
            None => match self.version {
                ProxyVersion::V1 => header(
                    ProxyVersion::V1,
                    stream.local_addr()?,
                    stream.peer_addr()?,
                    &[],
                )
                .into(),
                ProxyVersion::V2 => local_header().into(),
            },
        };
        stream.write_all(&header).await?;
        Ok(header.len())
    }
}

/// Appends a value; whether there was room for it.
fn append(values: &mut Vec<u8>, kind: u8, value: &[u8]) -> bool {
    let length = u16::try_from(value.len()).ok();
    let after = values.len() + VALUE_HEAD_BYTES + value.len();
    let Some(length) = length.filter(|_| after <= MOST_VALUE_BYTES) else {
        return false;
    };
    values.push(kind);
    values.extend(length.to_be_bytes());
    values.extend(value);
    true
}

/// The header of version 2 that says that a connection is of the proxy itself.
pub(crate) fn local_header() -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([V2_LOCAL, 0, 0, 0]);
    header
}

/// The header of a connection from `source` to `destination`. Of two kinds of addresses the IPv4 one is written as IPv6.
pub fn header(
    version: ProxyVersion,
    source: SocketAddr,
    destination: SocketAddr,
    values: &[u8],
) -> Vec<u8> {
    let both_v4 = source.is_ipv4() && destination.is_ipv4();
    let (from, to) = match both_v4 {
        true => (source.ip(), destination.ip()),
        false => (as_v6(source.ip()), as_v6(destination.ip())),
    };
    match version {
        ProxyVersion::V1 => {
            let kind = if both_v4 { "TCP4" } else { "TCP6" };
            let ports = (source.port(), destination.port());
            format!("PROXY {kind} {from} {to} {} {}\r\n", ports.0, ports.1).into_bytes()
        }
        ProxyVersion::V2 => {
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
            let length = addresses.len() + values.len();
            header.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
            header.extend(addresses);
            header.extend(values);
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
            ProxyVersion::V1,
            address("192.0.2.1:1000"),
            address("192.0.2.2:80"),
            &[],
        );
        assert_eq!(v4, b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n");
        let v6 = header(
            ProxyVersion::V1,
            address("[2001:db8::1]:1000"),
            address("[2001:db8::2]:80"),
            &[],
        );
        assert_eq!(v6, b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n");
    }

    #[test]
    fn version_2_is_binary() {
        let v4 = header(
            ProxyVersion::V2,
            address("192.0.2.1:1000"),
            address("192.0.2.2:80"),
            &[],
        );
        let rest = v4.strip_prefix(V2_SIGNATURE).expect("the signature");
        assert_eq!(
            rest,
            [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 0, 80]
        );
        let v6 = header(
            ProxyVersion::V2,
            address("[::1]:1"),
            address("[::2]:2"),
            &[],
        );
        assert_eq!(v6.len(), 16 + 36);
    }

    #[test]
    fn values_follow_the_addresses_as_far_as_there_is_room() {
        let mut proxy = UpstreamProxyProtocol::new(ProxyVersion::V2, Passing::All);
        assert!(proxy.add(0xe0, b"ab"));
        assert!(!proxy.add(0xe1, &[0; MOST_VALUE_BYTES]));
        let told = header(
            proxy.version,
            address("192.0.2.1:1000"),
            address("192.0.2.2:80"),
            &proxy.values,
        );
        assert_eq!(told.get(14..16), Some([0, 17].as_slice()));
        assert!(told.ends_with(&[0xe0, 0, 2, b'a', b'b']));
        let of_client = ProxyValues(vec![(0xe0, [b'c'].into()), (0xe1, [b'd'].into())]);
        let with = proxy.values_with(&of_client);
        assert_eq!(with, [0xe0, 0, 2, b'a', b'b', 0xe1, 0, 1, b'd']);
    }
}
