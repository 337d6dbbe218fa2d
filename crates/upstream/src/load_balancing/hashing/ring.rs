//! A ring of hashes, as ketama has it: a request goes to the host of the next entry.

use std::borrow::Cow;
use std::fmt::Write;

use nuncio_contract::hash::xxh64;

use super::Evenness;
use super::murmur::murmur_hash2;
use crate::load_balancing::settings::RingHash;

/// Entries sorted by their hashes.
#[derive(Debug)]
pub(super) struct Ring {
    entries: Box<[(u64, u32)]>,
    pub(super) evenness: Option<Evenness>,
}

impl Ring {
    /// Each host stands at the hashes of `<key>_0`, `<key>_1` and so on, as many as its share asks for.
    pub(super) fn new<'h>(
        shares: &[(u32, f64)],
        key: impl Fn(u32) -> Cow<'h, str>,
        settings: &RingHash,
    ) -> Self {
        let least = shares.iter().map(|(_, share)| *share).fold(1.0, f64::min);
        let scale =
            ((least * settings.min_size as f64).ceil() / least).min(settings.max_size as f64);
        if shares.is_empty() {
            return Self {
                entries: Box::default(),
                evenness: None,
            };
        }
        let size = scale.ceil();
        let mut evenness = Evenness {
            size: size as u64,
            min_per_host: size as u64,
            max_per_host: 0,
        };
        let mut entries = Vec::new();
        let mut wanted = 0.0;
        let mut text = String::new();
        for (host, share) in shares {
            wanted += scale * share;
            text.clear();
            text.push_str(&key(*host));
            text.push('_');
            let beginning = text.len();
            let mut made = 0_u64;
            while (entries.len() as f64) < wanted {
                text.truncate(beginning);
                let _ = write!(text, "{made}");
                let hash = match settings.murmur {
                    true => murmur_hash2(text.as_bytes()),
                    false => xxh64(text.as_bytes(), 0),
                };
                entries.push((hash, *host));
                made += 1;
            }
            evenness.min_per_host = evenness.min_per_host.min(made);
            evenness.max_per_host = evenness.max_per_host.max(made);
        }
        entries.sort_by_key(|(hash, _)| *hash);
        Self {
            entries: entries.into(),
            evenness: Some(evenness),
        }
    }

    /// The host of the first entry that is not below `hash`; further attempts go on from there.
    #[inline]
    pub(super) fn pick(&self, hash: u64, attempt: u32) -> Option<u32> {
        let place = self.entries.partition_point(|(entry, _)| *entry < hash);
        let attempt = usize::try_from(attempt).unwrap_or(0);
        let place = match place == self.entries.len() {
            true => attempt,
            false => place + attempt,
        };
        let place = place.checked_rem(self.entries.len())?;
        self.entries.get(place).map(|(_, host)| *host)
    }
}
