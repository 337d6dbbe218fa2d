//! `x-forwarded-client-cert`: what is told of the client's certificate, by us or by who stands before us.
//!
//! Only `ALWAYS_FORWARD_ONLY` lets a header pass that came on a connection without a client's certificate. The chain
//! is what the client sent, which need not be all that leads to an authority. A header that is appended to keeps the
//! form, text or JSON, that it came in.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::match_tree::{
    Extension, MatchContext, MatchData, MatchTree, Outcome, unknown_extension,
};
use nuncio_contract::stream_info::{PeerCertificateInfo, StreamInfo, TlsInfo};

use super::certificate_details::Details;
use crate::config::connection_manager::{
    ForwardClientCertConfig, ForwardClientCertDetails as Mode, HttpConnectionManager,
};

const CONFIG: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig";

/// A tree that decides on the header.
pub type CertificateTree = MatchTree<ForwardedCertificate>;

/// What becomes of the header.
#[derive(Clone, Copy, Debug)]
pub struct ForwardedCertificate {
    mode: Mode,
    details: Details,
}

/// The tree, if there is one.
pub(super) fn tree(
    message: &HttpConnectionManager,
    ctx: &mut Ctx,
) -> Result<Option<Arc<CertificateTree>>, Refused> {
    let matcher = message.forward_client_cert_matcher.as_ref();
    let tree = matcher.map(|matcher| MatchTree::compile(matcher, &mut Actions(ctx)));
    Ok(tree.transpose()?.map(Arc::new))
}

struct Actions<'a>(&'a mut Ctx);

impl MatchContext for Actions<'_> {
    type Action = ForwardedCertificate;

    fn ctx(&mut self) -> &mut Ctx {
        self.0
    }

    fn action(&mut self, action: &Extension) -> Result<Self::Action, Refused> {
        let any = &action.typed_config;
        if any.type_name() != CONFIG {
            return Err(unknown_extension(action, self.0));
        }
        let config = any.decode::<ForwardClientCertConfig>(self.0)?;
        Ok(ForwardedCertificate {
            mode: config.forward_client_cert_details,
            details: Details::of(config.set_current_client_cert_details.as_ref()),
        })
    }
}

/// Does what the tree says, or else what is said for all requests.
#[cold]
pub(super) fn by_tree(
    tree: &CertificateTree,
    otherwise: &ForwardedCertificate,
    headers: &mut HeaderMap,
    info: &StreamInfo,
) {
    let chosen = match tree.find(&MatchData::of_request(headers, info)) {
        Outcome::Action(chosen) => chosen,
        Outcome::Nothing | Outcome::Undecided => otherwise,
    };
    chosen.apply(headers, info.connection.tls.as_deref());
}

impl ForwardedCertificate {
    /// It is always removed.
    pub const SANITIZE: Self = ForwardedCertificate {
        mode: Mode::Sanitize,
        details: Details {
            subject: false,
            cert: false,
            chain: false,
            uri: false,
            dns: false,
            issuer: false,
            as_json: false,
        },
    };

    pub(super) fn from_message(message: &HttpConnectionManager) -> Self {
        ForwardedCertificate {
            mode: message.forward_client_cert_details,
            details: Details::of(message.set_current_client_cert_details.as_ref()),
        }
    }

    /// Removes the header, lets it pass or writes it.
    pub(super) fn apply(&self, headers: &mut HeaderMap, tls: Option<&TlsInfo>) {
        let tls = tls.and_then(|tls| Some((tls, tls.peer.as_deref()?)));
        match (self.mode, tls) {
            (Mode::AlwaysForwardOnly, _) | (Mode::ForwardOnly, Some(_)) => {}
            (Mode::AppendForward, Some(tls)) => {
                let before = headers.get(Known::XForwardedClientCert);
                let value = match before.filter(|before| !before.is_empty()) {
                    Some(before) => self.appended(before, tls),
                    None => self.alone(tls),
                };
                headers.set(Known::XForwardedClientCert, &value);
            }
            (Mode::SanitizeSet, Some(tls)) => {
                headers.set(Known::XForwardedClientCert, &self.alone(tls));
            }
            (Mode::Sanitize, _) | (_, None) => {
                headers.remove(Known::XForwardedClientCert);
            }
        }
    }

    /// What we know ourselves, alone.
    fn alone(&self, (tls, peer): (&TlsInfo, &PeerCertificateInfo)) -> Vec<u8> {
        match self.details.as_json {
            true => format!("[{}]", self.details.object(tls, peer)).into_bytes(),
            false => self.details.text(tls, peer).into_bytes(),
        }
    }

    /// The same behind what others have told.
    fn appended(&self, before: &[u8], (tls, peer): (&TlsInfo, &PeerCertificateInfo)) -> Vec<u8> {
        match before.strip_suffix(b"]") {
            Some(list) if list.starts_with(b"[") => {
                [list, b",", self.details.object(tls, peer).as_bytes(), b"]"].concat()
            }
            _ => [before, b",", self.details.text(tls, peer).as_bytes()].concat(),
        }
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
            details: Details {
                subject: true,
                cert: true,
                chain: true,
                uri: true,
                dns: true,
                ..Details::default()
            },
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
