//! `tls_context`: whether the client presented a certificate, and whether it was validated. A connection without
//! TLS has neither, as in Envoy.

use nuncio_contract::stream_info::TlsInfo;

use crate::config::route::TlsContextMatchOptions;

/// What is wanted; what is not given does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    presented: Option<bool>,
    validated: Option<bool>,
}

impl ClientCertificate {
    pub(super) fn compile(config: Option<&TlsContextMatchOptions>) -> Self {
        config.map_or_else(Self::default, |config| ClientCertificate {
            presented: config.presented,
            validated: config.validated,
        })
    }

    /// Whether any connection will do.
    pub(super) fn is_any(self) -> bool {
        self == Self::default()
    }

    /// Whether a connection with this TLS is as wanted.
    pub(super) fn holds(self, tls: Option<&TlsInfo>) -> bool {
        let is = |wanted: Option<bool>, found: bool| wanted.is_none_or(|wanted| wanted == found);
        is(self.presented, presented(tls)) && is(self.validated, validated(tls))
    }

    /// What is wanted, in words.
    pub(super) fn requirement(self) -> Option<String> {
        let words = [
            self.presented.map(|wanted| must(wanted, "be presented")),
            self.validated.map(|wanted| must(wanted, "be validated")),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        (!words.is_empty()).then(|| format!("a client certificate {}", words.join(" and ")))
    }

    /// Why a connection with this TLS is not as wanted.
    pub(super) fn why_not(self, tls: Option<&TlsInfo>) -> Option<String> {
        if self.holds(tls) {
            return None;
        }
        let found = match (tls, presented(tls), validated(tls)) {
            (None, ..) => "the connection has no TLS",
            (_, false, _) => "the client presented no certificate",
            (_, true, false) => "the client's certificate was not validated",
            (_, true, true) => "the client's certificate was validated",
        };
        Some(format!("{found}; {}", self.requirement()?))
    }
}

fn presented(tls: Option<&TlsInfo>) -> bool {
    tls.is_some_and(|tls| tls.peer.is_some())
}

fn validated(tls: Option<&TlsInfo>) -> bool {
    tls.is_some_and(|tls| tls.peer_validated)
}

fn must(wanted: bool, what: &str) -> String {
    match wanted {
        true => format!("must {what}"),
        false => format!("must not {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> [Option<TlsInfo>; 4] {
        let tls = TlsInfo::default();
        let presented = TlsInfo {
            peer: Some(Box::default()),
            ..TlsInfo::default()
        };
        let validated = TlsInfo {
            peer_validated: true,
            ..presented.clone()
        };
        [None, Some(tls), Some(presented), Some(validated)]
    }

    #[test]
    fn what_is_not_given_does_not_count_and_plain_text_has_no_certificate() {
        for (presented, validated, holds) in [
            (None, None, [true, true, true, true]),
            (Some(true), None, [false, false, true, true]),
            (Some(false), None, [true, true, false, false]),
            (None, Some(true), [false, false, false, true]),
            (None, Some(false), [true, true, true, false]),
            (Some(true), Some(false), [false, false, true, false]),
            (Some(false), Some(true), [false, false, false, false]),
        ] {
            let wanted = ClientCertificate {
                presented,
                validated,
            };
            let found = connections().map(|tls| wanted.holds(tls.as_ref()));
            assert_eq!(found, holds, "{wanted:?}");
            assert_eq!(wanted.is_any(), holds == [true; 4]);
            let told = connections().map(|tls| wanted.why_not(tls.as_ref()).is_none());
            assert_eq!(told, holds, "{wanted:?}");
        }
    }

    #[test]
    fn it_is_told_what_the_certificate_lacks() {
        let wanted = ClientCertificate {
            presented: Some(true),
            validated: Some(true),
        };
        let told = connections().map(|tls| wanted.why_not(tls.as_ref()));
        let must = "a client certificate must be presented and must be validated";
        let reason = |found: &str| Some(format!("{found}; {must}"));
        assert_eq!(
            told,
            [
                reason("the connection has no TLS"),
                reason("the client presented no certificate"),
                reason("the client's certificate was not validated"),
                None,
            ]
        );
    }
}
