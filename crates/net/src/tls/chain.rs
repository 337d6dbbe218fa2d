//! Whether a chain of certificates leads to one that is trusted.
//!
//! By webpki, which is stricter than BoringSSL in a few ways: certificates of X.509 version 1 are not accepted, nor
//! those of authorities as a peer's own, unless they are trusted themselves; six intermediate certificates at most.
//! Where a chain may be expired, it is judged at a moment at which its certificates are valid.

use std::fmt;

use rustls::RootCertStore;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, VerifiedPath,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::details::CertificateDetails;
use super::parameters::Side;
use super::refusal::{
    BAD_SIGNATURE, CRL_EXPIRED, EXPIRED, INVALID_CA, NO_CRL, NO_ISSUER, NOT_YET_VALID, PATH_LENGTH,
    PURPOSE, PeerRefused, REVOKED, SELF_SIGNED, SELF_SIGNED_IN_CHAIN, UNPARSABLE, UNSPECIFIED,
};

/// Trusted certificates, and how a chain to them is judged.
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// The same as they are, for peers that show one of them as their own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What can be told of the first of them; nothing where they are the system's.
    pub(super) details: Option<CertificateDetails>,
    pub(super) revocation_lists: Vec<CertRevocationList<'static>>,
    /// Whether certificates are looked up in the lists, of which there may be none.
    pub(super) is_looked_up: bool,
    /// Whether only the peer's own certificate is looked up in the lists.
    pub(super) only_leaf_is_looked_up: bool,
    pub(super) allows_expired: bool,
    /// `max_verify_depth`: most certificates above the peer's own, that of the authority among them, which alone is
    /// always allowed.
    pub(super) most_above: Option<u32>,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

/// A chain as the peer sent it.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    /// Which side the chain is verified on.
    pub(super) side: Side,
}

impl Roots {
    /// Whether the chain is to be trusted.
    pub(super) fn check(
        &self,
        chain: Chain<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), PeerRefused> {
        if self
            .certificates
            .iter()
            .any(|trusted| trusted == chain.leaf)
        {
            return match self.allows_expired {
                true => Ok(()),
                false => check_validity(chain.leaf, now),
            };
        }
        let verified = self.verify(chain, algorithms, now);
        let Err(mut error) = verified else {
            return Ok(());
        };
        if is_about_time(&error) {
            let moments = moments(chain).into_iter();
            let ever: Vec<_> = moments
                .map(|moment| self.verify(chain, algorithms, moment))
                .collect();
            let is_ever_trusted = ever.iter().any(Result::is_ok);
            if is_ever_trusted && self.allows_expired {
                return Ok(());
            }
            // Who signed it matters before when.
            if !is_ever_trusted && ever.contains(&Err(Error::UnknownIssuer)) {
                error = Error::UnknownIssuer;
            }
        }
        Err(refused(&error, chain, self.most_above, now))
    }

    fn verify(
        &self,
        chain: Chain<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.only_leaf_is_looked_up {
            return self.verify_to(RevocationCheckDepth::EndEntity, chain, algorithms, now);
        }
        let verified = self.verify_to(RevocationCheckDepth::Chain, chain, algorithms, now);
        if verified == Err(Error::CertRevoked) {
            // Envoy looks the leaf up before those above it.
            self.verify_to(RevocationCheckDepth::EndEntity, chain, algorithms, now)?;
        }
        verified
    }

    fn verify_to(
        &self,
        depth: RevocationCheckDepth,
        chain: Chain<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), Error> {
        let leaf = EndEntityCert::try_from(chain.leaf)?;
        let usage = match chain.side {
            Side::Server => KeyUsage::client_auth(),
            Side::Client => KeyUsage::server_auth(),
        };
        let lists: Vec<_> = self.revocation_lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            let options = options.with_depth(depth);
            options
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let most = self.most_above.unwrap_or(u32::MAX).max(1);
        let is_short = |path: &VerifiedPath<'_>| {
            let intermediates = path.intermediate_certificates().count();
            match u32::try_from(intermediates).is_ok_and(|count| count < most) {
                true => Ok(()),
                false => Err(Error::MaximumPathDepthExceeded),
            }
        };
        leaf.verify_for_usage(
            algorithms.all,
            &self.store.roots,
            chain.intermediates,
            now,
            usage,
            revocation,
            Some(&is_short),
        )?;
        match self.is_looked_up && self.revocation_lists.is_empty() {
            true => Err(Error::UnknownRevocationStatus),
            false => Ok(()),
        }
    }
}

