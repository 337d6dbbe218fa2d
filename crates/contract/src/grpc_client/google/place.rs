//! Where a channel of gRPC goes: its `target_uri`, in gRPC's own syntax.
//!
//! `dns:[//server/]host[:port]`, `ipv4:` and `ipv6:` with addresses behind commas, `unix:path` and `unix:///path`; what
//! has no scheme of these is a name or an address. The port is 443 where none is said, as in gRPC. Other schemes
//! (`xds`, `unix-abstract`, `vsock`), and servers of names, are not supported.

use std::net::{IpAddr, SocketAddr};

use nuncio_config::typed::ChannelPlace;

const PORT: u16 = 443;
/// What channels over unix domain sockets call their server.
const LOCAL: &str = "localhost";

/// A place, and the authority that calls to it have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) place: ChannelPlace,
    pub(super) authority: Box<str>,
}

impl Target {
    /// Reads a target; none if it is none that is supported.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        if let Some(path) = uri.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Target {
                place: ChannelPlace::Path(path.into()),
                authority: LOCAL.into(),
            });
        }
        for scheme in ["ipv4:", "ipv6:"] {
            if let Some(rest) = uri.strip_prefix(scheme) {
                return Self::of_addresses(rest.strip_prefix("///").unwrap_or(rest));
            }
        }
        let name = match uri.strip_prefix("dns:") {
            Some(rest) => match rest.strip_prefix("//") {
                Some(rest) => rest.strip_prefix('/')?,
                None => rest,
            },
            None => uri,
        };
        Self::of_name(name)
    }

    fn of_addresses(list: &str) -> Option<Self> {
        let addresses: Option<Vec<_>> = list.split(',').map(address).collect();
        let addresses = addresses?;
        let authority = list.split(',').next().unwrap_or_default();
        Some(Target {
            place: ChannelPlace::Addresses(addresses),
            authority: authority.into(),
        })
    }

    fn of_name(text: &str) -> Option<Self> {
        let authority: Box<str> = text.into();
        if let Some(address) = address(text) {
            let place = ChannelPlace::Addresses(vec![address]);
            return Some(Target { place, authority });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (text, PORT),
        };
        let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_of_host) {
            return None;
        }
        let place = ChannelPlace::Name(host.into(), port);
        Some(Target { place, authority })
    }

    /// The name that the server has to prove.
    pub(super) fn server_name(&self) -> Box<str> {
        match &self.place {
            ChannelPlace::Name(host, _) => host.clone(),
            ChannelPlace::Addresses(all) => {
                let first = all.first().map(|one| one.ip().to_string());
                first.unwrap_or_default().into()
            }
            ChannelPlace::Path(_) => LOCAL.into(),
        }
    }
}

/// An address with or without a port, one of version 6 in brackets.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']');
    let ip = || Some(SocketAddr::new(bare().parse::<IpAddr>().ok()?, PORT));
    text.parse().ok().or_else(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> String {
        match Target::parse(uri) {
            Some(Target { place, authority }) => format!("{place:?} {authority}"),
            None => "none".into(),
        }
    }

    #[test]
    fn targets_are_read_as_grpc_writes_them() {
        assert_eq!(read("a.example"), "Name(\"a.example\", 443) a.example");
        assert_eq!(read("a.example:80"), "Name(\"a.example\", 80) a.example:80");
        assert_eq!(read("dns:a:80"), "Name(\"a\", 80) a:80");
        assert_eq!(read("dns:///a:80"), "Name(\"a\", 80) a:80");
        assert_eq!(
            read("192.0.2.1:80"),
            "Addresses([192.0.2.1:80]) 192.0.2.1:80"
        );
        assert_eq!(read("192.0.2.1"), "Addresses([192.0.2.1:443]) 192.0.2.1");
        assert_eq!(read("[::1]:80"), "Addresses([[::1]:80]) [::1]:80");
        let two = "ipv4:192.0.2.1:80,192.0.2.2:81";
        assert_eq!(
            read(two),
            "Addresses([192.0.2.1:80, 192.0.2.2:81]) 192.0.2.1:80"
        );
        assert_eq!(read("unix:/a/b"), "Path(\"/a/b\") localhost");
        assert_eq!(read("unix:///a/b"), "Path(\"/a/b\") localhost");
    }

    #[test]
    fn others_are_none() {
        for uri in [
            "",
            "xds:///a",
            "dns://192.0.2.1/a",
            "a:b",
            "unix:",
            "a b",
            ":80",
        ] {
            assert_eq!(read(uri), "none", "{uri}");
        }
    }
}
