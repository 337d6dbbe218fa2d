//! TLS of the client's connection as a message.

use nuncio_contract::stream_info::{CertificateInfo, ConnectionInfo};
use nuncio_service_messages::access_log::{AltName, Certificate, San, Tls};
use nuncio_service_messages::common::UInt32Value;

/// The message; none if there is nothing to say.
pub(super) fn message(connection: &ConnectionInfo) -> Option<Tls> {
    let mut message = Tls {
        tls_sni_hostname: connection.requested_server_name.to_string(),
        ja3_fingerprint: connection.ja3_hash.to_string(),
        ..Tls::default()
    };
    if let Some(tls) = &connection.tls {
        let peer = tls.peer.as_deref();
        message.tls_version = match &*tls.version {
            "TLSv1" => 1,
            "TLSv1.1" => 2,
            "TLSv1.2" => 3,
            "TLSv1.3" => 4,
            _ => 0,
        };
        message.tls_cipher_suite = Some(UInt32Value {
            value: suite_number(&tls.cipher_suite),
        });
        message.tls_session_id = tls.session_id.to_string();
        message.local_certificate_properties = Some(certificate(tls.local.as_deref(), ""));
        message.peer_certificate_properties = Some(certificate(
            peer.map(|peer| &peer.certificate),
            peer.map_or("", |peer| &*peer.issuer),
        ));
    }
    (message != Tls::default()).then_some(message)
}

fn certificate(info: Option<&CertificateInfo>, issuer: &str) -> Certificate {
    let Some(info) = info else {
        return Certificate::default();
    };
    let uris = info.uri_sans.iter().map(|uri| San::Uri(uri.to_string()));
    // Envoy tells no others.
    let alt_name = |san| AltName { san: Some(san) };
    Certificate {
        subject_alt_name: uris.map(alt_name).collect(),
        subject: info.subject.to_string(),
        issuer: issuer.to_owned(),
    }
}

/// The number of a cipher suite by the name that it has in logs.
fn suite_number(name: &str) -> u32 {
    match name {
        "TLS_AES_128_GCM_SHA256" => 0x1301,
        "TLS_AES_256_GCM_SHA384" => 0x1302,
        "TLS_CHACHA20_POLY1305_SHA256" => 0x1303,
        "ECDHE-ECDSA-AES128-GCM-SHA256" => 0xc02b,
        "ECDHE-ECDSA-AES256-GCM-SHA384" => 0xc02c,
        "ECDHE-RSA-AES128-GCM-SHA256" => 0xc02f,
        "ECDHE-RSA-AES256-GCM-SHA384" => 0xc030,
        "ECDHE-RSA-CHACHA20-POLY1305" => 0xcca8,
        "ECDHE-ECDSA-CHACHA20-POLY1305" => 0xcca9,
        _ => 0,
    }
}
