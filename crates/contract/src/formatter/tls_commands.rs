//! The commands that show TLS, by name. Without TLS, or with an empty value, they show `-`.

use super::operator::Simple::{self, DownstreamTls, UpstreamTls};
use crate::stream_info::{CertificateInfo, PeerCertificateInfo, TlsInfo};

/// Every such command.
pub(super) const TLS_COMMANDS: &[(&str, Simple)] = &[
    (
        "DOWNSTREAM_TLS_VERSION",
        DownstreamTls(|tls, out| put(&tls.version, out)),
    ),
    (
        "DOWNSTREAM_TLS_CIPHER",
        DownstreamTls(|tls, out| put(&tls.cipher_suite, out)),
    ),
    (
        "DOWNSTREAM_TLS_GROUP",
        DownstreamTls(|tls, out| put(&tls.group, out)),
    ),
    (
        "DOWNSTREAM_TLS_SESSION_ID",
        DownstreamTls(|tls, out| put(&tls.session_id, out)),
    ),
    (
        "DOWNSTREAM_LOCAL_SUBJECT",
        DownstreamTls(|tls, out| local(tls, out, |c, out| put(&c.subject, out))),
    ),
    (
        "DOWNSTREAM_LOCAL_URI_SAN",
        DownstreamTls(|tls, out| local(tls, out, |c, out| join(&c.uri_sans, out))),
    ),
    (
        "DOWNSTREAM_LOCAL_DNS_SAN",
        DownstreamTls(|tls, out| local(tls, out, |c, out| join(&c.dns_sans, out))),
    ),
    (
        "DOWNSTREAM_LOCAL_IP_SAN",
        DownstreamTls(|tls, out| local(tls, out, |c, out| join(&c.ip_sans, out))),
    ),
    (
        "DOWNSTREAM_LOCAL_EMAIL_SAN",
        DownstreamTls(|tls, out| local(tls, out, |c, out| join(&c.email_sans, out))),
    ),
    (
        "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
        DownstreamTls(|tls, out| local(tls, out, |c, out| join(&c.othername_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_SUBJECT",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.certificate.subject, out))),
    ),
    (
        "DOWNSTREAM_PEER_URI_SAN",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.uri_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_DNS_SAN",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.dns_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_IP_SAN",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.ip_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_EMAIL_SAN",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.email_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_OTHERNAME_SAN",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.othername_sans, out))),
    ),
    (
        "DOWNSTREAM_PEER_ISSUER",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.issuer, out))),
    ),
    (
        "DOWNSTREAM_PEER_SERIAL",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.serial, out))),
    ),
    (
        "DOWNSTREAM_PEER_FINGERPRINT_256",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.sha256, out))),
    ),
    (
        "DOWNSTREAM_PEER_FINGERPRINT_1",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.sha1, out))),
    ),
    (
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.chain_sha256, out))),
    ),
    (
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.chain_sha1, out))),
    ),
    (
        "DOWNSTREAM_PEER_CHAIN_SERIALS",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.chain_serials, out))),
    ),
    (
        "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.issuer_sha256, out))),
    ),
    (
        "DOWNSTREAM_PEER_ISSUER_SERIAL",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.issuer_serial, out))),
    ),
    (
        "DOWNSTREAM_PEER_CERT",
        DownstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.url_encoded_pem, out))),
    ),
    (
        "UPSTREAM_TLS_VERSION",
        UpstreamTls(|tls, out| put(&tls.version, out)),
    ),
    (
        "UPSTREAM_TLS_CIPHER",
        UpstreamTls(|tls, out| put(&tls.cipher_suite, out)),
    ),
    (
        "UPSTREAM_TLS_GROUP",
        UpstreamTls(|tls, out| put(&tls.group, out)),
    ),
    (
        "UPSTREAM_TLS_SESSION_ID",
        UpstreamTls(|tls, out| put(&tls.session_id, out)),
    ),
    (
        "UPSTREAM_PEER_SUBJECT",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.certificate.subject, out))),
    ),
    (
        "UPSTREAM_PEER_ISSUER",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.issuer, out))),
    ),
    (
        "UPSTREAM_PEER_CERT",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| put(&p.url_encoded_pem, out))),
    ),
    (
        "UPSTREAM_PEER_URI_SAN",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.uri_sans, out))),
    ),
    (
        "UPSTREAM_PEER_DNS_SAN",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.dns_sans, out))),
    ),
    (
        "UPSTREAM_PEER_IP_SAN",
        UpstreamTls(|tls, out| peer(tls, out, |p, out| join(&p.certificate.ip_sans, out))),
    ),
    (
        "UPSTREAM_LOCAL_URI_SAN",
        UpstreamTls(|tls, out| local(tls, out, |c, out| join(&c.uri_sans, out))),
    ),
    (
        "UPSTREAM_LOCAL_DNS_SAN",
        UpstreamTls(|tls, out| local(tls, out, |c, out| join(&c.dns_sans, out))),
    ),
    (
        "UPSTREAM_LOCAL_IP_SAN",
        UpstreamTls(|tls, out| local(tls, out, |c, out| join(&c.ip_sans, out))),
    ),
];

fn put(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

fn join(texts: &[Box<str>], out: &mut Vec<u8>) {
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(text, out);
    }
}

fn local(tls: &TlsInfo, out: &mut Vec<u8>, append: fn(&CertificateInfo, &mut Vec<u8>)) {
    if let Some(certificate) = &tls.local {
        append(certificate, out);
    }
}

fn peer(tls: &TlsInfo, out: &mut Vec<u8>, append: fn(&PeerCertificateInfo, &mut Vec<u8>)) {
    if let Some(certificate) = &tls.peer {
        append(certificate, out);
    }
}
