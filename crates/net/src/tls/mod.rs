//! TLS towards upstream hosts, on rustls with aws-lc-rs, from `UpstreamTlsContext`.
//!
//! As in Envoy: TLS 1.2 unless `tls_maximum_protocol_version` says otherwise; X25519 and P-256; and a peer
//! whose certificate is **not verified at all** unless a validation context asks for it. The host name is
//! checked by `match_typed_subject_alt_names` and by what a connection asks for ([`Wishes`]), never against the SNI
//! as such.
//!
//! Different from Envoy: no TLS 1.0 and 1.1, no CBC suites, no RSA key exchange (refused with the configuration);
//! a CA certificate is taken as a host's own only where it is itself trusted; error texts come from a table
//! that knows the common failures; a server name that a request chose and that is no DNS name is not sent, but fails
//! the handshake; and where certificates are checked for a connection's own name, sessions are not resumed. Files are read at load; [`ClientTls::renew_from`] takes what was read later.

mod client;
mod client_certificate;
mod details;
mod failure;
mod messages;
mod parameters;
mod secrets;
mod subject_names;
mod support;
#[cfg(test)]
mod tests;
mod verify;

pub use client::{ClientTls, Greeted, Wishes};
pub use details::{CertificateDetails, ContextCertificates, SubjectKind};
pub use failure::{TlsCounter, TlsFailure};
pub use messages::UpstreamTlsContext;
pub use secrets::check as check_secrets;
pub use support::support;
