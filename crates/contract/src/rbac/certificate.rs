//! What a client's certificate has to be like. A connection without TLS has none.

use crate::matching::CompiledStringMatcher;
use crate::stream_info::{CertificateInfo, TlsInfo};
use nuncio_config::typed::{Ctx, Refused};

use super::messages::{Authenticated, MtlsAuthenticated, SanType, SubjectAltNameMatcher};

/// A compiled matcher of certificates.
pub(super) enum CertificateMatcher {
    /// Any connection with TLS.
    Tls,
    /// A name of the certificate, checked or not: of URIs and hosts, or its subject.
    Named(CompiledStringMatcher),
    /// A certificate that was found good.
    Validated,
    /// One that also has such an alternative name.
    ValidatedName(SanMatcher),
}

/// An alternative name.
pub(super) struct SanMatcher {
    kind: SanType,
    text: CompiledStringMatcher,
}

impl CertificateMatcher {
    pub(super) fn authenticated(message: &Authenticated, ctx: &mut Ctx) -> Result<Self, Refused> {
        match &message.principal_name {
            None => Ok(CertificateMatcher::Tls),
            Some(name) => CompiledStringMatcher::compile(name, ctx).map(CertificateMatcher::Named),
        }
    }

    pub(super) fn mtls(message: &MtlsAuthenticated, ctx: &mut Ctx) -> Result<Self, Refused> {
        match &message.san_matcher {
            Some(name) => SanMatcher::compile(name, ctx).map(CertificateMatcher::ValidatedName),
            None if message.any_validated_client_certificate => Ok(CertificateMatcher::Validated),
            None => {
                let text = "envoy.rbac.principals.mtls_authenticated did not have any configured validation. At \
                            least one configuration field must be set.";
                ctx.error(message.span(), text);
                Err(Refused)
            }
        }
    }

    pub(super) fn matches(&self, tls: Option<&TlsInfo>) -> bool {
        let Some(tls) = tls else { return false };
        let peer = tls.peer.as_ref().map(|peer| &peer.certificate);
        match self {
            CertificateMatcher::Tls => true,
            CertificateMatcher::Named(name) => is_named(name, peer),
            CertificateMatcher::Validated => tls.peer_validated,
            CertificateMatcher::ValidatedName(name) => {
                tls.peer_validated && peer.is_some_and(|peer| name.matches(peer))
            }
        }
    }
}

/// A client without a certificate has an empty subject, which may match.
fn is_named(name: &CompiledStringMatcher, peer: Option<&CertificateInfo>) -> bool {
    let Some(peer) = peer else {
        return name.matches(b"");
    };
    let alternatives = peer.uri_sans.iter().chain(&peer.dns_sans);
    let mut names = alternatives.chain([&peer.subject]);
    names.any(|text| name.matches(text.as_bytes()))
}

impl SanMatcher {
    fn compile(message: &SubjectAltNameMatcher, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(SanMatcher {
            kind: message.san_type,
            text: CompiledStringMatcher::compile(&message.matcher, ctx)?,
        })
    }

    fn matches(&self, certificate: &CertificateInfo) -> bool {
        let names = match self.kind {
            SanType::Email => &certificate.email_sans,
            SanType::Dns => &certificate.dns_sans,
            SanType::Uri => &certificate.uri_sans,
            SanType::IpAddress => &certificate.ip_sans,
        };
        let wanted_host = match self.kind {
            SanType::Dns => self.text.exact_text(),
            _ => None,
        };
        names.iter().any(|name| match wanted_host {
            Some(host) => is_host(host, name.as_bytes()),
            None => self.text.matches(name.as_bytes()),
        })
    }
}

/// Whether a host's name is one that `pattern` of a certificate stands for: a `*` in its first label stands for any
/// part of one label.
fn is_host(host: &[u8], pattern: &[u8]) -> bool {
    if host.eq_ignore_ascii_case(pattern) {
        return true;
    }
    let (Some((label, domain)), Some((wild, of))) = (first_label(host), first_label(pattern))
    else {
        return false;
    };
    let Some(star) = wild.iter().position(|byte| *byte == b'*') else {
        return false;
    };
    let (before, after) = (wild.get(..star), wild.get(star + 1..));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let is_encoded = wild
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"));
    let has_another = after.contains(&b'*') || of.contains(&b'*');
    let is_long_enough = label.len() >= before.len() + after.len();
    let starts = label.get(..before.len());
    let ends = label
        .len()
        .checked_sub(after.len())
        .and_then(|at| label.get(at..));
    !is_encoded
        && !has_another
        && is_long_enough
        && domain.eq_ignore_ascii_case(of)
        && starts.is_some_and(|start| start.eq_ignore_ascii_case(before))
        && ends.is_some_and(|end| end.eq_ignore_ascii_case(after))
}

fn first_label(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().position(|byte| *byte == b'.')?;
    Some((name.get(..dot)?, name.get(dot + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_star_stands_for_a_part_of_the_first_label() {
        for (host, pattern, is_same) in [
            ("a.b.c", "A.b.C", true),
            ("a.b.c", "*.b.c", true),
            ("abc.d", "a*c.d", true),
            ("ac.d", "a*c.d", true),
            ("abcd.d", "abc*cd.d", false),
            ("a.b.c", "*.c", false),
            ("b.c", "*.b.c", false),
            ("a.b.c", "a.*.c", false),
            ("abc.d", "*b*.d", false),
            ("xn--a.b", "xn--*.b", false),
            ("a", "*", false),
        ] {
            let told = is_host(host.as_bytes(), pattern.as_bytes());
            assert_eq!(told, is_same, "{host} {pattern}");
        }
    }
}
