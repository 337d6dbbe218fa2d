//! The alternative names of a certificate, and the matchers that one of them must satisfy.

use std::net::IpAddr;

use nuncio_contract::matching::CompiledStringMatcher;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::der::{CONTEXT, Der};
use super::messages::{SanType, SubjectAltNameMatcher};

/// A name with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubjectName {
    pub(super) kind: SanType,
    pub(super) text: String,
    /// What another name is, as numbers with dots; empty for the other kinds.
    oid: String,
}

/// All names of a certificate that a matcher can ask for, in its order.
pub(super) fn names_of(certificate: &X509Certificate<'_>) -> Vec<SubjectName> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect()
}

fn name(name: &GeneralName<'_>) -> Option<SubjectName> {
    let (kind, text) = match name {
        GeneralName::RFC822Name(text) => (SanType::Email, (*text).to_owned()),
        GeneralName::DNSName(text) => (SanType::Dns, (*text).to_owned()),
        GeneralName::URI(text) => (SanType::Uri, (*text).to_owned()),
        GeneralName::IPAddress(bytes) => (SanType::IpAddress, ip(bytes)?.to_string()),
        GeneralName::OtherName(oid, value) => {
            return Some(SubjectName {
                kind: SanType::OtherName,
                text: other_name(value)?,
                oid: oid.to_id_string(),
            });
        }
        _ => return None,
    };
    let oid = String::new();
    Some(SubjectName { kind, text, oid })
}

/// The value of another name, where it is text.
fn other_name(value: &[u8]) -> Option<String> {
    const UTF8: u8 = 0x0c;
    const PRINTABLE: u8 = 0x13;
    const IA5: u8 = 0x16;
    match Der::new(value).enter(CONTEXT[0])?.next()? {
        (UTF8 | PRINTABLE | IA5, text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

impl SubjectName {
    /// Whether it is a DNS name that is `wanted`, or whose wildcard stands for it.
    pub(super) fn is_dns(&self, wanted: &str) -> bool {
        self.kind == SanType::Dns && self.is(wanted)
    }

    /// Whether it is `wanted`, or a DNS name whose wildcard stands for it.
    pub(super) fn is(&self, wanted: &str) -> bool {
        match self.kind {
            SanType::Dns => dns_name_matches(&self.text, wanted),
            _ => self.text == wanted,
        }
    }
}

/// One of `match_typed_subject_alt_names`.
#[derive(Debug)]
pub(super) struct NameMatcher {
    kind: SanType,
    /// The name of an exact DNS matcher, which a wildcard in the certificate also satisfies.
    exact_dns: Option<Box<str>>,
    /// Which of the other names it is about.
    oid: Box<str>,
    matcher: CompiledStringMatcher,
}

impl NameMatcher {
    pub(super) fn new(
        message: &SubjectAltNameMatcher,
        oid: &str,
        matcher: CompiledStringMatcher,
    ) -> Self {
        let exact = matcher
            .exact_text()
            .and_then(|text| std::str::from_utf8(text).ok());
        let exact_dns = exact
            .filter(|_| message.san_type == SanType::Dns)
            .map(Box::from);
        Self {
            kind: message.san_type,
            exact_dns,
            oid: oid.into(),
            matcher,
        }
    }

    /// Those of a matcher that does not say which kind of name it is about: DNS, URI, e-mail or address.
    pub(super) fn of_any_kind(matcher: &CompiledStringMatcher) -> impl Iterator<Item = Self> {
        let kinds = [
            SanType::Dns,
            SanType::Uri,
            SanType::Email,
            SanType::IpAddress,
        ];
        kinds.into_iter().map(move |kind| {
            let exact = matcher.exact_text().filter(|_| kind == SanType::Dns);
            NameMatcher {
                kind,
                exact_dns: exact
                    .and_then(|text| std::str::from_utf8(text).ok())
                    .map(Box::from),
                oid: "".into(),
                matcher: matcher.clone(),
            }
        })
    }

    pub(super) fn matches(&self, name: &SubjectName) -> bool {
        let is_other = self.kind == SanType::OtherName;
        if name.kind != self.kind || (is_other && *name.oid != *self.oid) {
            return false;
        }
        match &self.exact_dns {
            Some(wanted) => dns_name_matches(&name.text, wanted),
            None => self.matcher.matches(name.text.as_bytes()),
        }
    }
}

/// Whether a certificate's DNS name stands for `wanted`: `*` may be its first label, or part of it.
fn dns_name_matches(pattern: &str, wanted: &str) -> bool {
    let (pattern, wanted) = (pattern.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('.') else {
        return pattern == wanted;
    };
    let Some((before, after)) = first.split_once('*') else {
        return pattern == wanted;
    };
    let Some((label, domain)) = wanted.split_once('.') else {
        return false;
    };
    domain == rest
        && !first.starts_with("xn--")
        && !after.contains('*')
        && label.len() >= before.len() + after.len()
        && label.starts_with(before)
        && label.ends_with(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, wanted, matches) in [
            ("a.example", "A.example", true),
            ("*.example", "a.example", true),
            ("*.example", "b.a.example", false),
            ("f*r.example", "foobar.example", true),
            ("*", "example", false),
            ("*.example", "example", false),
        ] {
            assert_eq!(
                dns_name_matches(pattern, wanted),
                matches,
                "{pattern} {wanted}"
            );
        }
    }
}
