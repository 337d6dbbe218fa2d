//! A handshake inside of QUIC, with the context of a filter chain that the hello chooses.
//!
//! As over TCP in what is shown and demanded; but there is always a protocol of the layer above (`h3` where the
//! configuration names none), no version below 1.3, no early data, and nothing is told of our own certificate, as in Envoy.

use std::net::IpAddr;
use std::sync::Arc;

use nuncio_contract::stream_info::TlsInfo as Told;
use rustls::quic::{ServerConnection, Version};
use rustls::server::{Accepted, Acceptor, ProducesTickets};
use rustls::{AlertDescription, Error, HandshakeKind, ServerConfig};

use super::certificate_info;
use super::failure::{TlsCounter, TlsFailure};
use super::hello::{Hello, Untold};
use super::server::{ServerContext, ServerTls};
use super::verify::PeerVerifier;
use crate::transport::TlsInfo;

/// What a record of TLS takes.
const RECORD_BYTES: usize = 1 << 14;

/// A handshake whose hello has come.
pub(crate) struct QuicTls {
    pub(crate) connection: ServerConnection,
    /// The number of the filter chain.
    pub(crate) chain: usize,
    context: Arc<ServerContext>,
    verifier: PeerVerifier,
    counters: Vec<TlsCounter>,
}

/// A handshake that is over.
pub struct QuicHandshake {
    /// The number of the filter chain.
    pub chain: usize,
    /// What was agreed on.
    pub info: TlsInfo,
    /// What to count, besides the handshake itself.
    pub counters: Vec<TlsCounter>,
}

/// The filter chain of a client.
pub struct Selected {
    /// Its number.
    pub chain: usize,
    /// Its TLS.
    pub tls: Arc<ServerTls>,
    /// Whether sessions are resumed.
    pub resumes: bool,
}

/// A hello that leads to nothing, and what the client is told.
type Failed = (AlertDescription, TlsFailure);

impl QuicTls {
    /// Begins with a whole hello; `select` finds the TLS of the filter chain that is for a server name.
    pub(crate) fn begin(
        hello: &[u8],
        select: impl FnOnce(&str) -> Option<Selected>,
        ends: (IpAddr, IpAddr),
        (version, parameters): (Version, Vec<u8>),
    ) -> Result<Self, Failed> {
        let (accepted, untold) = read(hello)?;
        let hello = accepted.client_hello();
        let silent = |alert| {
            let failure = TlsFailure {
                reason: None,
                counter: None,
            };
            (alert, failure)
        };
        let selected = select(hello.server_name().unwrap_or_default())
            .ok_or_else(|| silent(AlertDescription::HandshakeFailure))?;
        let context = selected
            .tls
            .context()
            .ok_or_else(|| silent(AlertDescription::HandshakeFailure))?;
        let no_certificate = || {
            (
                AlertDescription::HandshakeFailure,
                TlsFailure::no_certificate(),
            )
        };
        let chosen = context.choose(&hello, untold).ok_or_else(no_certificate)?;
        let failed = |error: Error| {
            (
                AlertDescription::InternalError,
                TlsFailure::of(&error, None),
            )
        };
        let (mut config, verifier) = context
            .for_one(
                (&hello, untold),
                &chosen,
                ends,
                context.asks_for_certificates(),
            )
            .map_err(failed)?;
        context.prepare_for_quic(Arc::make_mut(&mut config), selected.resumes);
        let connection = ServerConnection::new(config, version, parameters).map_err(failed)?;
        Ok(QuicTls {
            connection,
            chain: selected.chain,
            verifier,
            counters: Vec::new(),
            context,
        })
    }

    /// Why the handshake has failed.
    pub(crate) fn failure(&self, error: &Error) -> TlsFailure {
        TlsFailure::of(error, self.verifier.take_notes().refused.as_ref())
    }

    /// What was agreed on.
    pub(crate) fn outcome(&self) -> QuicHandshake {
        let state = &self.connection;
        let notes = self.verifier.take_notes();
        let mut counters = self.counters.clone();
        counters.extend(notes.tolerated.iter().copied());
        if state.handshake_kind() == Some(HandshakeKind::Resumed) {
            counters.push(TlsCounter::SessionReused);
        }
        let chain = state.peer_certificates().unwrap_or_default();
        if chain.is_empty() {
            counters.push(TlsCounter::NoCertificate);
        }
        let mut peer = certificate_info::peer(chain);
        if let (Some(peer), Some(issuer)) = (&mut peer, self.context.issuer(chain)) {
            certificate_info::add_issuer(peer, issuer);
        }
        let told = Told {
            peer_validated: peer.is_some() && notes.is_validated,
            peer: peer.map(Box::new),
            ..Told::default()
        };
        QuicHandshake {
            chain: self.chain,
            info: TlsInfo::of(
                state,
                state.server_name().map(Box::from),
                notes.signature,
                told,
            ),
            counters,
        }
    }
}

/// Reads a hello without its records, as there are none in QUIC.
fn read(message: &[u8]) -> Result<(Accepted, Untold), Failed> {
    let mut acceptor = Acceptor::default();
    let mut hello = Hello::default();
    for part in message.chunks(RECORD_BYTES) {
        const HEAD: [u8; 3] = [22, 3, 1];
        let length = u16::try_from(part.len()).unwrap_or_default();
        let record = [&HEAD[..], &length.to_be_bytes(), part].concat();
        hello.add(&record);
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            let read = acceptor.read_tls(&mut rest);
            read.map_err(|error| {
                (
                    AlertDescription::InternalError,
                    TlsFailure::of_io(&error, None),
                )
            })?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok((accepted, hello.untold())),
                Err((error, _alert)) => {
                    let failure = TlsFailure::of(&error, None);
                    return Err((AlertDescription::DecodeError, failure));
                }
            }
        }
    }
    let failure = TlsFailure::of(&Error::HandshakeNotComplete, None);
    Err((AlertDescription::DecodeError, failure))
}

impl ServerContext {
    fn prepare_for_quic(&self, config: &mut ServerConfig, resumes: bool) {
        config.alpn_protocols = match self.alpn_protocols() {
            [] => vec![b"h3".to_vec()],
            named => named.to_vec(),
        };
        // Who must show a certificate shows it each time, as in Envoy.
        if !resumes || self.asks_for_certificates() {
            config.send_tls13_tickets = 0;
            config.ticketer = Arc::new(NoTickets);
        }
    }
}

/// Seals and opens nothing.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
