//! Finds what the encoder has put into its table: by hash, one place each, without chains. What is pushed out of its
//! place is merely sent again.

use nuncio_contract::headers::Known;

const PLACES: usize = 128;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The number of the entry (see `Table::inserted`) with each hash; 0 is none.
#[derive(Default)]
pub(super) struct Cache {
    whole: Vec<u64>,
    names: Vec<u64>,
}

/// Hashes of a header and of its name alone.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    whole: u64,
    name: u64,
}

impl Hashes {
    #[inline]
    pub(super) fn of(known: Option<Known>, name: &[u8], value: &[u8]) -> Self {
        let name = match known {
            Some(known) => mix(0, known as u64 + 1),
            None => hash(1, name),
        };
        Self {
            whole: hash(name, value),
            name,
        }
    }
}

impl Cache {
    #[inline]
    pub(super) fn whole(&self, hashes: Hashes) -> Option<u64> {
        find(&self.whole, hashes.whole)
    }

    #[inline]
    pub(super) fn name(&self, hashes: Hashes) -> Option<u64> {
        find(&self.names, hashes.name)
    }

    pub(super) fn remember(&mut self, hashes: Hashes, number: u64) {
        for (places, hash) in [
            (&mut self.whole, hashes.whole),
            (&mut self.names, hashes.name),
        ] {
            places.resize(PLACES, 0);
            if let Some(place) = places.get_mut(place(hash)) {
                *place = number;
            }
        }
    }
}

#[inline]
fn find(places: &[u64], hash: u64) -> Option<u64> {
    places
        .get(place(hash))
        .copied()
        .filter(|number| *number > 0)
}

#[inline]
fn place(hash: u64) -> usize {
    (hash >> 57) as usize
}

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER)
}

#[inline]
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = mix(seed, bytes.len() as u64);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(hash, u64::from_le_bytes(last))
}
