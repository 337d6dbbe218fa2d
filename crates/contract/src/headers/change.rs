//! Adding, replacing and removing headers.

use super::entry::{CUSTOM, Position};
use super::iter::Header;
use super::key::HeaderKey;
use super::known::Known;
use super::known_set::KnownSet;
use super::map::HeaderMap;

impl HeaderMap {
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

    /// The same for a whole line of HTTP/1 in its usual form: the name, `: `, the value without white space at
    /// its ends, CR LF. It is copied in one piece.
    #[inline(never)]
    pub fn append_line(&mut self, known: Option<Known>, line: &[u8], name_len: usize) {
        let Some(known) = self.resolve(known) else {
            return self.append_whole_line(CUSTOM, line, name_len);
        };
        if known.is_pseudo() || self.known_index(known).is_some() {
            let value = line.get(name_len + 2..line.len().saturating_sub(2));
            return self.append_known(known, value.unwrap_or_default());
        }
        self.slots.set(known, self.list(false).len());
        self.append_whole_line(known as u8, line, name_len);
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
    #[inline(never)]
    pub fn set(&mut self, key: impl HeaderKey, value: &[u8]) {
        let Some(at) = self.find_index(&key) else {
            return match self.resolve(key.known()) {
                Some(known) => self.append_unjoined(known, value),
                None => self.append_custom(key.bytes(), value),
            };
        };
        // Of a name that is joined there is at most one.
        if !self.kind_joins(&key) {
            // Before the value is written, which may sweep, so that the others stand elsewhere.
            self.remove_from(at.after(), &key);
        }
        self.overwrite(at, value);
    }

    /// [`HeaderMap::set`] with a decimal number.
    #[inline(never)]
    pub fn set_integer(&mut self, key: impl HeaderKey, number: u64) {
        // Most are times of a few milliseconds.
        if let Ok(digit @ 0..=9) = u8::try_from(number) {
            return self.set(key, &[b'0' + digit]);
        }
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

    /// Removes all headers of these names; how many there were.
    #[inline]
    pub fn remove_all(&mut self, names: &KnownSet) -> usize {
        let mut removed = 0;
        for known in self.slots.present().common(names) {
            removed += self.remove(known);
        }
        if names.contains(Known::Host) {
            removed += self.remove(Known::Host);
        }
        removed
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
                let is_condemned = self.entry(at).is_some_and(|entry| {
                    !entry.is_removed() && condemned(Header::of(entry, &self.storage.arena))
                });
                if is_condemned {
                    self.discard(at);
                }
            }
        }
        self.rebuild_slots();
        self.sweep_if_due();
        (before - self.live) as usize
    }
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
