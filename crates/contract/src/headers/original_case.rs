//! Header names and the reason phrase as the peer wrote them, for the `preserve_case` header formatter. A map has
//! none unless the codec asks.
//!
//! Names are found by a hash with a random key, so that a peer cannot make them collide; they are as many and as
//! long as the limits of a head allow.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Bytes that are lowered at once before they are hashed.
const HASHED_AT_ONCE: usize = 32;

/// The spelling of each name that arrived, and the reason phrase if kept.
#[derive(Clone, Default)]
pub struct OriginalCase {
    /// All names, one behind the other.
    text: Vec<u8>,
    names: HashTable<Spelling>,
    keys: DefaultHashBuilder,
    reason_phrase: Box<[u8]>,
    /// Whether names that the peer did not send are spelled `In-Proper-Words`.
    pub proper_words_for_added: bool,
}

/// Where a name stands in the text.
#[derive(Clone, Copy)]
struct Spelling {
    start: usize,
    end: usize,
}

impl OriginalCase {
    /// Remembers a spelling; the first one of a name wins.
    pub fn remember(&mut self, name: &[u8]) {
        let Self {
            text, names, keys, ..
        } = self;
        let hash = hash(keys, name);
        if names.find(hash, |known| known.is(name, text)).is_none() {
            let start = text.len();
            text.extend_from_slice(name);
            let end = text.len();
            names.insert_unique(hash, Spelling { start, end }, |known| {
                self::hash(keys, known.of(text))
            });
        }
    }

    /// The spelling of `name`, given in any case.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        let hash = hash(&self.keys, name);
        let found = self.names.find(hash, |known| known.is(name, &self.text));
        found.map(|known| known.of(&self.text))
    }

    /// Keeps the reason phrase of a response.
    pub fn set_reason_phrase(&mut self, phrase: &[u8]) {
        self.reason_phrase = phrase.into();
    }

    /// The reason phrase that was kept; empty when none was.
    pub fn reason_phrase(&self) -> &[u8] {
        &self.reason_phrase
    }
}

impl Spelling {
    fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start..self.end).unwrap_or_default()
    }

    fn is(self, name: &[u8], text: &[u8]) -> bool {
        self.of(text).eq_ignore_ascii_case(name)
    }
}

/// The same for names that differ in case alone.
fn hash(keys: &DefaultHashBuilder, name: &[u8]) -> u64 {
    let mut hasher = keys.build_hasher();
    for piece in name.chunks(HASHED_AT_ONCE) {
        let mut lowered = [0; HASHED_AT_ONCE];
        for (to, byte) in lowered.iter_mut().zip(piece) {
            *to = byte.to_ascii_lowercase();
        }
        hasher.write(&lowered);
    }
    hasher.finish()
}

impl fmt::Debug for OriginalCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.iter().map(|name| name.of(&self.text));
        let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
        f.debug_struct("OriginalCase")
            .field("names", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
