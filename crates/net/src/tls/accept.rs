//! The server's side of a handshake.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use nuncio_contract::stream_info::{PeerCertificateInfo, TlsInfo as Told};
use rustls::HandshakeKind;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{StartHandshake, TlsStream};

use super::agreements;
use super::certificate_info;
use super::failure::{TlsCounter, TlsFailure};
use super::hello::{Hello, Untold};
use super::ocsp::OcspAction;
use super::server::{ServerContext, ServerTls};
use super::verify::{Notes, PeerVerifier};
use crate::transport::{TlsTransport, cipher_name};

/// What is read at once of a hello.
const READ_BYTES: usize = 2048;

const PROTOCOL_VERSION_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

/// A handshake with a client that is over.
pub struct Handshake {
    /// What to count, besides the handshake itself.
    pub counters: Vec<TlsCounter>,
    /// The connection, or what is known of one that failed.
    pub result: Result<TlsTransport, Unfinished>,
}

/// What is known of a connection whose handshake failed.
#[derive(Debug, Default)]
pub struct Unfinished {
    /// Why; a client that just went leaves no reason.
    pub reason: Option<Box<str>>,
    /// How far it came, for logs; `None` where there was nothing to begin it with.
    pub told: Option<Arc<Told>>,
}

/// What Envoy tells of a version that is not agreed on yet.
const FIRST_VERSION: &str = "TLSv1.2";

impl ServerTls {
    /// Does the handshake over `socket`, between these addresses. No timeout of its own.
    pub async fn handshake(&self, socket: TcpStream, ends: (IpAddr, IpAddr)) -> Handshake {
        let Some(context) = self.context() else {
            return Handshake {
                counters: vec![TlsCounter::DownstreamSecretsNotReady],
                result: Err(Unfinished {
                    reason: Some("TLS error: Secret is not supplied by SDS".into()),
                    told: None,
                }),
            };
        };
        let mut counters = Vec::new();
        let mut told = Told {
            version: FIRST_VERSION.into(),
            local: context.certificates.first().map(|it| it.info.clone()),
            ..Told::default()
        };
        let accepted = context
            .accept(socket, ends, (&mut counters, &mut told))
            .await;
        let result = accepted.map_err(|failure| {
            counters.extend(failure.counter);
            Unfinished {
                reason: failure.reason,
                told: Some(Arc::new(told)),
            }
        });
        Handshake { counters, result }
    }
}

impl ServerContext {
    async fn accept(
        &self,
        mut socket: TcpStream,
        ends: (IpAddr, IpAddr),
        (counters, told): (&mut Vec<TlsCounter>, &mut Told),
    ) -> Result<TlsTransport, TlsFailure> {
        let (accepted, untold) = read_hello(&mut socket).await?;
        let hello = accepted.client_hello();
        let name: Option<Box<str>> = hello.server_name().map(Box::from);
        let chosen = self
            .choose(&hello, untold)
            .ok_or_else(TlsFailure::no_certificate)?;
        count_ocsp(untold.wants_ocsp, chosen.action, counters);
        if self.speaks_none {
            return Err(TlsFailure::no_versions());
        }
        told.local = Some(chosen.identity.info.clone());
        let is_13 = self.agrees_on_13(untold);
        if is_13 {
            told.version = "TLSv1.3".into();
        }
        let asks = self.asks_for_certificates();
        let configured = self.for_one((&hello, untold), &chosen, ends, asks);
        let (config, verifier) = configured.map_err(|error| TlsFailure::of(&error, None))?;
        let kind = (is_13, chosen.identity.is_ecdsa);
        let suite = agreements::suite(&config, &hello, kind).and_then(cipher_name);
        let stream = StartHandshake::from_parts(accepted, socket)
            .into_stream(config)
            .await;
        let notes = verifier.take_notes();
        counters.extend(notes.tolerated.iter().copied());
        let stream = stream.map_err(|error| {
            if !is_incompatible(&error) {
                told.cipher_suite = suite.unwrap_or_default().into();
            }
            told.peer = self.peer(&notes.refused_chain);
            TlsFailure::of_server(&error, is_13, notes.refused.as_ref())
        })?;
        self.finish(stream.into(), name, (verifier, notes), (counters, told))
    }

