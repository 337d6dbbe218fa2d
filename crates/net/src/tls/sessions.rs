//! Sessions that clients may resume: in tickets, or remembered for those that have none.
//!
//! Neither is shared by two contexts but by tickets whose keys are given, and these open only where the same is
//! demanded of clients.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use nuncio_config::typed::{Ctx, Refused, decode};
use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};

use super::downstream_messages::{
    DownstreamTlsContext, SessionTicketKeysType, TlsSessionTicketKeys,
};
use super::identity::Identity;
use super::secrets;
use super::tickets::{DEFAULT_LIFETIME, Tickets};
use super::verify::PeerVerifier;

/// Sessions that a context remembers for clients that have no tickets.
const REMEMBERED_SESSIONS: usize = 256;

/// How the sessions of a context are resumed.
pub(super) struct Sessions {
    tickets: Option<Arc<Tickets>>,
    storage: Arc<dyn StoresServerSessions>,
}

impl Sessions {
    pub(super) fn new(
        message: &DownstreamTlsContext,
        verifier: &PeerVerifier,
        identities: &[Identity],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let lifetime = message.session_timeout.unwrap_or(DEFAULT_LIFETIME);
        let context = fingerprint(verifier, identities);
        let given = |keys: &TlsSessionTicketKeys, ctx: &mut Ctx| {
            Tickets::with_keys(keys, context, lifetime, ctx).map(Some)
        };
        let tickets = match &message.session_ticket_keys_type {
            Some(SessionTicketKeysType::Keys(keys)) => given(keys, ctx)?,
            Some(SessionTicketKeysType::Secret(config)) => {
                let secret = secrets::ticket_keys(config, ctx)?;
                given(&decode(&secret, ctx)?, ctx)?
            }
            Some(SessionTicketKeysType::Disabled(true)) => None,
            Some(SessionTicketKeysType::Disabled(false)) | None => {
                Tickets::with_random_key(context, lifetime)
            }
        };
        let storage: Arc<dyn StoresServerSessions> =
            match message.disable_stateful_session_resumption {
                true => Arc::new(NoServerSessionStorage {}),
                false => Arc::new(Remembered {
                    sessions: ServerSessionMemoryCache::new(REMEMBERED_SESSIONS),
                    lifetime,
                }),
            };
        Ok(Sessions { tickets, storage })
    }

    pub(super) fn put_into(&self, config: &mut ServerConfig) {
        config.session_storage = Arc::clone(&self.storage);
        match &self.tickets {
            Some(tickets) => config.ticketer = Arc::clone(tickets) as Arc<dyn ProducesTickets>,
            // Sessions of TLS 1.3 are in tickets or not at all.
            None => config.send_tls13_tickets = 0,
        }
    }
}

/// What must be the same for a session to be resumed.
fn fingerprint(verifier: &PeerVerifier, identities: &[Identity]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    let mut add = |bytes: &[u8]| {
        hash.update(&bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    for name in identities
        .iter()
        .flat_map(|identity| &identity.server_names)
    {
        add(name.as_bytes());
    }
    let demands = &verifier.demands;
    add(&[
        u8::from(verifier.is_mandatory),
        u8::from(demands.accepts_untrusted),
    ]);
    add(format!("{:?}", demands.names).as_bytes());
    for pin in demands.certificate_hashes.iter().chain(&demands.key_hashes) {
        add(pin);
    }
    for domain in demands.spiffe.iter().flat_map(|domains| domains.names()) {
        add(domain.as_bytes());
    }
    for certificate in demands.all_roots().flat_map(|roots| &roots.certificates) {
        add(certificate);
    }
    hash.finish().as_ref().try_into().unwrap_or_default()
}

/// Sessions by their ids, for as long as they live.
#[derive(Debug)]
struct Remembered {
    sessions: Arc<ServerSessionMemoryCache>,
    lifetime: Duration,
}

impl Remembered {
    fn alive(&self, session: Vec<u8>) -> Option<Vec<u8>> {
        let (time, rest) = session.split_first_chunk::<8>()?;
        let age = UnixTime::now()
            .as_secs()
            .checked_sub(u64::from_be_bytes(*time))?;
        (age <= self.lifetime.as_secs()).then(|| rest.to_vec())
    }
}

impl StoresServerSessions for Remembered {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let time = UnixTime::now().as_secs().to_be_bytes();
        self.sessions.put(key, [time.as_slice(), &value].concat())
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions
            .get(key)
            .and_then(|session| self.alive(session))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions
            .take(key)
            .and_then(|session| self.alive(session))
    }

    fn can_cache(&self) -> bool {
        true
    }
}
