//! Hosts behind an HTTP/1 proxy (`envoy.transport_sockets.http_11_proxy`).
//!
//! The connection goes to the proxy: that of the host's metadata, or else the cluster's. A host of TLS, and one whose
//! metadata names the proxy, is then asked for by CONNECT, by its name or else its address; nothing of the connection
//! itself goes before the proxy has agreed, which is 200 and nothing else. As in Envoy, requests in the clear to the
//! cluster's own proxy are written as they would be to the host. The answer's head may be 2000 bytes long.
//!
//! Where Envoy waits for its timeout, we give up at once: the proxy closes, or its answer is not of HTTP. Not
//! supported: proxies that filters choose by filter state.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use nuncio_net::peek::{Peeked, consume, poll_peek, rearm};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::host::Host;

const MOST_ANSWER_BYTES: usize = 2000;

/// That a cluster's hosts are behind proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http11Proxy {
    /// The proxy of hosts whose metadata names none.
    pub default: Option<SocketAddr>,
}

/// The way to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where the connection goes.
    pub(crate) proxy: SocketAddr,
    /// Whether the host is asked for.
    connects: bool,
}

/// The way to `host`; none if it is reached as it is. As in Envoy a proxy that the host's metadata names is connected to
/// whatever the transport socket, and asked to connect where that knows of proxies.
pub(crate) fn way(cluster: Option<&Http11Proxy>, host: &Host, is_tls: bool) -> Option<Way> {
    if host.not_ip.is_some() {
        return None;
    }
    let own = host.http_proxy.as_deref();
    let proxy = own.copied().or_else(|| cluster?.default)?;
    Some(Way {
        proxy,
        connects: cluster.is_some() && (own.is_some() || is_tls),
    })
}

impl Way {
    /// Asks the proxy for `host` at `address`; returns how many bytes were written.
    pub(crate) async fn ask(
        self,
        stream: &mut TcpStream,
        (host, address): (&Host, SocketAddr),
    ) -> io::Result<usize> {
        if !self.connects {
            return Ok(0);
        }
        let asked = request(host, address);
        stream.write_all(asked.as_bytes()).await?;
        Ok(asked.len())
    }

    /// Waits for the proxy's answer; the connection is to the host from then on.
    pub(crate) async fn answered(self, stream: TcpStream) -> io::Result<TcpStream> {
        if !self.connects {
            return Ok(stream);
        }
        let mut answer = Vec::with_capacity(MOST_ANSWER_BYTES);
        let mut seen = 0;
        let head = loop {
            match poll_fn(|cx| poll_peek(&stream, cx, &mut answer, seen)).await? {
                Peeked::Ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                Peeked::Bytes(count) => seen = count,
            }
            match head_of(&answer) {
                Some(head) => break head,
                None if seen >= MOST_ANSWER_BYTES => {
                    // A close in order, not a reset.
                    consume(&stream, seen)?;
                    return Err(io::ErrorKind::InvalidData.into());
                }
                None => {}
            }
        };
        consume(&stream, head)?;
        match agrees(answer.get(..head).unwrap_or_default()) {
            true => rearm(stream),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// What asks for a host.
fn request(host: &Host, address: SocketAddr) -> String {
    let authority = match &*host.hostname {
        "" => address.to_string(),
        name => format!("{name}:{}", address.port()),
    };
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
}

/// How long the head is, if it is whole.
fn head_of(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// Whether the head of an answer says 200, and is one.
fn agrees(head: &[u8]) -> bool {
    let Ok(head) = std::str::from_utf8(head) else {
        return false;
    };
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap_or_default();
    let rest = status
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| status.strip_prefix("HTTP/1.0 "));
    let is_success = rest.is_some_and(|rest| rest == "200" || rest.starts_with("200 "));
    is_success && lines.all(|line| line.contains(':'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::{HealthFlags, Locality};

    fn host(hostname: &str, proxy: Option<&str>) -> Host {
        let address = "192.0.2.1:8443".parse().expect("an address");
        let locality = Arc::new(Locality::default());
        let mut host = Host::new(address, hostname, 1, 0, locality, HealthFlags::default());
        host.http_proxy = proxy.map(|proxy| Box::new(proxy.parse().expect("an address")));
        host
    }

    #[test]
    fn a_host_is_asked_for_by_its_name_or_its_address() {
        let address = "192.0.2.1:8443".parse().expect("an address");
        let of_name = request(&host("a.example", None), address);
        assert_eq!(
            of_name,
            "CONNECT a.example:8443 HTTP/1.1\r\nHost: a.example:8443\r\n\r\n"
        );
        assert!(request(&host("", None), address).starts_with("CONNECT 192.0.2.1:8443 HTTP"));
    }

    #[test]
    fn metadata_goes_before_the_clusters_proxy_and_always_connects() {
        let cluster = Http11Proxy {
            default: Some("192.0.2.9:1".parse().expect("an address")),
        };
        let named = host("", Some("192.0.2.8:1"));
        let of = |host: &Host, is_tls| way(Some(&cluster), host, is_tls);
        let way = of(&named, false).expect("a way");
        assert_eq!(
            (way.proxy.to_string().as_str(), way.connects),
            ("192.0.2.8:1", true)
        );
        for is_tls in [false, true] {
            let way = of(&host("", None), is_tls).expect("a way");
            assert_eq!(
                (way.proxy, Some(way.connects)),
                (cluster.default.expect("one"), Some(is_tls))
            );
        }
        let without = super::way(None, &named, true).expect("a way");
        assert!(!without.connects);
        assert_eq!(
            super::way(Some(&Http11Proxy::default()), &host("", None), true),
            None
        );
    }

    #[test]
    fn only_200_agrees() {
        for (head, wanted) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 200\r\na: b\r\n\r\n", true),
            ("HTTP/1.1 2000 OK\r\n\r\n", false),
            ("HTTP/1.1 201 Created\r\n\r\n", false),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", false),
            ("SSH-2.0\r\n\r\n", false),
        ] {
            assert_eq!(agrees(head.as_bytes()), wanted, "{head}");
        }
        assert_eq!(head_of(b"HTTP/1.1 200 OK\r\n\r\nabc"), Some(19));
        assert_eq!(head_of(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
