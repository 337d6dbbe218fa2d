//! Keeping arena, entries and slots in step.

use super::entry::{CUSTOM, Entry, LINE_OVERHEAD, Position, REMOVED};
use super::key::HeaderKey;
use super::known::Known;
use super::lower_case::lower_case;
use super::map::HeaderMap;

/// Most bytes that an arena holds.
const MAX_ARENA_BYTES: usize = 256 << 20;
/// Removed entries and dead bytes are swept once there are this many more than live ones.
const SWEEP_ENTRIES: usize = 64;
const SWEEP_BYTES: usize = 8 * 1024;

impl HeaderMap {
    #[inline(never)]
    pub(super) fn append_known(&mut self, known: Known, value: &[u8]) {
        if known.is_joined_in(self.kind)
            && let Some(index) = self.known_index(known)
        {
            let pseudo = known.is_pseudo();
            return self.join(Position { pseudo, index }, b",", value);
        }
        self.append_unjoined(known, value);
    }

    // Not inlined, as little here is that a request does many times: a copy in each place would crowd the processor's
    // instruction cache, which the way of a request fills twice.
    #[inline(never)]
    pub(super) fn append_unjoined(&mut self, known: Known, value: &[u8]) {
        if known.is_pseudo() {
            return self.append_pseudo(known, value);
        }
        let line_start = known.line_start();
        let name_len = line_start.name_len();
        if !self.has_room(name_len + LINE_OVERHEAD + value.len()) {
            return;
        }
        if self.slots.get(known).is_none() {
            self.slots.set(known, self.storage.entries.len());
        }
        let arena = &mut self.storage.arena;
        let name_start = arena.len();
        line_start.append_to(arena);
        let value_start = arena.len();
        arena.extend_from_slice(value);
        arena.extend_from_slice(b"\r\n");
        let name = (name_start, name_len);
        self.add_entry(false, known as u8, name, (value_start, value.len()));
    }

    #[inline(never)]
    fn append_pseudo(&mut self, known: Known, value: &[u8]) {
        let name_len = known.name_len();
        if !self.has_room(name_len + LINE_OVERHEAD + value.len()) {
            return;
        }
        if self.slots.get(known).is_none() {
            self.slots.set(known, self.storage.pseudo.len());
        }
        let arena = &mut self.storage.arena;
        let value_start = arena.len();
        arena.extend_from_slice(value);
        self.add_entry(true, known as u8, (0, name_len), (value_start, value.len()));
    }

    pub(super) fn append_custom(&mut self, name: &[u8], value: &[u8]) {
        if !self.has_room(name.len() + LINE_OVERHEAD + value.len()) {
            return;
        }
        let arena = &mut self.storage.arena;
        arena.reserve(name.len() + LINE_OVERHEAD + value.len());
        let name_start = arena.len();
        arena.extend_from_slice(name);
        if let Some(copied) = arena.get_mut(name_start..) {
            copied.make_ascii_lowercase();
        }
        arena.extend_from_slice(b": ");
        let value_start = arena.len();
        arena.extend_from_slice(value);
        arena.extend_from_slice(b"\r\n");
        let pseudo = name.first() == Some(&b':');
        let name = (name_start, name.len());
        self.add_entry(pseudo, CUSTOM, name, (value_start, value.len()));
    }

    /// Adds a line as it came, the name in any case; nothing is joined, and `number` is no pseudo-header's.
    #[inline]
    pub(super) fn append_whole_line(&mut self, number: u8, line: &[u8], name_len: usize) {
        if !self.has_room(line.len()) {
            return self.rebuild_slots();
        }
        let arena = &mut self.storage.arena;
        let name_start = arena.len();
        arena.extend_from_slice(line);
        if let Some(name) = arena.get_mut(name_start..name_start + name_len) {
            lower_case(name);
        }
        let value_len = line.len().saturating_sub(name_len + LINE_OVERHEAD);
        let value = (name_start + name_len + 2, value_len);
        self.add_entry(false, number, (name_start, name_len), value);
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
        if !pseudo {
            let is_first = self.storage.entries.is_empty();
            self.run.add(entry.line_in_u32(), is_first);
        }
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
        let added = delimiter.len() + value.len();
        if !self.has_room(entry.line().len() + added) {
            return;
        }
        let (name_start, value_start) = self.value_to_the_end(at, &entry);
        let arena = &mut self.storage.arena;
        arena.extend_from_slice(delimiter);
        arena.extend_from_slice(value);
        let value_len = arena.len() - value_start;
        self.end_line(at);
        self.move_value(at, (name_start, value_start), value_len);
    }

