//! `envoy.tls.cert_validator.spiffe`: certificates are verified by the authorities of the trust domain of their id.
//!
//! The id is the first URI among a certificate's names. It must be no authority's certificate and have a key usage that
//! does not let it sign others. Names may be matched besides; what else a validation context says, but for
//! `allow_expired_certificate`, does not count, as in Envoy.
//!
//! Not there: `trust_bundles`, workload trust domains. Follows the SPIFFE X.509-SVID specification as Envoy does.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::data_source::DataSource;
use rustls::RootCertStore;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::UnixTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain::{Chain, Roots};
use super::identity::certificates_in;
use super::messages::SanType;
use super::refusal::PeerRefused;
use super::subject_names::{NameMatcher, SubjectName, names_of};

const SCHEME: &str = "spiffe://";

message! {
    /// The validator.
    pub(super) struct SpiffeMessage: "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig" {
        trust_domains: Vec<TrustDomainMessage>,
    }
}

message! {
    /// A trust domain.
    pub(super) struct TrustDomainMessage: "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain" {
        name: Spanned<String>,
        trust_bundle: Option<DataSource>,
    }
}

/// The trust domains, each with its authorities.
#[derive(Debug)]
pub(super) struct TrustDomains(Vec<(String, Roots)>);

impl TrustDomains {
    pub(super) fn compile(any: &Any, allows_expired: bool, ctx: &mut Ctx) -> Result<Self, Refused> {
        let message: SpiffeMessage = any.decode(ctx)?;
        let mut domains: Vec<(String, Roots)> = Vec::new();
        for domain in &message.trust_domains {
            let name = &domain.name;
            if domains.iter().any(|(known, _)| *known == name.value) {
                let text = format!(
                    "Multiple trust bundles are given for one trust domain for {}, workload: ",
                    name.value
                );
                ctx.error(name.span, text);
                return Err(Refused);
            }
            let roots = domain.roots(allows_expired, ctx)?;
            domains.push((name.value.clone(), roots));
        }
        Ok(TrustDomains(domains))
    }

    /// The authorities of all domains.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Roots> {
        self.0.iter().map(|(_, roots)| roots)
    }

    /// What sessions of other domains must not be taken for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a chain is to be trusted, and its names wanted: one that matches, and the one that is expected among its
    /// URIs.
    pub(super) fn check(
        &self,
        chain: Chain<'_>,
        (wanted, expected): (&[NameMatcher], Option<&str>),
        (algorithms, now): (&WebPkiSupportedAlgorithms, UnixTime),
    ) -> Result<(), PeerRefused> {
        let refused = |why: &str| PeerRefused::Spiffe(why.to_owned());
        let parsed = X509Certificate::from_der(chain.leaf);
        let (_, leaf) = parsed.map_err(|_| refused("cert precheck"))?;
        if may_sign_others(&leaf) {
            return Err(refused("cert precheck"));
        }
        let names = names_of(&leaf);
        let domain = domain_of(&names);
        let found = self
            .0
            .iter()
            .find(|(name, _)| Some(name.as_str()) == domain);
        let (_, roots) = found.ok_or_else(|| refused("no trust bundle store"))?;
        roots
            .check(chain, algorithms, now)
            .map_err(PeerRefused::of_spiffe)?;
        if let Some(expected) = expected {
            let is_expected =
                |name: &SubjectName| name.kind == SanType::Uri && name.text == expected;
            if !names.iter().any(is_expected) {
                let why = format!("URI SAN peer identity mismatches, expected SANs: {expected}");
                return Err(PeerRefused::SpiffeNames(why));
            }
        }
        let is_wanted = |name: &SubjectName| wanted.iter().any(|matcher| matcher.matches(name));
        match wanted.is_empty() || names.iter().any(is_wanted) {
            true => Ok(()),
            false => Err(PeerRefused::SpiffeNames("SAN match".to_owned())),
        }
    }
}

impl TrustDomainMessage {
    fn roots(&self, allows_expired: bool, ctx: &mut Ctx) -> Result<Roots, Refused> {
        let name = &self.name;
        let certificates = match &self.trust_bundle {
            Some(source) => {
                let what = format!("trusted CA certificate for {}", name.value);
                certificates_in(source, &what, ctx)?
            }
            None => Vec::new(),
        };
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            let text = format!("Failed to load trusted CA certificate for {}", name.value);
            ctx.error(name.span, text);
            return Err(Refused);
        }
        Ok(Roots {
            store,
            certificates,
            details: None,
            revocation_lists: Vec::new(),
            is_looked_up: false,
            only_leaf_is_looked_up: false,
            allows_expired,
            most_above: None,
        })
    }
}

/// Whether it is an authority's; one that does not say what its key is for might be.
fn may_sign_others(leaf: &X509Certificate<'_>) -> bool {
    let constraints = leaf.basic_constraints().ok().flatten();
    let usage = leaf.key_usage().ok().flatten();
    constraints.is_some_and(|found| found.value.ca)
        || usage.is_none_or(|found| found.value.key_cert_sign() || found.value.crl_sign())
}

/// The trust domain of the first URI.
fn domain_of(names: &[SubjectName]) -> Option<&str> {
    let first = names.iter().find(|name| name.kind == SanType::Uri)?;
    let (domain, _) = first.text.strip_prefix(SCHEME)?.split_once('/')?;
    Some(domain)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SanType as Name,
    };

    use super::*;

    fn certificate(uris: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        for uri in uris {
            let uri = Name::URI((*uri).try_into().unwrap());
            params.subject_alt_names.push(uri);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn parsed<T>(der: &[u8], look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
        look(&X509Certificate::from_der(der).unwrap().1)
    }

    #[test]
    fn the_trust_domain_is_that_of_the_first_uri() {
        for (uris, domain) in [
            (&["spiffe://one/a", "spiffe://two/b"][..], Some("one")),
            (&["https://one/a", "spiffe://two/b"], None),
            (&["spiffe://one"], None),
            (&[], None),
        ] {
            let der = certificate(uris, |_| {});
            let names = parsed(&der, names_of);
            assert_eq!(domain_of(&names), domain, "{uris:?}");
        }
    }

    #[test]
    fn what_may_sign_others_is_no_peers_certificate() {
        let judged = |change: fn(&mut CertificateParams)| {
            parsed(&certificate(&["spiffe://one/a"], change), may_sign_others)
        };
        assert!(!judged(|_| {}));
        assert!(judged(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }));
        assert!(judged(|params| {
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }));
        assert!(judged(|params| {
            params.key_usages = vec![KeyUsagePurpose::CrlSign];
        }));
        assert!(
            judged(|params| params.key_usages.clear()),
            "it says nothing"
        );
    }
}
