//! What streams are told of certificates: the client's and our own, for logs, headers and filters.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use nuncio_contract::stream_info::{CertificateInfo, PeerCertificateInfo};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::distinguished_name;
use super::messages::SanType;
use super::subject_names::names_of;

/// Of our own certificate.
pub(super) fn own(leaf: &CertificateDer<'_>) -> CertificateInfo {
    X509Certificate::from_der(leaf)
        .map(|(_, parsed)| info(&parsed))
        .unwrap_or_default()
}

/// Of the peer's, and of what it sent with it; none without a certificate that can be parsed.
pub(super) fn peer(chain: &[CertificateDer<'_>]) -> Option<PeerCertificateInfo> {
    let leaf = chain.first()?;
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let each = |describe: fn(&CertificateDer<'_>) -> String| -> Vec<Box<str>> {
        chain.iter().map(|one| describe(one).into()).collect()
    };
    let pems: String = chain.iter().map(|one| url_encoded_pem(one)).collect();
    Some(PeerCertificateInfo {
        certificate: info(&parsed),
        issuer: distinguished_name::text(parsed.issuer()).into(),
        serial: serial(&parsed).into(),
        sha256: hash(&SHA256, leaf).into(),
        sha1: hash(&SHA1_FOR_LEGACY_USE_ONLY, leaf).into(),
        chain_sha256: each(|one| hash(&SHA256, one)),
        chain_sha1: each(|one| hash(&SHA1_FOR_LEGACY_USE_ONLY, one)),
        chain_serials: each(|one| {
            let parsed = X509Certificate::from_der(one);
            parsed
                .map(|(_, parsed)| serial(&parsed))
                .unwrap_or_default()
        }),
        url_encoded_pem: url_encoded_pem(leaf).into(),
        url_encoded_pem_chain: pems.into(),
        valid_from: moment(parsed.validity().not_before.timestamp()),
        valid_until: moment(parsed.validity().not_after.timestamp()),
        ..PeerCertificateInfo::default()
    })
}

/// Adds what is told of the certificate that issued the peer's.
pub(super) fn add_issuer(info: &mut PeerCertificateInfo, issuer: &CertificateDer<'_>) {
    info.issuer_sha256 = hash(&SHA256, issuer).into();
    if let Ok((_, parsed)) = X509Certificate::from_der(issuer) {
        info.issuer_serial = serial(&parsed).into();
    }
}

fn info(parsed: &X509Certificate<'_>) -> CertificateInfo {
    let mut info = CertificateInfo {
        subject: distinguished_name::text(parsed.subject()).into(),
        ..CertificateInfo::default()
    };
    for name in names_of(parsed) {
        let list = match name.kind {
            SanType::Uri => &mut info.uri_sans,
            SanType::Dns => &mut info.dns_sans,
            SanType::IpAddress => &mut info.ip_sans,
            SanType::Email => &mut info.email_sans,
            SanType::OtherName => &mut info.othername_sans,
        };
        list.push(name.text.into());
    }
    info
}

/// In hexadecimal digits, without the zero byte that only says that it is positive.
pub(super) fn serial(parsed: &X509Certificate<'_>) -> String {
    let digits = hex(parsed.raw_serial());
    match digits.strip_prefix("00") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => digits,
    }
}

fn hash(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    hex(digest(algorithm, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _cannot_fail = write!(digits, "{byte:02x}");
        digits
    })
}

fn moment(seconds: i64) -> Option<SystemTime> {
    let seconds = Duration::from_secs(u64::try_from(seconds).ok()?);
    UNIX_EPOCH.checked_add(seconds)
}

/// PEM in which all but letters, digits, `-` and a few others are escaped, as in a URL.
fn url_encoded_pem(der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const LINE_BYTES: usize = 48;
    let mut pem = String::with_capacity(der.len() * 3 / 2 + 96);
    pem.push_str("-----BEGIN%20CERTIFICATE-----%0A");
    for line in der.chunks(LINE_BYTES) {
        for three in line.chunks(3) {
            let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let six = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
                match ALPHABET.get(six) {
                    _ if place > three.len() => pem.push_str("%3D"),
                    Some(b'+') => pem.push_str("%2B"),
                    Some(b'/') => pem.push_str("%2F"),
                    Some(letter) => pem.push(char::from(*letter)),
                    None => {}
                }
            }
        }
        pem.push_str("%0A");
    }
    pem.push_str("-----END%20CERTIFICATE-----%0A");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_encoded_line_by_line() {
        let pem = url_encoded_pem(&[0xfb; 50]);
        let line = "%2B%2Fv7".repeat(16);
        let wanted = format!(
            "-----BEGIN%20CERTIFICATE-----%0A{line}%0A%2B%2Fs%3D%0A-----END%20CERTIFICATE-----%0A"
        );
        assert_eq!(pem, wanted);
    }
}
