//! The PROXY header, versions 1 and 2, as HAProxy's specification has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

const SIGNATURE_V1: &[u8] = b"PROXY ";
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// One more than the specification has, as in Envoy.
const MOST_V1_BYTES: usize = 108;
/// What may stand behind a line of version 1.
const BLANKS: [char; 6] = [' ', '\t', '\r', '\n', '\x0b', '\x0c'];
const V2_HEADER_BYTES: usize = 16;

/// A version of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderVersion {
    V1,
    V2,
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// Who connected and to where; none: the load balancer itself.
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Types and values.
    pub(super) tlvs: Vec<(u8, &'a [u8])>,
    /// How many bytes it takes.
    pub(super) bytes: usize,
}

/// What some bytes are the begin of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// It takes more of them to tell.
    Unclear,
    /// Of a header of this version.
    Found(HeaderVersion),
    /// Of something else.
    Missing,
}

/// A header that is there as a whole, or is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    More,
    Whole(Header<'a>),
    Broken,
}

/// Which header some bytes begin with, of those that are looked for.
pub(super) fn signature(bytes: &[u8], looks_for: impl Fn(HeaderVersion) -> bool) -> Signature {
    let both = [
        (HeaderVersion::V1, SIGNATURE_V1),
        (HeaderVersion::V2, SIGNATURE_V2),
    ];
    let mut is_unclear = false;
    for (version, signature) in both {
        if !looks_for(version) {
            continue;
        }
        if bytes.starts_with(signature) {
            return Signature::Found(version);
        }
        is_unclear |= signature.starts_with(bytes);
    }
    match is_unclear {
        true => Signature::Unclear,
        false => Signature::Missing,
    }
}

/// The same where a header must be there: a short line is one of version 1, whatever it says, as in Envoy.
pub(super) fn demanded(bytes: &[u8]) -> Signature {
    if bytes.starts_with(SIGNATURE_V2) {
        return Signature::Found(HeaderVersion::V2);
    }
    if bytes.starts_with(SIGNATURE_V1) {
        return Signature::Found(HeaderVersion::V1);
    }
    if bytes.len() >= V2_HEADER_BYTES {
        return Signature::Missing;
    }
    let has_line = bytes.windows(2).any(|pair| pair == b"\r\n");
    match has_line && !SIGNATURE_V2.starts_with(bytes) {
        true => Signature::Found(HeaderVersion::V1),
        false => Signature::Unclear,
    }
}

/// Reads the header that a signature was found of.
pub(super) fn read(version: HeaderVersion, bytes: &[u8]) -> Read<'_> {
    match version {
        HeaderVersion::V1 => v1(bytes),
        HeaderVersion::V2 => v2(bytes),
    }
}

fn v1(bytes: &[u8]) -> Read<'_> {
    let head = bytes.get(..MOST_V1_BYTES).unwrap_or(bytes);
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return match bytes.len() < MOST_V1_BYTES {
            true => Read::More,
            false => Read::Broken,
        };
    };
    let line = head.get(..end).unwrap_or_default();
    let line = line.strip_prefix(SIGNATURE_V1).map(std::str::from_utf8);
    let Some(Ok(line)) = line else {
        return Read::Broken;
    };
    let mut parts = line.trim_end_matches(BLANKS).split(' ');
    let addresses = match parts.next() {
        Some("UNKNOWN") => None,
        Some(kind @ ("TCP4" | "TCP6")) => {
            match v1_addresses(&parts.collect::<Vec<_>>(), kind == "TCP4") {
                None => return Read::Broken,
                some => some,
            }
        }
        _ => return Read::Broken,
    };
    Read::Whole(Header {
        addresses,
        tlvs: Vec::new(),
        bytes: end + 2,
    })
}

