//! Encoding header blocks.

use nuncio_contract::headers::Known;

use super::cache::{Cache, Hashes};
use super::policy::{Indexing, indexing};
use super::static_table::{STATIC_LEN, STATIC_TABLE, run_of};
use super::table::{Table, TableField};
use crate::header_block::{integer, write_text};

/// The encoder of one direction of a connection.
pub(in crate::http2) struct Encoder {
    table: Table,
    cache: Cache,
    /// Most that we keep, whatever the peer allows.
    own_limit: usize,
    /// The smallest size since the last block, when the peer changed it: it is told first.
    smallest: Option<usize>,
    codes_texts: bool,
}

impl Encoder {
    /// An encoder whose table is at most `own_limit` bytes.
    pub(in crate::http2) fn new(own_limit: usize) -> Self {
        let usual = 4096;
        Self {
            table: Table::new(usual.min(own_limit)),
            cache: Cache::default(),
            own_limit,
            smallest: (own_limit < usual).then_some(own_limit),
            codes_texts: true,
        }
    }

    /// The same, which writes texts as they are if they are not to be coded.
    #[must_use]
    pub(in crate::http2) fn coding_texts(mut self, codes_texts: bool) -> Self {
        self.codes_texts = codes_texts;
        self
    }

    /// The peer allows a table of this size. The next block tells it, also where nothing changes, as the library below
    /// Envoy does.
    pub(in crate::http2) fn allow(&mut self, size: usize) {
        let size = size.min(self.own_limit);
        self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
        self.table.set_max_size(size);
    }

    /// Begins a header block.
    #[inline]
    pub(in crate::http2) fn begin_block(&mut self, out: &mut Vec<u8>) {
        if let Some(smallest) = self.smallest.take() {
            let size = self.table.max_size();
            if smallest < size {
                integer::write(out, 0x20, 5, smallest);
            }
            integer::write(out, 0x20, 5, size);
        }
    }

    /// Appends a header; its name is in lower case.
    #[inline]
    pub(in crate::http2) fn encode(
        &mut self,
        known: Option<Known>,
        name: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        let static_name = match known {
            Some(known) => match find_static(known, value) {
                Static::Whole(index) => return integer::write(out, 0x80, 7, index),
                Static::Name(index) => Some(index),
                Static::None => None,
            },
            None => None,
        };
        match indexing(known, name, value, self.table.max_size()) {
            Indexing::Incremental => self.encode_indexed(known, name, value, static_name, out),
            other => {
                let first = if other == Indexing::Never { 0x10 } else { 0 };
                self.write_literal(out, (first, 4), static_name, name, value);
            }
        }
    }

    fn encode_indexed(
        &mut self,
        known: Option<Known>,
        name: &[u8],
        value: &[u8],
        static_name: Option<usize>,
        out: &mut Vec<u8>,
    ) {
        let hashes = Hashes::of(known, name, value);
        if let Some((index, field)) = self.find(self.cache.whole(hashes))
            && field.value == value
            && field.name == name
        {
            return integer::write(out, 0x80, 7, index);
        }
        let name_index = static_name.or_else(|| {
            let found = self.find(self.cache.name(hashes));
            found
                .filter(|(_, field)| field.name == name)
                .map(|(index, _)| index)
        });
        self.write_literal(out, (0x40, 6), name_index, name, value);
        self.table.insert(TableField {
            known,
            name,
            value,
            valid: true,
        });
        self.cache.remember(hashes, self.table.inserted() as u32);
    }

    /// Appends a literal: `start` is the first byte's bits and the length of its prefix.
    fn write_literal(
        &self,
        out: &mut Vec<u8>,
        start: (u8, u32),
        name_index: Option<usize>,
        name: &[u8],
        value: &[u8],
    ) {
        match name_index {
            Some(index) => integer::write(out, start.0, start.1, index),
            None => {
                out.push(start.0);
                self.write_text(out, name);
            }
        }
        self.write_text(out, value);
    }

    #[inline]
    fn write_text(&self, out: &mut Vec<u8>, text: &[u8]) {
        write_text(out, 0, 7, text, self.codes_texts);
    }

    /// The entry with a number of these lower bits, if it is still there, and its index.
    #[inline]
    fn find(&self, number: Option<u32>) -> Option<(usize, TableField<'_>)> {
        let age = (self.table.inserted() as u32).wrapping_sub(number?) as usize;
        let field = self.table.get(age)?;
        Some((STATIC_LEN + 1 + age, field))
    }

    /// How many entries the table has.
    #[cfg(test)]
    pub(super) fn table_len(&self) -> usize {
        self.table.len()
    }
}

enum Static {
    Whole(usize),
    Name(usize),
    None,
}

#[inline]
fn find_static(known: Known, value: &[u8]) -> Static {
    let run = run_of(known);
    let first = usize::from(run.first);
    if first == 0 {
        return Static::None;
    }
    // Entries with an empty value are there for their names.
    for index in first..first + usize::from(run.count) {
        if let Some(entry) = STATIC_TABLE.get(index - 1)
            && !entry.value.is_empty()
            && entry.value == value
        {
            return Static::Whole(index);
        }
    }
    Static::Name(first)
}
