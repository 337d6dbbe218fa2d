//! What `x-forwarded-client-cert` tells of one certificate, as text or as JSON (`set_current_client_cert_details`).
//!
//! Envoy's order of parts; what a certificate does not have is left out, but for the URI of text, which is empty then.

use nuncio_contract::stream_info::{PeerCertificateInfo, TlsInfo};

use crate::config::connection_manager::{ForwardClientCertFormat, SetCurrentClientCertDetails};

/// What a certificate of a chain ends with.
const END: &str = "-----END CERTIFICATE-----\n";

/// What is told beside the certificate's hash and our own name, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Details {
    pub(super) subject: bool,
    pub(super) cert: bool,
    pub(super) chain: bool,
    pub(super) uri: bool,
    pub(super) dns: bool,
    pub(super) issuer: bool,
    pub(super) as_json: bool,
}

impl Details {
    pub(super) fn of(message: Option<&SetCurrentClientCertDetails>) -> Self {
        let Some(message) = message else {
            return Self::default();
        };
        Self {
            subject: message.subject == Some(true),
            cert: message.cert,
            chain: message.chain,
            uri: message.uri,
            dns: message.dns,
            issuer: message.issuer,
            as_json: message.format == ForwardClientCertFormat::Json,
        }
    }

    /// The text for one certificate.
    pub(super) fn text(self, tls: &TlsInfo, peer: &PeerCertificateInfo) -> String {
        let mut parts = Vec::new();
        if let Some(local) = &tls.local {
            parts.extend(local.uri_sans.iter().map(|uri| format!("By={uri}")));
        }
        if !peer.sha256.is_empty() {
            parts.push(format!("Hash={}", peer.sha256));
        }
        if self.cert && !peer.url_encoded_pem.is_empty() {
            parts.push(format!("Cert=\"{}\"", peer.url_encoded_pem));
        }
        if self.chain && !peer.url_encoded_pem_chain.is_empty() {
            parts.push(format!("Chain=\"{}\"", peer.url_encoded_pem_chain));
        }
        if self.subject {
            parts.push(format!("Subject=\"{}\"", peer.certificate.subject));
        }
        if self.uri {
            let uris = &peer.certificate.uri_sans;
            if uris.is_empty() {
                parts.push("URI=".to_owned());
            }
            parts.extend(uris.iter().map(|uri| format!("URI={uri}")));
        }
        if self.dns {
            let names = &peer.certificate.dns_sans;
            parts.extend(names.iter().map(|name| format!("DNS={name}")));
        }
        if self.issuer {
            parts.push(format!("Issuer=\"{}\"", peer.issuer));
        }
        parts.join(";")
    }

    /// The object for one certificate.
    pub(super) fn object(self, tls: &TlsInfo, peer: &PeerCertificateInfo) -> String {
        let mut object = Object::default();
        if let Some(local) = &tls.local {
            object.list("by", &local.uri_sans);
        }
        object.text("hash", &peer.sha256);
        if self.cert {
            object.text("cert", &percent_decoded(&peer.url_encoded_pem));
        }
        if self.chain {
            let chain = percent_decoded(&peer.url_encoded_pem_chain);
            let parts: Vec<Box<str>> = chain.split_inclusive(END).map(Box::from).collect();
            object.list("chain", &parts);
        }
        if self.subject {
            object.text("subject", &peer.certificate.subject);
        }
        if self.uri {
            object.list("uri", &peer.certificate.uri_sans);
        }
        if self.dns {
            object.list("dns", &peer.certificate.dns_sans);
        }
        if self.issuer {
            object.text("issuer", &peer.issuer);
        }
        object.end()
    }
}

/// A JSON object as it is written.
#[derive(Default)]
struct Object(String);

impl Object {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote(&mut self.0, key);
        self.0.push(':');
    }

    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            quote(&mut self.0, value);
        }
    }

    fn list(&mut self, key: &str, values: &[Box<str>]) {
        if values.is_empty() {
            return;
        }
        self.key(key);
        for (place, value) in values.iter().enumerate() {
            self.0.push(if place == 0 { '[' } else { ',' });
            quote(&mut self.0, value);
        }
        self.0.push(']');
    }

    fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

/// What stands between the quotes stays on one line of printable characters.
fn quote(to: &mut String, text: &str) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => to.extend(['\\', character]),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            control if control < ' ' || control == '\u{7f}' => {
                to.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => to.push(plain),
        }
    }
    to.push('"');
}

fn percent_decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let hex = piece
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(u8::is_ascii) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(piece.get(2..).unwrap_or_default());
            }
            None => {
                decoded.push('%');
                decoded.push_str(piece);
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_certificates_cannot_end_their_quotes() {
        let mut quoted = String::new();
        quote(&mut quoted, "CN=a\"b\\c\n\u{1}\u{7f}");
        assert_eq!(quoted, "\"CN=a\\\"b\\\\c\\n\\u0001\\u007f\"");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(percent_decoded("a%20b%2Fc%zz%2"), "a b/c%zz%2");
    }
}
