//! Opens the client's connection: address, PROXY protocol header, TLS.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nuncio_testkit::bytes::from_text;
use nuncio_testkit::client;
use nuncio_testkit::message::Stop;
use nuncio_testkit::tls_client::{self, Answer, Offer};
use nuncio_testkit::wire::Wire;

use crate::case::{ClientTls, Exchange};
use crate::certificates::{certificate_name, identity};
use crate::setup::Setup;

/// A proxy that has nothing to say for so long is taken to have said everything.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// A connection, or why there is none.
pub struct Opened {
    /// The connection, if the handshake succeeded.
    pub wire: Option<Wire>,
    /// The client's port, if it has one.
    pub port: Option<u16>,
    /// Sent together with the first bytes, so that a proxy that closes because of it does so when
    /// all has been sent.
    pub prefix: Vec<u8>,
    /// In words, what the handshake showed.
    pub notes: Vec<String>,
}

/// Connects to the listener of an exchange.
///
/// # Errors
/// If the case is wrong or the proxy does not accept connections.
pub fn open(exchange: &Exchange, setup: &mut Setup) -> io::Result<Opened> {
    let from = exchange.from.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let to = exchange.address.unwrap_or(Ipv4Addr::LOCALHOST);
    let (mut socket, port) = match &exchange.pipe {
        Some(path) => (open_path(&setup.fill(path)?)?, None),
        None => {
            let socket = client::open(from, to, setup.port(exchange.listener()))?;
            let port = socket.local_addr()?.port();
            (socket, Some(port))
        }
    };
    socket.set_read_timeout(Some(PATIENCE))?;
    let prefix = exchange.prefix.as_deref().unwrap_or_default();
    let prefix = from_text(&setup.fill(prefix)?);
    let Some(tls) = &exchange.tls else {
        return Ok(Opened {
            wire: Some(Wire::Plain(socket)),
            port,
            prefix,
            notes: Vec::new(),
        });
    };
    socket.write_all(&prefix)?;
    Ok(match tls_client::connect(socket, &offer(tls, exchange)?) {
        Ok((wire, answer)) => Opened {
            wire: Some(wire),
            port,
            prefix: Vec::new(),
            notes: vec![describe(&answer)],
        },
        Err(stop) => Opened {
            wire: None,
            port,
            prefix: Vec::new(),
            notes: vec![format!("no handshake: {}", in_words(&gone(stop)))],
        },
    })
}

/// A connection to a unix domain socket; what the client does with it works on both kinds.
fn open_path(path: &str) -> io::Result<TcpStream> {
    let socket = match path.strip_prefix('@') {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => UnixStream::connect(path)?,
    };
    Ok(OwnedFd::from(socket).into())
}

fn offer(tls: &ClientTls, exchange: &Exchange) -> io::Result<Offer> {
    let mut alpn = tls.alpn.clone();
    if alpn.is_empty() && exchange.http2.is_some() {
        alpn.push("h2".to_owned());
    }
    let identity = tls.certificate.as_deref().map(identity).transpose()?;
    Ok(Offer {
        server_name: tls.sni.clone(),
        alpn,
        identity,
        versions: tls.versions.clone(),
        signatures: tls.signatures.clone(),
    })
}

fn describe(answer: &Answer) -> String {
    let mut text = format!("client connected over {}", answer.version);
    let alpn = answer.alpn.as_deref().unwrap_or("none");
    let certificate = certificate_name(&answer.certificate);
    let _ = write!(text, " (alpn {alpn}, certificate {certificate})");
    text
}

/// Where the proxy closes while the client sends, reset or close is a matter of timing.
#[must_use]
pub fn gone(stop: Stop) -> Stop {
    match stop {
        Stop::Reset => Stop::Closed,
        other => other,
    }
}

/// How a connection ended.
#[must_use]
pub fn in_words(stop: &Stop) -> String {
    match stop {
        Stop::Closed => "connection closed by the proxy".to_owned(),
        Stop::Reset => "connection reset by the proxy".to_owned(),
        Stop::TimedOut => "nothing more came, connection left open".to_owned(),
        Stop::Alert(alert) => format!("connection ended with TLS alert {alert}"),
        Stop::Malformed(why) => format!("not HTTP/1: {why}"),
    }
}
