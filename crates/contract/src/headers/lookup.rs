//! Finding entries.

use super::entry::{CUSTOM, Entry, Position};
use super::key::HeaderKey;
use super::known::{Known, MapKind};
use super::map::HeaderMap;
use super::slots::Slot;

impl HeaderMap {
    /// `host` in a request is `:authority`.
    #[inline]
    pub(super) fn resolve(&self, known: Option<Known>) -> Option<Known> {
        match known {
            Some(Known::Host) if self.kind == MapKind::Request => Some(Known::Authority),
            other => other,
        }
    }

    pub(super) fn kind_joins(&self, key: &impl HeaderKey) -> bool {
        self.resolve(key.known())
            .is_some_and(|known| known.is_joined_in(self.kind))
    }

    #[inline]
    pub(super) fn list(&self, pseudo: bool) -> &Vec<Entry> {
        if pseudo {
            &self.storage.pseudo
        } else {
            &self.storage.entries
        }
    }

    #[inline]
    pub(super) fn list_mut(&mut self, pseudo: bool) -> &mut Vec<Entry> {
        if pseudo {
            &mut self.storage.pseudo
        } else {
            &mut self.storage.entries
        }
    }

    #[inline]
    pub(super) fn entry(&self, at: Position) -> Option<&Entry> {
        self.list(at.pseudo).get(at.index)
    }

    pub(super) fn entries_for(&self, name: &[u8]) -> &[Entry] {
        self.list(name.first() == Some(&b':'))
    }

    /// The entries from the first one of a known name on; empty when there is none.
    pub(super) fn entries_of(&self, known: Known) -> &[Entry] {
        match self.known_index(known) {
            Some(index) => self
                .list(known.is_pseudo())
                .get(index..)
                .unwrap_or_default(),
            None => &[],
        }
    }

    #[inline]
    pub(super) fn known_index(&self, known: Known) -> Option<usize> {
        match self.slots.get(known)? {
            Slot::At(index) => Some(index),
            Slot::Far => {
                let list = self.list(known.is_pseudo());
                list.iter().position(|entry| entry.number == known as u8)
            }
        }
    }

    #[inline]
    pub(super) fn first_of(&self, known: Known) -> Option<&Entry> {
        let index = self.known_index(known)?;
        self.list(known.is_pseudo()).get(index)
    }

    #[inline]
    pub(super) fn find_index(&self, key: &impl HeaderKey) -> Option<Position> {
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
            .position(|entry| entry.is_named(&self.storage.arena, CUSTOM, key.bytes()))?;
        Some(Position { pseudo, index })
    }
}
