//! Walking through a header map.

use super::entry::Entry;
use super::known::Known;

/// One header as an iterator gives it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name in lower case.
    pub name: &'a [u8],
    /// The value's bytes.
    pub value: &'a [u8],
    /// The number, when the name is a known one.
    pub known: Option<Known>,
}

impl<'a> Header<'a> {
    #[inline]
    pub(super) fn of(entry: &Entry, arena: &'a [u8]) -> Self {
        Self {
            name: entry.name(arena),
            value: entry.value(arena),
            known: Known::from_number(entry.number),
        }
    }
}

/// Iterates over all headers: pseudo-headers first, then the others in order.
#[derive(Clone)]
pub struct Iter<'a> {
    arena: &'a [u8],
    entries: std::iter::Chain<std::slice::Iter<'a, Entry>, std::slice::Iter<'a, Entry>>,
}

impl<'a> Iter<'a> {
    #[inline]
    pub(super) fn new(arena: &'a [u8], pseudo: &'a [Entry], entries: &'a [Entry]) -> Self {
        Self {
            arena,
            entries: pseudo.iter().chain(entries),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        let arena = self.arena;
        self.entries
            .find(|entry| !entry.is_removed())
            .map(|entry| Header::of(entry, arena))
    }
}

/// Iterates over the values of one name, in order.
#[derive(Clone)]
pub struct Values<'a> {
    pub(super) arena: &'a [u8],
    pub(super) entries: std::slice::Iter<'a, Entry>,
    pub(super) number: u8,
    pub(super) name: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (arena, number, name) = (self.arena, self.number, self.name);
        self.entries
            .find(|entry| entry.is_named(arena, number, name))
            .map(|entry| entry.value(arena))
    }
}
