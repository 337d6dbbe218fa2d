//! Finds what the encoder has put into its table: by hash, in sets of four places. What is pushed out of its set is
//! merely sent again.

use nuncio_contract::headers::Known;

const SETS: usize = 32;
const WAYS: usize = 4;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// An entry of the encoder's table: a part of its hash, and its number (see `Table::inserted`), of which the lower bits
/// do, as what is found is compared. A number of 0 is none.
#[derive(Clone, Copy, Default)]
struct Place {
    tag: u32,
    number: u32,
}

/// Places by hash, made when the first entry is.
#[derive(Default)]
struct Places(Vec<[Place; WAYS]>);

/// Where entries with each hash are.
#[derive(Default)]
pub(super) struct Cache {
    whole: Places,
    names: Places,
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
    /// The lower bits of the number of the entry that may be this header.
    #[inline]
    pub(super) fn whole(&self, hashes: Hashes) -> Option<u32> {
        self.whole.find(hashes.whole)
    }

    /// The lower bits of the number of an entry that may have this name.
    #[inline]
    pub(super) fn name(&self, hashes: Hashes) -> Option<u32> {
        self.names.find(hashes.name)
    }

    pub(super) fn remember(&mut self, hashes: Hashes, number: u32) {
        self.whole.put(hashes.whole, number);
        self.names.put(hashes.name, number);
    }
}

impl Places {
    #[inline]
    fn find(&self, hash: u64) -> Option<u32> {
        let places = self.0.get(set(hash))?;
        let tag = hash as u32;
        let found = places
            .iter()
            .find(|place| place.tag == tag && place.number != 0);
        found.map(|place| place.number)
    }

    /// Takes the place of the same hash, or of the oldest entry.
    fn put(&mut self, hash: u64, number: u32) {
        self.0.resize(SETS, [Place::default(); WAYS]);
        let tag = hash as u32;
        let Some(places) = self.0.get_mut(set(hash)) else {
            return;
        };
        let is_same = |place: &Place| place.tag == tag && place.number != 0;
        let at = places.iter().position(is_same).or_else(|| {
            let age = |place: &Place| match place.number {
                0 => u32::MAX,
                older => number.wrapping_sub(older),
            };
            (0..WAYS).max_by_key(|at| places.get(*at).map(age))
        });
        if let Some(place) = at.and_then(|at| places.get_mut(at)) {
            *place = Place { tag, number };
        }
    }
}

#[inline]
fn set(hash: u64) -> usize {
    (hash >> 59) as usize
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
