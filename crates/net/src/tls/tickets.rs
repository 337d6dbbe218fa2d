//! Session tickets that a listener seals, and the sessions that it remembers.
//!
//! A ticket is sealed by AES-256-GCM together with the time and with what its context demands of clients, so that
//! none opens under another context, however their keys are shared, nor after the session's lifetime. Of a key of
//! 80 bytes, as Envoy's configurations have them, the first 16 name it and a key is derived from the others; tickets
//! of Envoy itself do not open here, nor ours there.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use nuncio_config::typed::{Ctx, Refused};
use rustls::pki_types::UnixTime;
use rustls::server::ProducesTickets;

use super::downstream_messages::TlsSessionTicketKeys;

/// Bytes of a key in a configuration.
const KEY_BYTES: usize = 80;
const NAME_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
/// How long sessions live, as BoringSSL has it.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// Seals and opens the tickets of one context.
pub(super) struct Tickets {
    /// The first seals.
    keys: Vec<TicketKey>,
    /// What must be the same when a session is resumed.
    context: [u8; 32],
    lifetime: Duration,
}

struct TicketKey {
    name: [u8; NAME_BYTES],
    key: RandomizedNonceKey,
}

impl Tickets {
    /// By a key that nobody else has.
    pub(super) fn with_random_key(context: [u8; 32], lifetime: Duration) -> Option<Arc<Self>> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).ok()?;
        let keys = vec![TicketKey::new(&bytes)?];
        Some(Arc::new(Tickets {
            keys,
            context,
            lifetime,
        }))
    }

    /// By given keys.
    pub(super) fn with_keys(
        message: &TlsSessionTicketKeys,
        context: [u8; 32],
        lifetime: Duration,
        ctx: &mut Ctx,
    ) -> Result<Arc<Self>, Refused> {
        let mut keys = Vec::new();
        for source in &message.keys {
            // One byte more shows that there is too much.
            let bytes = source.read(KEY_BYTES * 64, ctx)?;
            let key = <&[u8; KEY_BYTES]>::try_from(bytes.as_slice());
            let Some(key) = key.ok().and_then(TicketKey::new) else {
                let text = format!(
                    "Incorrect TLS session ticket key length. Length {}, expected length {KEY_BYTES}.",
                    bytes.len()
                );
                ctx.error(source.span(), text);
                return Err(Refused);
            };
            keys.push(key);
        }
        Ok(Arc::new(Tickets {
            keys,
            context,
            lifetime,
        }))
    }

    fn associated(&self, time: [u8; TIME_BYTES]) -> Aad<[u8; 40]> {
        let mut bytes = [0; 40];
        let (context, rest) = bytes.split_at_mut(32);
        context.copy_from_slice(&self.context);
        rest.copy_from_slice(&time);
        Aad::from(bytes)
    }

    fn seal(&self, plain: &[u8], now: UnixTime) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let time = now.as_secs().to_be_bytes();
        let mut sealed = plain.to_vec();
        let nonce = key
            .key
            .seal_in_place_append_tag(self.associated(time), &mut sealed);
        let nonce = nonce.ok()?;
        Some([&key.name, time.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: UnixTime) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (time, rest) = rest.split_first_chunk::<TIME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.keys.iter().find(|key| key.name == *name)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key
            .key
            .open_in_place(nonce, self.associated(*time), &mut sealed)
            .ok()?;
        let age = now.as_secs().checked_sub(u64::from_be_bytes(*time))?;
        (age <= self.lifetime.as_secs()).then(|| plain.to_vec())
    }
}

impl TicketKey {
    fn new(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        let (name, secret) = bytes.split_first_chunk::<NAME_BYTES>()?;
        let derived = digest(&SHA256, &[b"session ticket", secret].concat());
        let key = RandomizedNonceKey::new(&AES_256_GCM, derived.as_ref()).ok()?;
        Some(TicketKey { name: *name, key })
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, UnixTime::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, UnixTime::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn tickets(keys: &[u8], context: u8) -> Tickets {
        let keys = keys.iter().map(|key| TicketKey::new(&[*key; KEY_BYTES]));
        Tickets {
            keys: keys.map(|key| key.expect("a key")).collect(),
            context: [context; 32],
            lifetime: HOUR,
        }
    }

    #[test]
    fn a_ticket_opens_until_its_lifetime_is_over() {
        let tickets = tickets(&[1], 1);
        let ticket = tickets.seal(b"session", at(1000)).expect("it is sealed");
        let opened = |seconds| tickets.open(&ticket, at(seconds));
        assert_eq!(opened(1000).as_deref(), Some(b"session".as_slice()));
        assert_eq!(opened(4600).as_deref(), Some(b"session".as_slice()));
        assert_eq!(opened(4601), None);
        assert_eq!(opened(999), None);
    }

    #[test]
    fn a_key_that_does_not_seal_any_more_still_opens() {
        let ticket = tickets(&[1], 1)
            .seal(b"session", at(0))
            .expect("it is sealed");
        assert!(tickets(&[2, 1], 1).open(&ticket, at(0)).is_some());
        assert!(tickets(&[2], 1).open(&ticket, at(0)).is_none());
    }

    #[test]
    fn a_ticket_does_not_open_under_another_context_of_the_same_keys() {
        let ticket = tickets(&[1], 1)
            .seal(b"session", at(0))
            .expect("it is sealed");
        assert!(tickets(&[1], 2).open(&ticket, at(0)).is_none());
    }

    #[test]
    fn what_is_changed_or_cut_short_does_not_open() {
        let tickets = tickets(&[1], 1);
        let ticket = tickets.seal(b"session", at(0)).expect("it is sealed");
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(tickets.open(&changed, at(0)), None, "{place}");
            assert_eq!(tickets.open(&ticket[..place], at(0)), None, "{place}");
        }
    }
}
