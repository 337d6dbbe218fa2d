//! The dynamic table (RFC 7541 section 2.3.2).
//!
//! Names and values lie behind each other in one arena; what was evicted is dropped from its front once that is worth
//! the copy. An entry keeps what was found out about its header.

use std::collections::VecDeque;

use nuncio_contract::headers::Known;

/// What an entry costs beside its name and value (RFC 7541 section 4.1).
const ENTRY_OVERHEAD: usize = 32;
/// Dead bytes that are kept at least before the arena is swept.
const MIN_SWEEP_BYTES: usize = 1024;

/// Where a header lies in the arena, and what is known of it.
#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
    known: Option<Known>,
    valid: bool,
}

impl Entry {
    fn size(&self) -> usize {
        self.name_len as usize + self.value_len as usize + ENTRY_OVERHEAD
    }
}

/// A header of the table.
#[derive(Clone, Copy)]
pub(super) struct TableField<'a> {
    pub(super) known: Option<Known>,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether its characters are those of a header.
    pub(super) valid: bool,
}

/// The entries, the newest first by index.
#[derive(Default)]
pub(super) struct Table {
    /// The oldest in front.
    entries: VecDeque<Entry>,
    arena: Vec<u8>,
    size: usize,
    max_size: usize,
    inserted: u64,
}

impl Table {
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            max_size,
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// How many entries were ever put in; the newest has this number.
    pub(super) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// The entry with this index; the newest has 0.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<TableField<'_>> {
        let at = self.entries.len().checked_sub(index + 1)?;
        let entry = self.entries.get(at)?;
        let start = entry.start as usize;
        let middle = start + entry.name_len as usize;
        Some(TableField {
            known: entry.known,
            name: self.arena.get(start..middle)?,
            value: self.arena.get(middle..middle + entry.value_len as usize)?,
            valid: entry.valid,
        })
    }

    /// Evicts what does not fit any more.
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(max_size);
    }

    /// Puts a header in. One that is larger than the whole table empties it instead.
    pub(super) fn insert(&mut self, field: TableField<'_>) {
        let size = field.name.len() + field.value.len() + ENTRY_OVERHEAD;
        self.evict(self.max_size.saturating_sub(size));
        if size > self.max_size {
            return;
        }
        self.sweep_if_due();
        let entry = Entry {
            // All that is in the arena is bounded by twice the table's size, which has 32 bits.
            start: self.arena.len() as u32,
            name_len: field.name.len() as u32,
            value_len: field.value.len() as u32,
            known: field.known,
            valid: field.valid,
        };
        self.arena.extend_from_slice(field.name);
        self.arena.extend_from_slice(field.value);
        self.entries.push_back(entry);
        self.size += size;
        self.inserted += 1;
    }

    fn evict(&mut self, allowed: usize) {
        while self.size > allowed {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.size -= oldest.size();
        }
        if self.entries.is_empty() {
            self.arena.clear();
        }
    }

    fn sweep_if_due(&mut self) {
        let dead = self.entries.front().map_or(0, |oldest| oldest.start);
        let live = self.arena.len() - dead as usize;
        if (dead as usize) < live.max(MIN_SWEEP_BYTES) {
            return;
        }
        self.arena.drain(..dead as usize);
        for entry in &mut self.entries {
            entry.start -= dead;
        }
    }
}
