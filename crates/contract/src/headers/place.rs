//! Keeping arena, entries and slots in step.

use super::entry::{CUSTOM, Entry, Position, REMOVED};
use super::key::HeaderKey;
use super::known::Known;
use super::lookup::slot_for;
use super::map::HeaderMap;

/// Most bytes that an arena holds.
const MAX_ARENA_BYTES: usize = 256 << 20;
/// Removed entries and dead bytes are swept once there are this many more than live ones.
const SWEEP_ENTRIES: usize = 64;
const SWEEP_BYTES: usize = 8 * 1024;

impl HeaderMap {
    #[inline]
    pub(super) fn append_known(&mut self, known: Known, value: &[u8]) {
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
    pub(super) fn append_unjoined(&mut self, known: Known, value: &[u8]) {
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

    pub(super) fn append_custom(&mut self, name: &[u8], value: &[u8]) {
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
    pub(super) fn has_room(&mut self, count: usize) -> bool {
        let fits = self.storage.arena.len() + count <= MAX_ARENA_BYTES;
        self.overfull |= !fits;
        fits
    }

    /// Adds an entry whose name and value (start and length) are in the arena.
    #[inline]
    pub(super) fn add_entry(
        &mut self,
        pseudo: bool,
        number: u8,
        name: (usize, usize),
        value: (usize, usize),
    ) {
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

    pub(super) fn join(&mut self, at: Position, delimiter: &[u8], value: &[u8]) {
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

    pub(super) fn overwrite(&mut self, at: Position, value: &[u8]) {
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

    pub(super) fn move_value(&mut self, at: Position, start: u32, len: u32) {
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
    pub(super) fn remove_found(&mut self, at: Position, key: &impl HeaderKey) -> usize {
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
    pub(super) fn remove_from(&mut self, at: Position, key: &impl HeaderKey) -> usize {
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
                .is_some_and(|entry| entry.is_named(&self.storage.arena, number, name))
            {
                self.discard(at);
            }
        }
        (before - self.live) as usize
    }

    pub(super) fn discard(&mut self, at: Position) {
        if let Some(entry) = self.list_mut(at.pseudo).get_mut(at.index) {
            let size = entry.name_len + entry.value_len;
            entry.number = REMOVED;
            self.live -= 1;
            self.byte_size -= size;
        }
    }

    /// Sweeps if removed headers outnumber the live ones by far.
    pub(super) fn sweep_if_due(&mut self) {
        let entries = self.storage.entries.len() + self.storage.pseudo.len();
        if entries > 2 * self.live as usize + SWEEP_ENTRIES {
            self.sweep();
        }
    }

    pub(super) fn rebuild_slots(&mut self) {
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
    pub(super) fn sweep(&mut self) {
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