fn is_about_time(error: &Error) -> bool {
    matches!(
        error,
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } | Error::CrlExpired { .. }
    )
}

/// Moments at which the whole chain may have been valid.
fn moments(chain: Chain<'_>) -> Vec<UnixTime> {
    let certificates = std::iter::once(chain.leaf).chain(chain.intermediates);
    let ends = certificates.filter_map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let validity = parsed.validity();
        Some([
            validity.not_after.timestamp(),
            validity.not_before.timestamp(),
        ])
    });
    let seconds = ends
        .flatten()
        .filter_map(|second| u64::try_from(second).ok());
    seconds
        .map(|second| UnixTime::since_unix_epoch(std::time::Duration::from_secs(second)))
        .collect()
}

/// A trusted certificate must still be valid.
fn check_validity(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), PeerRefused> {
    match validity_fault(leaf, now) {
        Some(why) => Err(PeerRefused::leaf(why)),
        None => Ok(()),
    }
}

fn validity_fault(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<&'static str> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Some(UNPARSABLE);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now > validity.not_after.timestamp() {
        return Some(EXPIRED);
    }
    (now < validity.not_before.timestamp()).then_some(NOT_YET_VALID)
}

/// OpenSSL's words for a chain that is not trusted, and the place of what is at fault.
fn refused(error: &Error, chain: Chain<'_>, most_above: Option<u32>, now: UnixTime) -> PeerRefused {
    let why = match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => {
            let mut path = path(chain).into_iter().enumerate();
            let fault = path.find_map(|(depth, one)| Some((depth, validity_fault(one, now)?)));
            let (depth, why) = fault.unwrap_or((0, EXPIRED));
            return PeerRefused::Chain { why, depth };
        }
        Error::CertRevoked => REVOKED,
        Error::CrlExpired { .. } => CRL_EXPIRED,
        Error::UnknownRevocationStatus => NO_CRL,
        Error::InvalidSignatureForPublicKey => BAD_SIGNATURE,
        Error::RequiredEkuNotFoundContext(_) => PURPOSE,
        Error::EndEntityUsedAsCa => INVALID_CA,
        Error::PathLenConstraintViolated => PATH_LENGTH,
        Error::BadDer | Error::BadDerTime | Error::UnsupportedCertVersion => UNPARSABLE,
        Error::UnknownIssuer | Error::CaUsedAsEndEntity => return without_issuer(chain),
        Error::MaximumPathDepthExceeded => {
            let most = usize::try_from(most_above.unwrap_or(u32::MAX).max(1));
            let depth = path(chain)
                .len()
                .saturating_sub(1)
                .min(most.unwrap_or(usize::MAX));
            return PeerRefused::Chain {
                why: NO_ISSUER,
                depth,
            };
        }
        _ => UNSPECIFIED,
    };
    PeerRefused::leaf(why)
}

/// The way up from the leaf as far as the peer sent it.
fn path<'a>(chain: Chain<'a>) -> Vec<&'a CertificateDer<'a>> {
    let mut path = vec![chain.leaf];
    while let Some(last) = path.last()
        && path.len() <= chain.intermediates.len()
    {
        let next = chain
            .intermediates
            .iter()
            .find(|one| issued(one, last) && !path.contains(one));
        match next {
            Some(next) => path.push(next),
            None => break,
        }
    }
    path
}

/// Whether a certificate names this one as its issuer.
pub(super) fn issued(issuer: &CertificateDer<'_>, certificate: &CertificateDer<'_>) -> bool {
    let (Ok((_, issuer)), Ok((_, certificate))) = (
        X509Certificate::from_der(issuer),
        X509Certificate::from_der(certificate),
    ) else {
        return false;
    };
    issuer.subject().as_raw() == certificate.issuer().as_raw()
}

fn without_issuer(chain: Chain<'_>) -> PeerRefused {
    let path = path(chain);
    let depth = path.len().saturating_sub(1);
    let is_self_issued = path.last().is_some_and(|last| issued(last, last));
    let why = match (is_self_issued, depth) {
        (true, 0) => SELF_SIGNED,
        (true, _) => SELF_SIGNED_IN_CHAIN,
        (false, _) => NO_ISSUER,
    };
    PeerRefused::Chain { why, depth }
}
