//! `x-forwarded-client-cert`: what is told of the client's certificate, by us or by who stands before us.
//!
//! Only `ALWAYS_FORWARD_ONLY` lets a header pass that came on a connection without a client's certificate. The chain
//! is what the client sent, which need not be all that leads to an authority. `forward_client_cert_matcher` is refused.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::{PeerCertificateInfo, TlsInfo};

use crate::config::connection_manager::{ForwardClientCertDetails as Mode, HttpConnectionManager};

/// What becomes of the header.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedCertificate {
    mode: Mode,
    subject: bool,
    cert: bool,
    chain: bool,
    uri: bool,
    dns: bool,
}

impl ForwardedCertificate {
    /// It is always removed.
    pub const SANITIZE: Self = ForwardedCertificate {
        mode: Mode::Sanitize,
        subject: false,
        cert: false,
        chain: false,
        uri: false,
        dns: false,
    };

    pub(super) fn from_message(message: &HttpConnectionManager) -> Self {
        let details = message.set_current_client_cert_details.as_ref();
        ForwardedCertificate {
            mode: message.forward_client_cert_details,
            subject: details.is_some_and(|details| details.subject == Some(true)),
            cert: details.is_some_and(|details| details.cert),
            chain: details.is_some_and(|details| details.chain),
            uri: details.is_some_and(|details| details.uri),
            dns: details.is_some_and(|details| details.dns),
        }
    }

    /// Removes the header, lets it pass or writes it.
    pub(super) fn apply(&self, headers: &mut HeaderMap, tls: Option<&TlsInfo>) {
        let tls = tls.and_then(|tls| Some((tls, tls.peer.as_deref()?)));
        match (self.mode, tls) {
            (Mode::AlwaysForwardOnly, _) | (Mode::ForwardOnly, Some(_)) => {}
            (Mode::AppendForward, Some((tls, peer))) => {
                let own = self.own_details(tls, peer);
                let joined = match headers.get(Known::XForwardedClientCert) {
                    Some(before) if !before.is_empty() => [before, b",", own.as_bytes()].concat(),
                    _ => own.into_bytes(),
                };
                headers.set(Known::XForwardedClientCert, &joined);
            }
            (Mode::SanitizeSet, Some((tls, peer))) => {
                let own = self.own_details(tls, peer);
                headers.set(Known::XForwardedClientCert, own.as_bytes());
            }
            (Mode::Sanitize, _) | (_, None) => {
                headers.remove(Known::XForwardedClientCert);
            }
        }
    }

    /// What we know ourselves.
    fn own_details(&self, tls: &TlsInfo, peer: &PeerCertificateInfo) -> String {
        let mut details = Vec::new();
        if let Some(local) = &tls.local {
            details.extend(local.uri_sans.iter().map(|uri| format!("By={uri}")));
        }
        if !peer.sha256.is_empty() {
            details.push(format!("Hash={}", peer.sha256));
        }
        if self.cert && !peer.url_encoded_pem.is_empty() {
            details.push(format!("Cert=\"{}\"", peer.url_encoded_pem));
        }
        if self.chain && !peer.url_encoded_pem_chain.is_empty() {
            details.push(format!("Chain=\"{}\"", peer.url_encoded_pem_chain));
        }
        if self.subject {
            details.push(format!("Subject=\"{}\"", peer.certificate.subject));
        }
        if self.uri {
            let uris = &peer.certificate.uri_sans;
            if uris.is_empty() {
                details.push("URI=".to_owned());
            }
            details.extend(uris.iter().map(|uri| format!("URI={uri}")));
        }
        if self.dns {
            let names = &peer.certificate.dns_sans;
            details.extend(names.iter().map(|name| format!("DNS={name}")));
        }
        details.join(";")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nuncio_contract::stream_info::CertificateInfo;

    use super::*;

    fn tls() -> TlsInfo {
        TlsInfo {
            local: Some(Arc::new(CertificateInfo {
                uri_sans: vec!["spiffe://us".into()],
                ..CertificateInfo::default()
            })),
            peer: Some(Box::new(PeerCertificateInfo {
                certificate: CertificateInfo {
                    subject: "CN=them".into(),
                    dns_sans: vec!["a.test".into(), "b.test".into()],
                    ..CertificateInfo::default()
                },
                sha256: "0a1b".into(),
                url_encoded_pem: "PEM%0A".into(),
                url_encoded_pem_chain: "PEM%0APEM%0A".into(),
                ..PeerCertificateInfo::default()
            })),
            ..TlsInfo::default()
        }
    }

    /// What a header `old` becomes; `-` for none.
    fn becomes(mode: Mode, tls: Option<&TlsInfo>) -> String {
        let all = ForwardedCertificate {
            mode,
            subject: true,
            cert: true,
            chain: true,
            uri: true,
            dns: true,
        };
        let mut headers = HeaderMap::request();
        headers.set(Known::XForwardedClientCert, b"old");
        all.apply(&mut headers, tls);
        let value = headers.get(Known::XForwardedClientCert);
        String::from_utf8_lossy(value.unwrap_or(b"-")).into_owned()
    }

    const OWN: &str = "By=spiffe://us;Hash=0a1b;Cert=\"PEM%0A\";Chain=\"PEM%0APEM%0A\";Subject=\"CN=them\";URI=;DNS=a.test;DNS=b.test";

    #[test]
    fn each_mode_treats_the_header_of_a_client_with_a_certificate_as_it_says() {
        let tls = tls();
        assert_eq!(becomes(Mode::Sanitize, Some(&tls)), "-");
        assert_eq!(becomes(Mode::ForwardOnly, Some(&tls)), "old");
        assert_eq!(
            becomes(Mode::AppendForward, Some(&tls)),
            format!("old,{OWN}")
        );
        assert_eq!(becomes(Mode::SanitizeSet, Some(&tls)), OWN);
        assert_eq!(becomes(Mode::AlwaysForwardOnly, Some(&tls)), "old");
    }

    #[test]
    fn without_a_certificate_only_always_forward_only_lets_the_header_pass() {
        let bare = TlsInfo::default();
        for tls in [None, Some(&bare)] {
            for mode in [
                Mode::Sanitize,
                Mode::ForwardOnly,
                Mode::AppendForward,
                Mode::SanitizeSet,
            ] {
                assert_eq!(becomes(mode, tls), "-", "{mode:?}");
            }
            assert_eq!(becomes(Mode::AlwaysForwardOnly, tls), "old");
        }
    }
}
