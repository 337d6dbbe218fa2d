//! What a listener agrees on with clients whose wishes differ from its own, as BoringSSL does it.
//!
//! rustls takes the client's first group, and either side's order of suites as a whole. BoringSSL takes the listener's
//! first group even where that costs a round trip, the client's order for suites of TLS 1.3, the listener's for those
//! of TLS 1.2, and within groups of these (`[a|b]`) the client's again. So a configuration is made for each group and
//! each way round, and a client's hello chooses one.

use std::sync::Arc;

use rustls::server::ClientHello;
use rustls::{CipherSuite, Error, NamedGroup, ServerConfig, SupportedProtocolVersion};

use super::choice;
use super::hello::Untold;
use super::parameters::Parameters;
use super::server::OneCertificate;
use super::sessions::Sessions;
use super::verify::PeerVerifier;

/// The configurations of a context.
pub(super) struct Agreements {
    bases: Vec<Base>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// The first two suites without an order.
    pair: Option<(CipherSuite, CipherSuite)>,
    prefers_clients_order: bool,
    alpn_protocols: Vec<Vec<u8>>,
}

/// The configuration for clients with whom a group is agreed on, with suites as they are written or turned round.
struct Base {
    group: NamedGroup,
    is_turned_round: bool,
    config: ServerConfig,
}

impl Agreements {
    pub(super) fn new(
        parameters: &Parameters,
        alpn_protocols: Vec<Vec<u8>>,
        prefers_clients_order: bool,
        sessions: &Sessions,
    ) -> Result<Self, Error> {
        let pair = match parameters.first_group() {
            Some([first, second, ..]) => Some((first.suite(), second.suite())),
            _ => None,
        };
        let mut bases = Vec::new();
        for group in &parameters.provider.kx_groups {
            for is_turned_round in [false, true]
                .into_iter()
                .take(1 + usize::from(pair.is_some()))
            {
                let mut provider = parameters.provider.clone();
                provider.kx_groups = vec![*group];
                if is_turned_round {
                    provider.cipher_suites = parameters.suites_turned_round();
                }
                let builder = ServerConfig::builder_with_provider(Arc::new(provider))
                    .with_protocol_versions(&parameters.versions)?;
                let mut config = builder
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(OneCertificate(None)));
                sessions.put_into(&mut config);
                bases.push(Base {
                    group: group.name(),
                    is_turned_round,
                    config,
                });
            }
        }
        Ok(Agreements {
            bases,
            versions: parameters.versions.clone(),
            pair,
            prefers_clients_order,
            alpn_protocols,
        })
    }

    /// The configuration for a client, which is asked for a certificate if there is a verifier.
    pub(super) fn with(
        &self,
        hello: &ClientHello<'_>,
        untold: Untold,
        verifier: Option<PeerVerifier>,
    ) -> Result<ServerConfig, Error> {
        let agrees_on_13 = self.agrees_on_13(untold);
        let base = &self.base(hello, agrees_on_13)?.config;
        let mut config = match verifier {
            None => base.clone(),
            Some(verifier) => {
                let provider = Arc::clone(base.crypto_provider());
                let mut config = ServerConfig::builder_with_provider(provider)
                    .with_protocol_versions(&self.versions)?
                    .with_client_cert_verifier(Arc::new(verifier))
                    .with_cert_resolver(Arc::clone(&base.cert_resolver));
                config.session_storage = Arc::clone(&base.session_storage);
                config.ticketer = Arc::clone(&base.ticketer);
                config.send_tls13_tickets = base.send_tls13_tickets;
                config
            }
        };
        config.ignore_client_order = !(self.prefers_clients_order || agrees_on_13);
        // Without a protocol in common the connection goes on without one, where rustls would end it.
        let offered: Vec<_> = hello.alpn().into_iter().flatten().collect();
        if self
            .alpn_protocols
            .iter()
            .any(|own| offered.contains(&own.as_slice()))
        {
            config.alpn_protocols.clone_from(&self.alpn_protocols);
        }
        Ok(config)
    }

    /// The protocols of the layer above.
    pub(super) fn alpn_protocols(&self) -> &[Vec<u8>] {
        &self.alpn_protocols
    }

    /// Whether TLS 1.3 will be spoken with a client.
    pub(super) fn agrees_on_13(&self, untold: Untold) -> bool {
        let mut versions = self.versions.iter();
        let speaks_13 = versions.any(|version| version.version == rustls::ProtocolVersion::TLSv1_3);
        untold.speaks_13 && speaks_13
    }

    fn base(&self, hello: &ClientHello<'_>, agrees_on_13: bool) -> Result<&Base, Error> {
        let groups = hello.named_groups().unwrap_or_default();
        let can_have = |group: NamedGroup| agrees_on_13 || group != NamedGroup::X25519MLKEM768;
        let offered = |base: &&Base| groups.contains(&base.group) && can_have(base.group);
        let group = match self.prefers_clients_order {
            false => self.bases.iter().find(offered).map(|base| base.group),
            true => {
                let known = |group: &&NamedGroup| {
                    can_have(**group) && self.bases.iter().any(|base| base.group == **group)
                };
                groups.iter().find(known).copied()
            }
        };
        let is_turned_round = self.pair.is_some_and(|(first, second)| {
            let place = |wanted| {
                hello
                    .cipher_suites()
                    .iter()
                    .position(|suite| *suite == wanted)
            };
            matches!((place(first), place(second)), (Some(first), Some(second)) if second < first)
        });
        let mut bases = self.bases.iter();
        // With no group in common any will do: the handshake fails.
        let found = bases.clone().find(|base| {
            group.is_none_or(|group| base.group == group) && base.is_turned_round == is_turned_round
        });
        found
            .or_else(|| bases.next())
            .ok_or_else(|| Error::General("no group to agree on".to_owned()))
    }
}

/// The suite that a handshake by this configuration agrees on, should it fail before rustls tells.
pub(super) fn suite(
    config: &ServerConfig,
    hello: &ClientHello<'_>,
    (is_13, is_ecdsa): (bool, bool),
) -> Option<CipherSuite> {
    let fits = |suite: &CipherSuite| match is_13 {
        true => choice::is_tls13(*suite),
        false => !choice::is_tls13(*suite) && choice::is_ecdsa(*suite) == is_ecdsa,
    };
    let own = config.crypto_provider().cipher_suites.iter();
    let own: Vec<_> = own.map(|suite| suite.suite()).filter(fits).collect();
    let theirs = hello.cipher_suites();
    match config.ignore_client_order {
        true => own.into_iter().find(|suite| theirs.contains(suite)),
        false => theirs.iter().copied().find(|suite| own.contains(suite)),
    }
}
