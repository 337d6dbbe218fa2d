//! Hosts behind an HTTP/1 proxy (`envoy.transport_sockets.http_11_proxy`).
//!
//! The connection goes to the proxy: that of the host's metadata, or else the cluster's. A host of TLS, and one whose
//! metadata names the proxy, is then asked for by CONNECT, by its name or else its address; nothing of the connection
//! itself goes before the proxy has agreed, which is 200 and nothing else. As in Envoy, requests in the clear to the
//! cluster's own proxy are written as they would be to the host. The answer's head may be 2000 bytes long.
//!
//! Where Envoy waits for its timeout, we give up at once: the proxy closes, or its answer is not of HTTP. Not
//! supported: proxies that filters choose by filter state.
//!
//! As in Envoy hosts on unix domain sockets are asked for by their paths.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use nuncio_contract::stream_info::Address;
use nuncio_net::peek::{Peeked, consume, poll_peek, rearm};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::host::Host;
use crate::transport_socket::Http11Proxy;

const MOST_ANSWER_BYTES: usize = 2000;
const HTTPS_PORT: u16 = 443;

/// What every answer begins with.
const ANSWERS_BEGIN: &[u8] = b"HTTP/1.";

/// The way to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where the connection goes.
    pub(crate) proxy: SocketAddr,
    /// Whether the host is asked for.
    connects: bool,
    /// The port that the host is asked for at where its address has none.
    port: Option<u16>,
}

/// The way to `host`; none if it is reached as it is. As in Envoy a proxy that the host's metadata names is connected to
/// whatever the transport socket, and asked to connect where that knows of proxies.
pub(crate) fn way(cluster: Option<&Http11Proxy>, host: &Host, is_tls: bool) -> Option<Way> {
    if let Some(Address::Internal(_)) = host.not_ip.as_deref() {
        return None;
    }
    let own = host.http_proxy.as_deref();
    let proxy = own.copied().or_else(|| cluster?.default)?;
    Some(Way {
        proxy,
        connects: cluster.is_some() && (own.is_some() || is_tls),
        port: own.is_none().then_some(HTTPS_PORT),
    })
}

impl Way {
    /// Asks the proxy for `host` at its own address; returns how many bytes were written.
    pub(crate) async fn ask(self, stream: &mut TcpStream, host: &Host) -> io::Result<usize> {
        if !self.connects {
            return Ok(0);
        }
        let asked = self.request(host);
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
                None if seen >= MOST_ANSWER_BYTES || !may_be_answer(&answer) => {
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

    /// What asks for a host.
    fn request(self, host: &Host) -> String {
        let (name, port) = match host.not_ip.as_deref() {
            Some(Address::Pipe(path)) => (&**path, self.port),
            _ => ("", Some(host.address.port())),
        };
        let name = match &*host.hostname {
            "" => name,
            hostname => hostname,
        };
        let authority = match port {
            _ if name.is_empty() => host.address.to_string(),
            None => name.to_owned(),
            Some(port) => format!("{name}:{port}"),
        };
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")
    }
}

/// How long the head is, if it is whole: to its first empty line. As in Envoy LF alone ends lines as well.
fn head_of(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some(length);
        }
    }
    None
}

/// Whether what has come may be the beginning of an answer; what is of another protocol never ends its head.
fn may_be_answer(bytes: &[u8]) -> bool {
    { bytes.iter().zip(ANSWERS_BEGIN) }.all(|(byte, wanted)| byte == wanted)
}

/// Whether the head of an answer says 200, and is one; its fields may be of any bytes.
fn agrees(head: &[u8]) -> bool {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty());
    let status = lines.next().unwrap_or_default();
    let is_success = match status.strip_prefix(ANSWERS_BEGIN) {
        Some([b'0' | b'1', b' ', b'2', b'0', b'0', rest @ ..]) => {
            matches!(rest, [] | [b' ', ..])
        }
        _ => false,
    };
    is_success && lines.all(|line| line.contains(&b':'))
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

    fn asked(host: &Host) -> String {
        let cluster = Http11Proxy {
            default: Some("192.0.2.9:1".parse().expect("an address")),
        };
        let way = way(Some(&cluster), host, true).expect("a way");
        way.request(host)
    }

    #[test]
    fn a_host_is_asked_for_by_its_name_or_its_address() {
        assert_eq!(
            asked(&host("a.example", None)),
            "CONNECT a.example:8443 HTTP/1.1\r\nHost: a.example:8443\r\n\r\n"
        );
        assert!(asked(&host("", None)).starts_with("CONNECT 192.0.2.1:8443 HTTP"));
    }

    #[test]
    fn a_host_on_a_unix_domain_socket_is_asked_for_by_its_path() {
        for (proxy, wanted) in [
            (None, "CONNECT /a.sock:443 HTTP"),
            (Some("192.0.2.8:1"), "CONNECT /a.sock HTTP"),
        ] {
            let mut host = host("", proxy);
            host.not_ip = Some(Box::new(Address::Pipe("/a.sock".into())));
            assert!(asked(&host).starts_with(wanted), "{}", asked(&host));
        }
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
            ("HTTP/1.1 200 OK\na: b\n\n", true),
            ("HTTP/1.1 403 Forbidden\na: b\n\n", false),
            ("HTTP/1.1 200", true),
            ("HTTP/1.2 200 OK\r\n\r\n", false),
            ("", false),
            ("SSH-2.0\r\n\r\n", false),
        ] {
            assert_eq!(agrees(head.as_bytes()), wanted, "{head}");
        }
        assert!(agrees(b"HTTP/1.1 200 \xe9tabli\r\nvia: caf\xe9\r\n\r\n"));
        assert_eq!(head_of(b"HTTP/1.1 200 OK\r\n\r\nabc"), Some(19));
        assert_eq!(head_of(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(head_of(b"HTTP/1.1 200 OK\na: b\n\nabc"), Some(22));
    }

    #[test]
    fn another_protocol_is_known_by_its_first_bytes() {
        for begin in [&b""[..], b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r\n"] {
            assert!(may_be_answer(begin), "{begin:?}");
        }
        for begin in [&b"SSH-2.0-x\r\n"[..], b"S", b"HTTP/2", b"http/1.1"] {
            assert!(!may_be_answer(begin), "{begin:?}");
        }
    }
}
