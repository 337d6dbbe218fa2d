//! Raw access to the generated tables: rows of little-endian 32-bit words.
//!
//! | table | columns |
//! | --- | --- |
//! | `MESSAGES` | name, first field, field count and oneof count << 16, first oneof, name of the previous version, flags |
//! | `FIELDS` | name, JSON name, number, kind and cardinality << 5 and map key kind << 7 and flags << 12, type index and container << 16, oneof, rules, version of deprecation |
//! | `FIELDS_BY_NAME` | the fields of each message, sorted by name |
//! | `MIGRATIONS` | field, its new name, the oneof that it moves into |
//! | `ONEOFS` | name, required, container |
//! | `ENUMS` | name, first value, value count |
//! | `ENUM_VALUES` | name, number, flags, version of deprecation, new name |
//! | `SUCCESSORS` | message, its next version |
//! | `NUMBERS` | low and high word |
//! | `LISTS` | count, then so many words |
//! | `RULES` | kind and message flags << 8, rule count, then rules: PGV field number << 24 and operand |
//!
//! Names are ids of strings; the empty string, id 0, stands for none.

use crate::generated::layout;

static TABLES: [u8; include_bytes!("generated/tables.bin").len()] =
    *include_bytes!("generated/tables.bin");
const STRINGS: &str = include_str!("generated/strings.txt");

/// The value of an index column that points nowhere.
pub(crate) const NONE: u32 = u32::MAX;

/// Where a table lies, in words.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    start: usize,
    width: usize,
    rows: usize,
}

impl Section {
    pub(crate) const fn new(start: usize, width: usize, rows: usize) -> Section {
        Section { start, width, rows }
    }

    /// The number of rows.
    pub(crate) const fn rows(self) -> u32 {
        self.rows as u32
    }

    /// The word at a row and column; 0 outside the tables, which no index in them reaches.
    #[inline]
    pub(crate) fn word(self, row: u32, column: usize) -> u32 {
        let start = (self.start + row as usize * self.width + column) * 4;
        match TABLES.get(start..start + 4) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        }
    }
}

/// The string with an id.
#[inline]
pub(crate) fn string(id: u32) -> &'static str {
    let start = layout::STRINGS.word(id, 0) as usize;
    let end = layout::STRINGS.word(id + 1, 0) as usize;
    // Each string ends in a line feed, which keeps the file readable.
    STRINGS
        .get(start..end.saturating_sub(1))
        .unwrap_or_default()
}

/// The string with an id, or nothing for the empty one.
pub(crate) fn optional_string(id: u32) -> Option<&'static str> {
    (id != 0).then(|| string(id))
}

/// A number of 64 bits from the pool.
pub(crate) fn number(index: u32) -> u64 {
    let low = u64::from(layout::NUMBERS.word(index, 0));
    low | u64::from(layout::NUMBERS.word(index, 1)) << 32
}

/// The first of `0..count` that is not below what is looked for, in sorted rows.
pub(crate) fn lower_bound(count: u32, is_below: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_below(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The row of `0..count` whose name, by `name_of`, is `name`; the rows are sorted by it.
pub(crate) fn find_sorted(
    count: u32,
    name: &str,
    name_of: impl Fn(u32) -> &'static str,
) -> Option<u32> {
    let row = lower_bound(count, |row| name_of(row) < name);
    (row < count && name_of(row) == name).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(bytes: &[u8]) -> u64 {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
    }

    #[test]
    fn the_generated_files_belong_together() {
        assert_eq!(
            [checksum(&TABLES), checksum(STRINGS.as_bytes())],
            layout::CHECKSUMS
        );
    }

    #[test]
    fn the_tables_are_small() {
        assert!(TABLES.len() + STRINGS.len() < 1_500_000);
    }
}
