//! What can be told of certificates: for `/certs` of the admin.

use nuncio_contract::data_source::DataSource;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate_info::serial;
use super::messages::SanType;
use super::subject_names::names_of;

/// The certificates of a context; of a chain or a bundle the first one.
#[derive(Clone, Debug, Default)]
pub struct ContextCertificates {
    /// Of the authorities that are trusted.
    pub trusted: Option<CertificateDetails>,
    /// Those that are shown to the peer.
    pub own: Vec<CertificateDetails>,
    /// Whether there is a validation context, be it one that trusts nobody in particular.
    pub validates: bool,
}

/// A certificate, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetails {
    /// The file; `<inline>` if it stands in the configuration.
    pub path: String,
    /// The name of the static secret that it is; empty for none.
    pub secret: String,
    /// In hexadecimal digits.
    pub serial_number: String,
    /// Alternative names: DNS names first, then URIs, then addresses.
    pub names: Vec<(SubjectKind, String)>,
    /// Seconds since 1970 from which on it is valid.
    pub not_before_s: u64,
    /// Seconds since 1970 at which it ends.
    pub not_after_s: u64,
}

/// The kinds of names that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    /// A DNS name.
    Dns,
    /// A URI.
    Uri,
    /// An IP address.
    IpAddress,
}

/// Describes a certificate that was read from `source`; none if it cannot be parsed.
pub(super) fn describe(
    source: &DataSource,
    secret: &str,
    certificate: &CertificateDer<'_>,
) -> Option<CertificateDetails> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names: Vec<_> = names_of(&parsed)
        .into_iter()
        .filter_map(|name| {
            let kind = match name.kind {
                SanType::Dns => SubjectKind::Dns,
                SanType::Uri => SubjectKind::Uri,
                SanType::IpAddress => SubjectKind::IpAddress,
                _ => return None,
            };
            Some((kind, name.text))
        })
        .collect();
    names.sort_by_key(|(kind, _)| *kind);
    let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
    let validity = parsed.validity();
    Some(CertificateDetails {
        path: source.filename().unwrap_or("<inline>").to_owned(),
        secret: secret.to_owned(),
        serial_number: serial(&parsed),
        names,
        not_before_s: seconds(validity.not_before.timestamp()),
        not_after_s: seconds(validity.not_after.timestamp()),
    })
}
