//! The map itself, and reading it.

use std::fmt;

use super::entry::{CUSTOM, Entry, Storage};
use super::iter::{Iter, Values};
use super::key::HeaderKey;
use super::known::{Known, MapKind};
use super::known_set::KnownSet;
use super::name::HeaderName;
use super::original_case::OriginalCase;
use super::pool;
use super::run::Run;
use super::slots::Slots;

/// An ordered multimap of headers; see the module's documentation.
pub struct HeaderMap {
    pub(super) storage: Storage,
    pub(super) slots: Slots,
    pub(super) kind: MapKind,
    pub(super) overfull: bool,
    pub(super) live: u32,
    pub(super) byte_size: u32,
    pub(super) run: Run,
    original_case: Option<Box<OriginalCase>>,
}

impl HeaderMap {
    /// An empty map of this kind.
    pub fn new(kind: MapKind) -> Self {
        Self {
            storage: pool::take(),
            slots: Slots::new(),
            kind,
            overfull: false,
            live: 0,
            byte_size: 0,
            run: Run::default(),
            original_case: None,
        }
    }

    /// An empty map of request headers.
    pub fn request() -> Self {
        Self::new(MapKind::Request)
    }

    /// An empty map of response headers.
    pub fn response() -> Self {
        Self::new(MapKind::Response)
    }

    /// What the headers belong to.
    pub fn kind(&self) -> MapKind {
        self.kind
    }

    /// How many headers there are, pseudo-headers too.
    #[inline]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The lengths of all names and values together.
    #[inline]
    pub fn byte_size(&self) -> usize {
        self.byte_size as usize
    }

    /// Whether something was refused because the map is full (256 MiB).
    pub fn is_overfull(&self) -> bool {
        self.overfull
    }

    /// How much memory the map holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let entries = self.storage.entries.capacity() + self.storage.pseudo.capacity();
        self.storage.arena.capacity() + entries * size_of::<Entry>()
    }

    /// Removes everything and becomes a map of `kind`; keeps the memory.
    #[inline]
    pub fn reset(&mut self, kind: MapKind) {
        self.kind = kind;
        // Many are reset that nothing was put into; of a pseudo-header without a value there is nothing in the arena.
        let storage = &self.storage;
        let is_new = storage.arena.is_empty() && storage.pseudo.is_empty();
        if !is_new || self.overfull || self.original_case.is_some() {
            self.empty();
        }
    }

    #[inline(never)]
    fn empty(&mut self) {
        self.storage.arena.clear();
        self.storage.pseudo.clear();
        self.storage.entries.clear();
        self.slots.clear();
        self.overfull = false;
        self.live = 0;
        self.byte_size = 0;
        self.run = Run::default();
        self.original_case = None;
    }

    /// Removes everything; keeps the memory and the kind.
    pub fn clear(&mut self) {
        self.reset(self.kind);
    }

    /// The first value of a name. `host` in a request is `:authority`.
    #[inline]
    pub fn get(&self, key: impl HeaderKey) -> Option<&[u8]> {
        match self.resolve(key.known()) {
            Some(known) => self
                .first_of(known)
                .map(|entry| entry.value(&self.storage.arena)),
            None => self
                .entries_for(key.bytes())
                .iter()
                .find(|entry| entry.is_named(&self.storage.arena, CUSTOM, key.bytes()))
                .map(|entry| entry.value(&self.storage.arena)),
        }
    }

    /// The first value of a name as text, if it is UTF-8.
    pub fn get_str(&self, key: impl HeaderKey) -> Option<&str> {
        self.get(key)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Whether there is a header of this name.
    #[inline]
    pub fn contains(&self, key: impl HeaderKey) -> bool {
        match self.resolve(key.known()) {
            Some(known) => self.slots.get(known).is_some(),
            None => self.get(key).is_some(),
        }
    }

    /// Whether there is a header of any of these names, `host` apart, which is not among them.
    #[inline]
    pub fn contains_any(&self, names: &KnownSet) -> bool {
        self.slots.present().meets(names)
    }

    /// All values of a known name, in order.
    pub fn get_all(&self, known: Known) -> Values<'_> {
        let known = self.resolve(Some(known)).unwrap_or(known);
        self.values(known as u8, known.as_bytes(), self.entries_of(known))
    }

    /// All values of a name, in order.
    pub fn get_all_named<'a>(&'a self, name: &'a HeaderName) -> Values<'a> {
        match name.known() {
            Some(known) => self.get_all(known),
            None => self.values(CUSTOM, name.as_bytes(), self.entries_for(name.as_bytes())),
        }
    }

    fn values<'a>(&'a self, number: u8, name: &'a [u8], entries: &'a [Entry]) -> Values<'a> {
        Values {
            arena: &self.storage.arena,
            entries: entries.iter(),
            number,
            name,
        }
    }

    /// All headers: pseudo-headers first, then the others in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(
            &self.storage.arena,
            &self.storage.pseudo,
            &self.storage.entries,
        )
    }

    /// All headers but the pseudo-headers, in order.
    #[inline]
    pub fn iter_regular(&self) -> Iter<'_> {
        Iter::new(&self.storage.arena, &[], &self.storage.entries)
    }

    /// Appends all headers but the pseudo-headers as lines of HTTP/1: the name in lower case, a colon, a space,
    /// the value, CR LF. Headers that lie beside each other, as those of a peer do, are copied in one piece.
    #[inline]
    pub fn write_lines(&self, out: &mut Vec<u8>) {
        match self.run.whole() {
            Some(lines) => {
                out.extend_from_slice(self.storage.arena.get(lines).unwrap_or_default());
            }
            None => self.write_scattered_lines(out),
        }
    }

    #[inline(never)]
    fn write_scattered_lines(&self, out: &mut Vec<u8>) {
        let arena = &self.storage.arena;
        let mut run = 0..0;
        for entry in self
            .storage
            .entries
            .iter()
            .filter(|entry| !entry.is_removed())
        {
            let line = entry.line();
            if line.start != run.end {
                out.extend_from_slice(arena.get(run).unwrap_or_default());
                run = line;
            } else {
                run.end = line.end;
            }
        }
        out.extend_from_slice(arena.get(run).unwrap_or_default());
    }

    /// The spellings that the peer used, when the codec was told to keep them.
    pub fn original_case(&self) -> Option<&OriginalCase> {
        self.original_case.as_deref()
    }

    /// Starts keeping the peer's spellings.
    pub fn keep_original_case(&mut self) -> &mut OriginalCase {
        self.original_case.get_or_insert_default()
    }
}

impl Drop for HeaderMap {
    fn drop(&mut self) {
        pool::give(std::mem::take(&mut self.storage));
    }
}

impl Default for HeaderMap {
    fn default() -> Self {
        Self::request()
    }
}

impl Clone for HeaderMap {
    fn clone(&self) -> Self {
        let mut copy = HeaderMap::new(self.kind);
        copy.storage.arena.extend_from_slice(&self.storage.arena);
        copy.storage
            .entries
            .extend_from_slice(&self.storage.entries);
        copy.storage.pseudo.extend_from_slice(&self.storage.pseudo);
        copy.slots.clone_from(&self.slots);
        copy.overfull = self.overfull;
        copy.live = self.live;
        copy.byte_size = self.byte_size;
        copy.run = self.run;
        copy.original_case.clone_from(&self.original_case);
        copy
    }
}

impl PartialEq for HeaderMap {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.iter().eq(other.iter())
    }
}

impl Eq for HeaderMap {}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|header| {
                (
                    String::from_utf8_lossy(header.name),
                    String::from_utf8_lossy(header.value),
                )
            }))
            .finish()
    }
}
