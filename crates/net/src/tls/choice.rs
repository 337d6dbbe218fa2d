//! Which of several certificates a client is shown, as Envoy chooses: by the name that it asks for, exact before
//! wildcard, and by the kind of key, ECDSA where the client can.

use std::collections::HashMap;

use rustls::pki_types::UnixTime;
use rustls::server::ClientHello;
use rustls::{CipherSuite, SignatureScheme};

use super::downstream_messages::OcspStaplePolicy;
use super::hello::Untold;
use super::identity::Identity;
use super::ocsp::{self, OcspAction};

/// The certificates of a context.
pub(super) struct Certificates {
    all: Vec<Identity>,
    /// The places of those that are for a name; wildcards begin with their dot.
    by_name: HashMap<String, Vec<usize>>,
    policy: OcspStaplePolicy,
    /// Whether all are looked through for a name that none is for, instead of taking the first.
    scans_for_unknown_names: bool,
}

/// What a client can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) ecdsa: bool,
    /// Whether it wants an OCSP response.
    pub(super) ocsp: bool,
}

/// A certificate that is chosen, and whether a response goes with it.
pub(super) struct Chosen<'a> {
    pub(super) identity: &'a Identity,
    pub(super) action: OcspAction,
}

impl Certificates {
    pub(super) fn new(
        all: Vec<Identity>,
        policy: OcspStaplePolicy,
        scans_for_unknown_names: bool,
    ) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, identity) in all.iter().enumerate() {
            for name in &identity.server_names {
                let key = name.strip_prefix('*').filter(|rest| rest.starts_with('.'));
                let same_name = by_name.entry(key.unwrap_or(name).to_owned()).or_default();
                let same_kind = |other: &usize| {
                    let other = all.get(*other);
                    other.is_some_and(|other| other.is_ecdsa == identity.is_ecdsa)
                };
                // Of two with one name and kind the earlier one stands.
                if !same_name.iter().any(same_kind) {
                    same_name.push(place);
                }
            }
        }
        Certificates {
            all,
            by_name,
            policy,
            scans_for_unknown_names,
        }
    }

    /// The certificate for a client that asks for `name`; empty for none. None only if there is none at all.
    pub(super) fn choose(
        &self,
        name: &str,
        client: Abilities,
        now: UnixTime,
    ) -> Option<Chosen<'_>> {
        let wildcard = name.find('.').map(|dot| name.split_at(dot).1);
        let exact = self.named(name, client, now);
        let by_name = exact.or_else(|| self.named(wildcard?, client, now));
        if by_name.is_some() {
            return by_name;
        }
        let scans = name.is_empty() || self.scans_for_unknown_names;
        let found = match scans {
            true => self.best(self.all.iter(), client, now),
            false => None,
        };
        found.or_else(|| {
            let identity = self.all.first()?;
            let action = self.action(identity, client, now);
            Some(Chosen { identity, action })
        })
    }

    /// The first, which stands for all until one is chosen.
    pub(super) fn first(&self) -> Option<&Identity> {
        self.all.first()
    }

    fn named(&self, name: &str, client: Abilities, now: UnixTime) -> Option<Chosen<'_>> {
        let places = self.by_name.get(name)?.iter();
        self.best(places.filter_map(|place| self.all.get(*place)), client, now)
    }

    /// The first of the kind that the client can do best, or else the first that it can do.
    fn best<'a>(
        &'a self,
        candidates: impl Iterator<Item = &'a Identity>,
        client: Abilities,
        now: UnixTime,
    ) -> Option<Chosen<'a>> {
        let mut second_best = None;
        for identity in candidates {
            let action = self.action(identity, client, now);
            if action == OcspAction::Fail {
                continue;
            }
            let chosen = Chosen { identity, action };
            if identity.is_ecdsa == client.ecdsa {
                return Some(chosen);
            }
            if client.ecdsa {
                second_best.get_or_insert(chosen);
            }
        }
        second_best
    }

    fn action(&self, identity: &Identity, client: Abilities, now: UnixTime) -> OcspAction {
        ocsp::action(
            identity.response.as_ref(),
            self.policy,
            identity.must_staple,
            client.ocsp,
            now,
        )
    }
}

impl Abilities {
    pub(super) fn of(hello: &ClientHello<'_>, untold: Untold) -> Self {
        Abilities {
            ecdsa: can_ecdsa(hello),
            ocsp: untold.wants_ocsp,
        }
    }
}

/// Whether a client can check a signature of an elliptic curve, and has a suite for it.
fn can_ecdsa(hello: &ClientHello<'_>) -> bool {
    let signs = hello.signature_schemes().iter().any(|scheme| {
        matches!(
            scheme,
            SignatureScheme::ECDSA_NISTP256_SHA256
                | SignatureScheme::ECDSA_NISTP384_SHA384
                | SignatureScheme::ECDSA_NISTP521_SHA512
                | SignatureScheme::ECDSA_SHA1_Legacy
        )
    });
    signs
        && hello
            .cipher_suites()
            .iter()
            .any(|suite| is_tls13(*suite) || is_ecdsa(*suite))
}

/// Whether the suite is one of TLS 1.3.
pub(super) fn is_tls13(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    )
}

pub(super) fn is_ecdsa(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    )
}