fn v1_addresses(parts: &[&str], is_v4: bool) -> Option<(SocketAddr, SocketAddr)> {
    let [source, destination, source_port, destination_port] = *parts else {
        return None;
    };
    let address = |ip: &str, port: &str| {
        let port = port.parse::<u16>().ok()?;
        // Envoy's reader of addresses ends at a zero byte.
        let ip = ip.split('\0').next()?;
        match is_v4 {
            true => Some(SocketAddr::new(ip.parse::<Ipv4Addr>().ok()?.into(), port)),
            // With a zone, if it has one.
            false => format!("[{ip}]:{port}")
                .parse::<SocketAddrV6>()
                .ok()
                .map(SocketAddr::V6),
        }
    };
    both_of_hosts(
        address(source, source_port)?,
        address(destination, destination_port)?,
    )
}

/// TCP connects one host to another: other addresses are none.
fn both_of_hosts(source: SocketAddr, destination: SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
    let is_of_host = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    };
    (is_of_host(source) && is_of_host(destination)).then_some((source, destination))
}

fn v2(bytes: &[u8]) -> Read<'_> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE_V2.len()..V2_HEADER_BYTES) else {
        return Read::More;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let whole = V2_HEADER_BYTES + length;
    if command >> 4 != 2 {
        return Read::Broken;
    }
    let Some(content) = bytes.get(V2_HEADER_BYTES..whole) else {
        return Read::More;
    };
    let (addresses, tlvs) = match (command & 0xf, family) {
        (0, _) => (None, Some(Vec::new())),
        (1, 0x11 | 0x12) => of::<4>(content),
        (1, 0x21 | 0x22) => of::<16>(content),
        _ => return Read::Broken,
    };
    match tlvs {
        Some(tlvs) if command & 0xf == 0 || addresses.is_some() => Read::Whole(Header {
            addresses,
            tlvs,
            bytes: whole,
        }),
        _ => Read::Broken,
    }
}

type Content<'a> = (
    Option<(SocketAddr, SocketAddr)>,
    Option<Vec<(u8, &'a [u8])>>,
);

