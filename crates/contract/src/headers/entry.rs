//! Where one header lies, and the memory of a map.

use super::known::Known;

/// Entry number of a name that is not a known one.
pub(super) const CUSTOM: u8 = u8::MAX;
/// Entry number of a header that was removed.
pub(super) const REMOVED: u8 = u8::MAX - 1;

/// The memory of a map; what the pool keeps.
#[derive(Clone, Default)]
pub(super) struct Storage {
    pub(super) arena: Vec<u8>,
    pub(super) pseudo: Vec<Entry>,
    pub(super) entries: Vec<Entry>,
}

/// Bytes of a line beside name and value: ": " between them, CR LF behind.
pub(super) const LINE_OVERHEAD: usize = 4;

/// Where the name and the value of one header lie: in the arena as a line of HTTP/1, `name: value` and CR LF.
/// Of a pseudo-header the value lies there alone, and the name only when it is no known one.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) name_start: u32,
    pub(super) name_len: u32,
    pub(super) value_start: u32,
    pub(super) value_len: u32,
    pub(super) number: u8,
}

impl Entry {
    #[inline]
    pub(super) fn is_removed(&self) -> bool {
        self.number == REMOVED
    }

    #[inline]
    pub(super) fn value<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        slice(arena, self.value_start, self.value_len)
    }

    #[inline]
    pub(super) fn name<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        match Known::from_number(self.number) {
            Some(known) => known.as_bytes(),
            None => slice(arena, self.name_start, self.name_len),
        }
    }

    /// Where the line of a header other than a pseudo-header lies.
    #[inline]
    pub(super) fn line(&self) -> std::ops::Range<usize> {
        self.name_start as usize..(self.value_start + self.value_len) as usize + 2
    }

    /// The same, as numbers of the size that they are kept in. The bound on the arena keeps them within.
    #[inline]
    pub(super) fn line_in_u32(&self) -> std::ops::Range<u32> {
        self.name_start..self.value_start + self.value_len + 2
    }

    /// Whether this is a header of that number, and for a custom one of that name.
    #[inline]
    pub(super) fn is_named(&self, arena: &[u8], number: u8, name: &[u8]) -> bool {
        self.number == number
            && (number != CUSTOM
                || (self.name_len as usize == name.len() && self.name(arena) == name))
    }
}

#[inline]
fn slice(arena: &[u8], start: u32, len: u32) -> &[u8] {
    let start = start as usize;
    arena.get(start..start + len as usize).unwrap_or_default()
}

/// Where an entry lies: in which list, and at which index.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) pseudo: bool,
    pub(super) index: usize,
}

impl Position {
    pub(super) fn after(self) -> Self {
        Self {
            index: self.index + 1,
            ..self
        }
    }
}