    /// Makes the value the last thing in the arena, with its name before it and nothing behind it; where they
    /// then begin.
    fn value_to_the_end(&mut self, at: Position, entry: &Entry) -> (usize, usize) {
        let arena = &mut self.storage.arena;
        let (name_start, value_start) = (entry.name_start as usize, entry.value_start as usize);
        let value_end = value_start + entry.value_len as usize;
        let line_end = if at.pseudo { value_end } else { value_end + 2 };
        if line_end == arena.len() {
            arena.truncate(value_end);
            return (name_start, value_start);
        }
        let new_start = arena.len();
        if at.pseudo {
            arena.extend_from_within(value_start..value_end);
            return (name_start, new_start);
        }
        arena.extend_from_within(name_start..value_end);
        (new_start, new_start + (value_start - name_start))
    }

    fn end_line(&mut self, at: Position) {
        if !at.pseudo {
            self.storage.arena.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn overwrite(&mut self, at: Position, value: &[u8]) {
        let Some(entry) = self.entry(at).copied() else {
            return;
        };
        let (name_start, start) = (entry.name_start as usize, entry.value_start as usize);
        let arena = &mut self.storage.arena;
        if value.len() <= entry.value_len as usize
            && let Some(room) = arena.get_mut(start..start + value.len())
        {
            room.copy_from_slice(value);
            if !at.pseudo
                && let Some(end) = arena.get_mut(start + value.len()..start + value.len() + 2)
            {
                end.copy_from_slice(b"\r\n");
            }
            return self.move_value(at, (name_start, start), value.len());
        }
        if !self.has_room(entry.name_len as usize + LINE_OVERHEAD + value.len()) {
            return;
        }
        let arena = &mut self.storage.arena;
        let new_start = arena.len();
        if !at.pseudo {
            arena.extend_from_within(name_start..start);
        }
        let value_start = arena.len();
        arena.extend_from_slice(value);
        self.end_line(at);
        let name_start = if at.pseudo { name_start } else { new_start };
        self.move_value(at, (name_start, value_start), value.len());
    }

    /// Notes where name and value lie now. The bound on the arena keeps all within u32.
    fn move_value(&mut self, at: Position, starts: (usize, usize), len: usize) {
        if let Some(entry) = self.list_mut(at.pseudo).get_mut(at.index) {
            let old_len = entry.value_len;
            let was_at = (entry.name_start, old_len);
            entry.name_start = starts.0 as u32;
            entry.value_start = starts.1 as u32;
            entry.value_len = len as u32;
            if !at.pseudo && was_at != (entry.name_start, entry.value_len) {
                self.run.break_up();
            }
            self.byte_size = self.byte_size - old_len + len as u32;
        }
        let lines_bytes = self.byte_size as usize + LINE_OVERHEAD * self.live as usize;
        if self.storage.arena.len() > 2 * lines_bytes + SWEEP_BYTES {
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
            self.slots.remove(known);
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
            self.run.break_up();
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
        self.slots.clear();
        for list in [&self.storage.pseudo, &self.storage.entries] {
            for (index, entry) in list.iter().enumerate() {
                if let Some(known) = Known::from_number(entry.number)
                    && self.slots.get(known).is_none()
                {
                    self.slots.set(known, index);
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
        self.run = swept.run;
        self.rebuild_slots();
    }
}