/// Addresses of `N` bytes, their ports, and what is behind them.
fn of<const N: usize>(content: &[u8]) -> Content<'_> {
    let parts = content.split_at_checked(N).and_then(|(source, rest)| {
        let (destination, rest) = rest.split_at_checked(N)?;
        let (ports, rest) = rest.split_first_chunk::<4>()?;
        let [a, b, c, d] = *ports;
        let source = SocketAddr::new(ip(source)?, u16::from_be_bytes([a, b]));
        let destination = SocketAddr::new(ip(destination)?, u16::from_be_bytes([c, d]));
        Some((both_of_hosts(source, destination)?, rest))
    });
    match parts {
        Some((addresses, rest)) => (Some(addresses), tlvs(rest)),
        None => (None, None),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

fn tlvs(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (&[kind, high, low], behind) = rest.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, behind) = behind.split_at_checked(length)?;
        found.push((kind, value));
        rest = behind;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2_header(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("it is short");
        [
            SIGNATURE_V2,
            &[command, family],
            &length.to_be_bytes(),
            content,
        ]
        .concat()
    }

    #[test]
    fn a_line_tells_both_addresses() {
        let line = b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65535\r\nrest";
        let Read::Whole(header) = read(HeaderVersion::V1, line) else {
            panic!("it is whole");
        };
        let addresses = header.addresses.expect("it has addresses");
        assert_eq!(addresses.0.to_string(), "1.2.3.4:1");
        assert_eq!(addresses.1.to_string(), "5.6.7.8:65535");
        assert_eq!(&line[header.bytes..], b"rest");
        for lenient in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2 \r\r\n",
            "PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n",
        ] {
            let whole = read(HeaderVersion::V1, lenient.as_bytes());
            assert!(matches!(whole, Read::Whole(_)), "{lenient:?}");
        }
        let zoned = b"PROXY TCP6 fe80::1%1 2001:db8::2 1 2\r\n";
        let Read::Whole(header) = read(HeaderVersion::V1, zoned) else {
            panic!("it is whole");
        };
        let addresses = header.addresses.expect("it has addresses");
        assert_eq!(addresses.0.to_string(), "[fe80::1%1]:1");
    }

    #[test]
    fn lines_that_are_broken_are_told_from_those_that_are_not_whole() {
        let broken: [&[u8]; 8] = [
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY TCP4 0.0.0.0 5.6.7.8 1 2\r\n",
            b"PROXY TCP6 2001:db8::1 ff02::1 1 2\r\n",
            b"PROXY \r\n",
        ];
        for line in broken {
            assert_eq!(
                read(HeaderVersion::V1, line),
                Read::Broken,
                "{}",
                line.escape_ascii()
            );
        }
        assert_eq!(read(HeaderVersion::V1, b"PROXY TCP4 1.2.3.4"), Read::More);
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 97]].concat();
        assert_eq!(read(HeaderVersion::V1, &endless), Read::Broken);
    }

    #[test]
    fn version_2_tells_addresses_and_what_is_behind_them() {
        let content = [
            &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187][..],
            &[0xea, 0, 2, b'o', b'k'],
        ]
        .concat();
        let bytes = v2_header(0x21, 0x11, &content);
        let Read::Whole(header) = read(HeaderVersion::V2, &bytes) else {
            panic!("it is whole");
        };
        let addresses = header.addresses.expect("it has addresses");
        assert_eq!(addresses.0.to_string(), "1.2.3.4:80");
        assert_eq!(addresses.1.to_string(), "5.6.7.8:443");
        assert_eq!(header.tlvs, [(0xea, b"ok".as_slice())]);
        for end in V2_HEADER_BYTES..bytes.len() {
            assert_eq!(read(HeaderVersion::V2, &bytes[..end]), Read::More);
        }
    }

    #[test]
    fn what_does_not_fit_into_version_2_is_broken() {
        let addresses = [1; 12];
        let cut_tlv = [&addresses[..], &[1, 0, 9]].concat();
        let broken = [
            v2_header(0x11, 0x11, &addresses),
            v2_header(0x22, 0x11, &addresses),
            v2_header(0x21, 0x31, &addresses),
            v2_header(0x21, 0x21, &addresses),
            v2_header(0x21, 0x11, &[0; 12]),
            v2_header(0x21, 0x11, &addresses[..11]),
            v2_header(0x21, 0x11, &cut_tlv),
        ];
        for bytes in broken {
            assert_eq!(read(HeaderVersion::V2, &bytes), Read::Broken, "{bytes:?}");
        }
        let local = v2_header(0x20, 0, b"whatever");
        assert!(
            matches!(read(HeaderVersion::V2, &local), Read::Whole(header) if header.addresses.is_none())
        );
    }

    #[test]
    fn a_signature_is_found_as_soon_as_it_can_be() {
        let any = |bytes: &[u8]| signature(bytes, |_| true);
        assert_eq!(any(b"PRO"), Signature::Unclear);
        assert_eq!(any(b"PRI"), Signature::Missing);
        assert_eq!(any(b"\r\n\r\n"), Signature::Unclear);
        assert_eq!(any(b"PROXY T"), Signature::Found(HeaderVersion::V1));
        let second = |bytes: &[u8]| signature(bytes, |version| version == HeaderVersion::V2);
        assert_eq!(second(b"PROXY T"), Signature::Missing);
        assert_eq!(demanded(b"hel"), Signature::Unclear);
        assert_eq!(demanded(b"hello world, here"), Signature::Missing);
        assert_eq!(demanded(b"hi\r\n"), Signature::Found(HeaderVersion::V1));
        assert_eq!(demanded(b"GET / HTTP/1.1\r\n\r\n"), Signature::Missing);
        assert_eq!(read(HeaderVersion::V1, b"hi\r\n"), Read::Broken);
    }
}