    fn finish(
        &self,
        stream: TlsStream<TcpStream>,
        name: Option<Box<str>>,
        (verifier, mut notes): (PeerVerifier, Notes),
        (counters, told): (&mut Vec<TlsCounter>, &mut Told),
    ) -> Result<TlsTransport, TlsFailure> {
        let (_, state) = stream.get_ref();
        let chain = state.peer_certificates().unwrap_or_default();
        told.peer = self.peer(chain);
        let is_resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
        if is_resumed {
            // The certificate may be good no more. rustls does not look at it again, Envoy does.
            check_again(&verifier, chain)?;
            notes = verifier.take_notes();
            counters.extend(notes.tolerated.iter().copied());
            counters.push(TlsCounter::SessionReused);
        }
        if chain.is_empty() {
            counters.push(TlsCounter::NoCertificate);
        }
        told.peer_validated = told.peer.is_some() && notes.is_validated;
        let told = std::mem::take(told);
        Ok(TlsTransport::new(stream, name, notes.signature, told))
    }

    fn peer(&self, chain: &[CertificateDer<'static>]) -> Option<Box<PeerCertificateInfo>> {
        let mut peer = certificate_info::peer(chain)?;
        if let Some(issuer) = self.issuer(chain) {
            certificate_info::add_issuer(&mut peer, issuer);
        }
        Some(Box::new(peer))
    }
}

/// Whether nothing was agreed on.
fn is_incompatible(error: &io::Error) -> bool {
    let tls = error.get_ref();
    let tls = tls.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::PeerIncompatible(_)))
}

fn check_again(
    verifier: &PeerVerifier,
    chain: &[CertificateDer<'static>],
) -> Result<(), TlsFailure> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Ok(());
    };
    let checked = verifier.check(leaf, intermediates, UnixTime::now());
    checked.map_err(|refused| TlsFailure::refused(&refused))
}

/// Reads until a hello is complete.
async fn read_hello(socket: &mut TcpStream) -> Result<(Accepted, Untold), TlsFailure> {
    let mut acceptor = Acceptor::default();
    let mut hello = Hello::default();
    loop {
        let bytes = read_some(socket)
            .await
            .map_err(|error| TlsFailure::of_io(&error, None))?;
        hello.add(&bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let taken = acceptor.read_tls(&mut rest);
            taken.map_err(|error| TlsFailure::of_io(&error, None))?;
            match acceptor.accept() {
                Ok(None) => {}
                // A client has nothing more to say before it is answered.
                Ok(Some(accepted)) => return Ok((accepted, hello.untold())),
                Err((error, mut alert)) => {
                    let mut bytes = Vec::new();
                    if hello.is_http() || hello.is_http_connect() {
                        // Who speaks plain HTTP is told nothing.
                    } else if hello.is_outdated() || hello.is_no_record() {
                        // Where rustls complains of what only newer clients say.
                        bytes.extend(PROTOCOL_VERSION_ALERT);
                    } else {
                        drop(alert.write_all(&mut bytes));
                    }
                    let _it_may_have_gone = socket.write_all(&bytes).await;
                    return Err(TlsFailure::of_hello(&error, &hello));
                }
            }
        }
    }
}

async fn read_some(socket: &TcpStream) -> io::Result<Vec<u8>> {
    loop {
        socket.readable().await?;
        let mut bytes = Vec::with_capacity(READ_BYTES);
        match socket.try_read_buf(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn count_ocsp(is_wanted: bool, action: OcspAction, counters: &mut Vec<TlsCounter>) {
    if is_wanted {
        counters.push(TlsCounter::OcspRequest);
    }
    counters.extend(match action {
        OcspAction::Staple => Some(TlsCounter::OcspResponse),
        OcspAction::NoStaple => Some(TlsCounter::OcspOmitted),
        OcspAction::Fail => Some(TlsCounter::OcspFailed),
        OcspAction::NotAsked => None,
    });
}
