//! The map itself: arena, entries, slots.

use std::fmt;

use super::iter::{Header, Iter, Values};
use super::key::HeaderKey;
use super::known::{Known, MapKind};
use super::original_case::OriginalCase;
use super::pool;

/// Most bytes that an arena holds.
const MAX_ARENA_BYTES: usize = 256 << 20;
/// Entry number of a name that is not a known one.
const CUSTOM: u8 = u8::MAX;
/// Entry number of a header that was removed.
const REMOVED: u8 = u8::MAX - 1;
/// Slot content when the first entry of the name lies beyond what a byte can say.
const FAR: u8 = u8::MAX;
/// Removed entries and dead bytes are swept once there are this many more than live ones.
const SWEEP_ENTRIES: usize = 64;
const SWEEP_BYTES: usize = 8 * 1024;

/// The memory of a map; what the pool keeps.
#[derive(Clone, Default)]
pub(super) struct Storage {
    pub(super) arena: Vec<u8>,
    pub(super) pseudo: Vec<Entry>,
    pub(super) entries: Vec<Entry>,
}

/// Where the name and the value of one header lie. A known name is not in the arena.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    name_start: u32,
    name_len: u32,
    value_start: u32,
    value_len: u32,
    number: u8,
}

impl Entry {
    #[inline]
    pub(super) fn is_removed(&self) -> bool {
        self.number == REMOVED
    }
}

/// An ordered multimap of headers; see the module's documentation.
pub struct HeaderMap {
    storage: Storage,
    /// One past the index of the first entry of each known name; 0 when there is none.
    slots: [u8; Known::COUNT],
    kind: MapKind,
    overfull: bool,
    live: u32,
    byte_size: u32,
    original_case: Option<Box<OriginalCase>>,
}

