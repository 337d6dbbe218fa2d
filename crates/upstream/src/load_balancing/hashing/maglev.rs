//! Google's Maglev: a table in which each host takes the free places of its own order in turn.

use std::borrow::Cow;

use nuncio_contract::hash::xxh64;

use super::Evenness;

/// The hosts of all places.
#[derive(Debug)]
pub(super) struct MaglevTable {
    places: Places,
    pub(super) evenness: Option<Evenness>,
}

#[derive(Debug)]
enum Places {
    Nobody,
    /// One host has all.
    One(u32),
    Many(Box<[u32]>),
}

/// A host while the table is filled.
struct Entry {
    host: u32,
    share: f64,
    offset: u64,
    skip: u64,
    next: u64,
    target: f64,
    count: u64,
}

const FREE: u32 = u32::MAX;

impl MaglevTable {
    pub(super) fn new<'h>(
        shares: &[(u32, f64)],
        key: impl Fn(u32) -> Cow<'h, str>,
        size: u64,
    ) -> Self {
        let mut keyed: Vec<_> = shares
            .iter()
            .map(|(host, share)| (key(*host), *host, *share))
            .collect();
        keyed.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        let mut entries: Vec<_> = keyed
            .iter()
            .map(|(key, host, share)| Entry {
                host: *host,
                share: *share,
                offset: xxh64(key.as_bytes(), 0).checked_rem(size).unwrap_or(0),
                skip: xxh64(key.as_bytes(), 1)
                    .checked_rem(size.saturating_sub(1))
                    .unwrap_or(0)
                    + 1,
                next: 0,
                target: 0.0,
                count: 0,
            })
            .collect();
        let places = match entries.as_mut_slice() {
            [] => Places::Nobody,
            [only] => {
                // Envoy counts one entry for it.
                only.count = 1;
                Places::One(only.host)
            }
            many => Places::Many(fill(many, size)),
        };
        let counts = || entries.iter().map(|entry| entry.count);
        let evenness = counts().max().map(|most| Evenness {
            size,
            min_per_host: counts().min().unwrap_or(0).min(size),
            max_per_host: most,
        });
        Self { places, evenness }
    }

    #[inline]
    pub(super) fn pick(&self, hash: u64, attempt: u32) -> Option<u32> {
        let places = match &self.places {
            Places::Nobody => return None,
            Places::One(host) => return Some(*host),
            Places::Many(places) => places,
        };
        let hash = match attempt {
            0 => hash,
            attempt => hash ^ u64::MAX.wrapping_sub(attempt.into()).wrapping_add(1),
        };
        let place = hash.checked_rem(places.len() as u64)?;
        places.get(usize::try_from(place).ok()?).copied()
    }
}

/// Goes round the hosts until no place is free; those with the greatest share take one each time.
fn fill(entries: &mut [Entry], size: u64) -> Box<[u32]> {
    let greatest = entries.iter().map(|entry| entry.share).fold(0.0, f64::max);
    let mut places = vec![FREE; usize::try_from(size).unwrap_or(0)].into_boxed_slice();
    let mut free = places.len();
    let mut round = 0.0;
    while free > 0 {
        round += 1.0;
        for entry in entries.iter_mut() {
            if free == 0 {
                break;
            }
            if round * entry.share < entry.target {
                continue;
            }
            entry.target += greatest;
            while !entry.take_next(&mut places, size) {}
            free -= 1;
        }
    }
    places
}

impl Entry {
    /// Takes the next place of its order if it is free.
    fn take_next(&mut self, places: &mut [u32], size: u64) -> bool {
        let step = self.skip.wrapping_mul(self.next);
        let place = self
            .offset
            .wrapping_add(step)
            .checked_rem(size)
            .unwrap_or(0);
        self.next += 1;
        let place = usize::try_from(place)
            .ok()
            .and_then(|at| places.get_mut(at));
        let Some(place) = place.filter(|host| **host == FREE) else {
            return false;
        };
        *place = self.host;
        self.count += 1;
        true
    }
}
