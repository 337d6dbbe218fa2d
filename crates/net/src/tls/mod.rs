//! TLS on both sides, on rustls with aws-lc-rs: towards upstream hosts from `UpstreamTlsContext` ([`ClientTls`]),
//! towards clients from `DownstreamTlsContext` ([`ServerTls`]).
//!
//! As in Envoy: a client speaks TLS 1.2 unless `tls_maximum_protocol_version` says otherwise, a server 1.2 and 1.3;
//! X25519 (with ML-KEM-768 in TLS 1.3) and P-256; and a peer whose certificate is **not verified at all** unless a validation context asks for it.
//! A host's name is checked by `match_typed_subject_alt_names` and by what a connection asks for ([`Wishes`]), never
//! against the SNI as such.
//!
//! Different from Envoy: no TLS 1.0 and 1.1, no CBC suites, no RSA key exchange (refused with the configuration), no
//! renegotiation; what `chain` says of certificates; error texts come from a table that knows the common failures;
//! a server name that is no DNS name is not sent, and one that a request chose and that is no address either fails the
//! handshake; where
//! certificates of hosts are checked for a connection's own name, sessions are not resumed; the id of a session is
//! not known. Files are read at load, secrets may come
//! later; `renew_from` takes what was read later.

mod accept;
mod agreements;
mod certificate_info;
mod chain;
mod choice;
mod client;
mod counts;
mod der;
mod details;
mod distinguished_name;
mod downstream_messages;
mod expirations;
mod failure;
mod hello;
mod identity;
mod inlined;
mod key_log;
mod messages;
mod ocsp;
mod parameters;
mod pkcs12;
mod quic;
mod quic_client;
mod refusal;
mod sealed;
mod secrets;
mod server;
mod sessions;
mod signatures;
mod spiffe;
mod subject_names;
mod support;
#[cfg(test)]
pub(crate) mod tests;
mod tickets;
mod validation;
mod verify;

pub use accept::{Handshake, Unfinished};
pub use client::{ClientTls, Greeted, Wishes};
pub use counts::TlsCounts;
pub use details::{CertificateDetails, ContextCertificates, SubjectKind};
pub use downstream_messages::DownstreamTlsContext;
pub use expirations::Expirations;
pub use failure::{TlsCounter, TlsFailure};
pub use inlined::inlined;
pub use messages::UpstreamTlsContext;
pub(crate) use quic::QuicTls;
pub use quic::{QuicHandshake, Selected};
pub(crate) use quic_client::QuicClientTls;
pub use quic_client::QuicGreeting;
pub use secrets::check as check_secrets;
pub use server::ServerTls;
pub use support::support;