impl HeaderMap {
    /// An empty map of this kind.
    pub fn new(kind: MapKind) -> Self {
        Self {
            storage: pool::take(),
            slots: [0; Known::COUNT],
            kind,
            overfull: false,
            live: 0,
            byte_size: 0,
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
    pub fn reset(&mut self, kind: MapKind) {
        self.storage.arena.clear();
        self.storage.pseudo.clear();
        self.storage.entries.clear();
        self.slots = [0; Known::COUNT];
        self.kind = kind;
        self.overfull = false;
        self.live = 0;
        self.byte_size = 0;
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
            Some(known) => self.first_of(known).map(|entry| self.value(entry)),
            None => self
                .entries_for(key.bytes())
                .iter()
                .find(|entry| self.is_named(entry, CUSTOM, key.bytes()))
                .map(|entry| self.value(entry)),
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
        self.get(key).is_some()
    }

    /// All values of a known name, in order.
    pub fn get_all(&self, known: Known) -> Values<'_> {
        let known = self.resolve(Some(known)).unwrap_or(known);
        self.values(known as u8, known.as_bytes(), self.entries_of(known))
    }

    /// All values of a name, in order.
    pub fn get_all_named<'a>(&'a self, name: &'a super::HeaderName) -> Values<'a> {
        match name.known() {
            Some(known) => self.get_all(known),
            None => self.values(CUSTOM, name.as_bytes(), self.entries_for(name.as_bytes())),
        }
    }

    fn values<'a>(&'a self, number: u8, name: &'a [u8], entries: &'a [Entry]) -> Values<'a> {
        Values {
            map: self,
            entries: entries.iter(),
            number,
            name,
        }
    }

    /// All headers: pseudo-headers first, then the others in order.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self, &self.storage.pseudo, &self.storage.entries)
    }

    /// All headers but the pseudo-headers, in order.
    #[inline]
    pub fn iter_regular(&self) -> Iter<'_> {
        Iter::new(self, &[], &self.storage.entries)
    }

    /// Adds a header at the end; a name that Envoy treats as inline in this kind of
    /// map is joined to the one that is there instead.
    #[inline]
    pub fn append(&mut self, key: impl HeaderKey, value: &[u8]) {
        match self.resolve(key.known()) {
            Some(known) => self.append_known(known, value),
            None => self.append_custom(key.bytes(), value),
        }
    }

    /// Adds a header as it came from a peer: the name in any case, valid or not.
    /// The caller has checked both against [`super::is_token`] and [`super::is_valid_value`].
    #[inline]
    pub fn append_from_wire(&mut self, name: &[u8], value: &[u8]) {
        self.append_found(Known::find(name), name, value);
    }

    /// The same, for a name that was already looked up with [`Known::find`].
    #[inline]
    pub fn append_found(&mut self, known: Option<Known>, name: &[u8], value: &[u8]) {
        match self.resolve(known) {
            Some(known) => self.append_known(known, value),
            None => self.append_custom(name, value),
        }
    }

    /// Joins a value to the first header of the name: with "; " for `cookie`, with a
    /// comma for all others; adds it when there is none. An empty value changes nothing.
    pub fn append_joined(&mut self, key: impl HeaderKey, value: &[u8]) {
        match self.find_index(&key) {
            Some(at) => {
                let delimiter: &[u8] = match key.known() {
                    Some(Known::Cookie) => b"; ",
                    _ => b",",
                };
                self.join(at, delimiter, value);
            }
            None => self.append(key, value),
        }
    }

    /// Replaces the value where the header stands, and removes further ones of the
    /// name; adds it at the end when there is none.
    pub fn set(&mut self, key: impl HeaderKey, value: &[u8]) {
        let Some(at) = self.find_index(&key) else {
            return self.append(key, value);
        };
        if self.kind_joins(&key) {
            // At most one can be there.
            return self.overwrite(at, value);
        }
        self.overwrite(at, value);
        self.remove_from(at.after(), &key);
    }

    /// [`HeaderMap::set`] with a decimal number.
    pub fn set_integer(&mut self, key: impl HeaderKey, number: u64) {
        let mut digits = [0; 20];
        self.set(key, decimal(number, &mut digits));
    }

    /// Removes all headers of the name and adds one at the end.
    pub fn replace(&mut self, key: impl HeaderKey, value: &[u8]) {
        match self.resolve(key.known()) {
            Some(known) => {
                self.remove(known);
                self.append_known(known, value);
            }
            None => {
                if let Some(at) = self.find_index(&key) {
                    self.remove_found(at, &key);
                }
                self.append_custom(key.bytes(), value);
            }
        }
    }

    /// Removes all headers of the name; how many there were.
    #[inline]
    pub fn remove(&mut self, key: impl HeaderKey) -> usize {
        match self.find_index(&key) {
            Some(at) => self.remove_found(at, &key),
            None => 0,
        }
    }

    /// Removes all headers whose name begins with `prefix` (in lower case).
    pub fn remove_prefix(&mut self, prefix: &[u8]) -> usize {
        self.remove_if(|header| header.name.starts_with(prefix))
    }

    /// Removes all headers for which `condemned` says so; how many there were.
    pub fn remove_if(&mut self, mut condemned: impl FnMut(Header<'_>) -> bool) -> usize {
        let before = self.live;
        for pseudo in [true, false] {
            for index in 0..self.list(pseudo).len() {
                let at = Position { pseudo, index };
                let is_condemned = self
                    .entry(at)
                    .is_some_and(|entry| !entry.is_removed() && condemned(self.header(entry)));
                if is_condemned {
                    self.discard(at);
                }
            }
        }
        self.rebuild_slots();
        self.sweep_if_due();
        (before - self.live) as usize
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

/// Where an entry lies: in which list, and at which index.
#[derive(Clone, Copy)]
struct Position {
    pseudo: bool,
    index: usize,
}

impl Position {
    fn after(self) -> Self {
        Self {
            index: self.index + 1,
            ..self
        }
    }
}

impl HeaderMap {
    #[inline]
    pub(super) fn value(&self, entry: &Entry) -> &[u8] {
        self.bytes(entry.value_start, entry.value_len)
    }

    #[inline]
    fn name(&self, entry: &Entry) -> &[u8] {
        match Known::from_number(entry.number) {
            Some(known) => known.as_bytes(),
            None => self.bytes(entry.name_start, entry.name_len),
        }
    }

    #[inline]
    fn bytes(&self, start: u32, len: u32) -> &[u8] {
        let start = start as usize;
        self.storage
            .arena
            .get(start..start + len as usize)
            .unwrap_or_default()
    }

    #[inline]
    pub(super) fn header(&self, entry: &Entry) -> Header<'_> {
        Header {
            name: self.name(entry),
            value: self.value(entry),
            known: Known::from_number(entry.number),
        }
    }

    #[inline]
    pub(super) fn is_named(&self, entry: &Entry, number: u8, name: &[u8]) -> bool {
        entry.number == number
            && (number != CUSTOM
                || (entry.name_len as usize == name.len() && self.name(entry) == name))
    }

    /// `host` in a request is `:authority`.
    #[inline]
    fn resolve(&self, known: Option<Known>) -> Option<Known> {
        match known {
            Some(Known::Host) if self.kind == MapKind::Request => Some(Known::Authority),
            other => other,
        }
    }

    fn kind_joins(&self, key: &impl HeaderKey) -> bool {
        self.resolve(key.known())
            .is_some_and(|known| known.is_joined_in(self.kind))
    }

    #[inline]
    fn list(&self, pseudo: bool) -> &Vec<Entry> {
        if pseudo {
            &self.storage.pseudo
        } else {
            &self.storage.entries
        }
    }

    #[inline]
    fn list_mut(&mut self, pseudo: bool) -> &mut Vec<Entry> {
        if pseudo {
            &mut self.storage.pseudo
        } else {
            &mut self.storage.entries
        }
    }

    #[inline]
    fn entry(&self, at: Position) -> Option<&Entry> {
        self.list(at.pseudo).get(at.index)
    }

    fn entries_for(&self, name: &[u8]) -> &[Entry] {
        self.list(name.first() == Some(&b':'))
    }

    /// The entries from the first one of a known name on; empty when there is none.
    fn entries_of(&self, known: Known) -> &[Entry] {
        match self.known_index(known) {
            Some(index) => self
                .list(known.is_pseudo())
                .get(index..)
                .unwrap_or_default(),
            None => &[],
        }
    }

    #[inline]
    fn known_index(&self, known: Known) -> Option<usize> {
        match self.slots[known as usize] {
            0 => None,
            FAR => {
                let list = self.list(known.is_pseudo());
                list.iter().position(|entry| entry.number == known as u8)
            }
            slot => Some(usize::from(slot) - 1),
        }
    }

    #[inline]
    fn first_of(&self, known: Known) -> Option<&Entry> {
        let index = self.known_index(known)?;
        self.list(known.is_pseudo()).get(index)
    }

    #[inline]
    fn find_index(&self, key: &impl HeaderKey) -> Option<Position> {
        if let Some(known) = self.resolve(key.known()) {
            return self.known_index(known).map(|index| Position {
                pseudo: known.is_pseudo(),
                index,
            });
        }
        let pseudo = key.bytes().first() == Some(&b':');
        let index = self
            .list(pseudo)
            .iter()
            .position(|entry| self.is_named(entry, CUSTOM, key.bytes()))?;
        Some(Position { pseudo, index })
    }

    #[inline]
    fn append_known(&mut self, known: Known, value: &[u8]) {
        if let Some(index) = self.known_index(known) {
            if known.is_joined_in(self.kind) {
                let pseudo = known.is_pseudo();
                return self.join(Position { pseudo, index }, b",", value);
            }
        } else {
            let list = self.list(known.is_pseudo());
            self.slots[known as usize] = slot_for(list.len());
        }
        self.append_unjoined(known, value);
    }

    #[inline]
    fn append_unjoined(&mut self, known: Known, value: &[u8]) {
        let name_len = known.as_bytes().len();
        if !self.has_room(name_len + value.len()) {
            return self.rebuild_slots();
        }
        let value_start = self.storage.arena.len();
        self.storage.arena.extend_from_slice(value);
        self.add_entry(
            known.is_pseudo(),
            known as u8,
            (0, name_len),
            (value_start, value.len()),
        );
    }

    fn append_custom(&mut self, name: &[u8], value: &[u8]) {
        if !self.has_room(name.len() + value.len()) {
            return;
        }
        let arena = &mut self.storage.arena;
        arena.reserve(name.len() + value.len());
        let name_start = arena.len();
        arena.extend_from_slice(name);
        if let Some(copied) = arena.get_mut(name_start..) {
            copied.make_ascii_lowercase();
        }
        let value_start = arena.len();
        arena.extend_from_slice(value);
        let pseudo = name.first() == Some(&b':');
        let name = (name_start, name.len());
        self.add_entry(pseudo, CUSTOM, name, (value_start, value.len()));
    }

    #[inline]
    fn has_room(&mut self, count: usize) -> bool {
        let fits = self.storage.arena.len() + count <= MAX_ARENA_BYTES;
        self.overfull |= !fits;
        fits
    }

    /// Adds an entry whose name and value (start and length) are in the arena.
    #[inline]
    fn add_entry(&mut self, pseudo: bool, number: u8, name: (usize, usize), value: (usize, usize)) {
        // The bound on the arena keeps all four within u32.
        let entry = Entry {
            name_start: name.0 as u32,
            name_len: name.1 as u32,
            value_start: value.0 as u32,
            value_len: value.1 as u32,
            number,
        };
        self.list_mut(pseudo).push(entry);
        self.live += 1;
        self.byte_size += entry.name_len + entry.value_len;
    }

    fn join(&mut self, at: Position, delimiter: &[u8], value: &[u8]) {
        let Some(entry) = self.entry(at).copied() else {
            return;
        };
        if value.is_empty() {
            return;
        }
        if entry.value_len == 0 {
            return self.overwrite(at, value);
        }
        let old = entry.value_start as usize..(entry.value_start + entry.value_len) as usize;
        let joined_len = old.len() + delimiter.len() + value.len();
        let arena = &mut self.storage.arena;
        if arena.len() + joined_len > MAX_ARENA_BYTES {
            self.overfull = true;
            return;
        }
        let start = if old.end == arena.len() {
            old.start
        } else {
            let start = arena.len();
            arena.extend_from_within(old);
            start
        };
        arena.extend_from_slice(delimiter);
        arena.extend_from_slice(value);
        self.move_value(at, start as u32, joined_len as u32);
    }

    fn overwrite(&mut self, at: Position, value: &[u8]) {
        let Some(entry) = self.entry(at).copied() else {
            return;
        };
        let start = entry.value_start as usize;
        let arena = &mut self.storage.arena;
        if value.len() <= entry.value_len as usize
            && let Some(room) = arena.get_mut(start..start + value.len())
        {
            room.copy_from_slice(value);
            return self.move_value(at, entry.value_start, value.len() as u32);
        }
        if arena.len() + value.len() > MAX_ARENA_BYTES {
            self.overfull = true;
            return;
        }
        let start = arena.len();
        arena.extend_from_slice(value);
        self.move_value(at, start as u32, value.len() as u32);
    }

    fn move_value(&mut self, at: Position, start: u32, len: u32) {
        if let Some(entry) = self.list_mut(at.pseudo).get_mut(at.index) {
            let old_len = entry.value_len;
            entry.value_start = start;
            entry.value_len = len;
            self.byte_size = self.byte_size - old_len + len;
        }
        if self.storage.arena.len() > 2 * self.byte_size as usize + SWEEP_BYTES {
            self.sweep();
        }
    }

    /// Removes the headers of the name, of which the first is at `at`.
    fn remove_found(&mut self, at: Position, key: &impl HeaderKey) -> usize {
        let removed = if self.kind_joins(key) {
            self.discard(at);
            1
        } else {
            self.remove_from(at, key)
        };
        if let Some(known) = self.resolve(key.known()) {
            self.slots[known as usize] = 0;
        }
        self.sweep_if_due();
        removed
    }

    /// Removes the headers of the name from this position on.
    fn remove_from(&mut self, at: Position, key: &impl HeaderKey) -> usize {
        let known = self.resolve(key.known());
        let (number, name) = match known {
            Some(known) => (known as u8, known.as_bytes()),
            None => (CUSTOM, key.bytes()),
        };
        let before = self.live;
        for index in at.index..self.list(at.pseudo).len() {
            let at = Position { index, ..at };
            if self
                .entry(at)
                .is_some_and(|entry| self.is_named(entry, number, name))
            {
                self.discard(at);
            }
        }
        (before - self.live) as usize
    }

    fn discard(&mut self, at: Position) {
        if let Some(entry) = self.list_mut(at.pseudo).get_mut(at.index) {
            let size = entry.name_len + entry.value_len;
            entry.number = REMOVED;
            self.live -= 1;
            self.byte_size -= size;
        }
    }

    /// Sweeps if removed headers outnumber the live ones by far.
    fn sweep_if_due(&mut self) {
        let entries = self.storage.entries.len() + self.storage.pseudo.len();
        if entries > 2 * self.live as usize + SWEEP_ENTRIES {
            self.sweep();
        }
    }

    fn rebuild_slots(&mut self) {
        self.slots = [0; Known::COUNT];
        for list in [&self.storage.pseudo, &self.storage.entries] {
            for (index, entry) in list.iter().enumerate() {
                if let Some(slot) = self.slots.get_mut(usize::from(entry.number))
                    && *slot == 0
                {
                    *slot = slot_for(index);
                }
            }
        }
    }

    /// Copies what is live into fresh memory, so that endless rewriting stays bounded.
    fn sweep(&mut self) {
        let mut swept = HeaderMap::new(self.kind);
        for header in self.iter() {
            match header.known {
                Some(known) => swept.append_unjoined(known, header.value),
                None => swept.append_custom(header.name, header.value),
            }
        }
        std::mem::swap(&mut self.storage, &mut swept.storage);
        self.rebuild_slots();
    }
}

fn slot_for(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(FAR)
}

/// Writes `number` in decimal at the end of `digits`; the part that holds it.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
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
        copy.slots = self.slots;
        copy.overfull = self.overfull;
        copy.live = self.live;
        copy.byte_size = self.byte_size;
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
