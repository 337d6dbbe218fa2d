//! Walking through a header map.

use super::known::Known;
use super::map::{Entry, HeaderMap};

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

/// Iterates over all headers: pseudo-headers first, then the others in order.
#[derive(Clone)]
pub struct Iter<'a> {
    map: &'a HeaderMap,
    entries: std::iter::Chain<std::slice::Iter<'a, Entry>, std::slice::Iter<'a, Entry>>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(map: &'a HeaderMap, pseudo: &'a [Entry], entries: &'a [Entry]) -> Self {
        Self {
            map,
            entries: pseudo.iter().chain(entries),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        let map = self.map;
        self.entries
            .find(|entry| !entry.is_removed())
            .map(|entry| map.header(entry))
    }
}

/// Iterates over the values of one name, in order.
#[derive(Clone)]
pub struct Values<'a> {
    pub(super) map: &'a HeaderMap,
    pub(super) entries: std::slice::Iter<'a, Entry>,
    pub(super) number: u8,
    pub(super) name: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (map, number, name) = (self.map, self.number, self.name);
        self.entries
            .find(|entry| map.is_named(entry, number, name))
            .map(|entry| map.value(entry))
    }
}
