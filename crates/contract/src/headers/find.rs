//! From the bytes of a name to its number, in any case of letters.

use super::known::Known;

impl Known {
    /// Finds the known name equal to `name`, whatever its case.
    #[inline]
    pub fn find(name: &[u8]) -> Option<Known> {
        let ends = Ends::of(name)?;
        let mut slot = ends.slot();
        loop {
            let known = Known::from_number(TABLE[slot])?;
            if ends.is_folded(&ENDS[known as usize]) && middle_is_equal(name, known.as_bytes()) {
                return Some(known);
            }
            slot = (slot + 1) % TABLE_SIZE;
        }
    }
}

/// The first and the last eight bytes of a name (overlapping, or four, or one in
/// shorter ones) and its length: all there is to know of a name of up to 16 bytes.
#[derive(Clone, Copy)]
struct Ends {
    head: u64,
    tail: u64,
    len: usize,
}

impl Ends {
    #[inline]
    const fn of(name: &[u8]) -> Option<Ends> {
        let len = name.len();
        let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(head), Some(tail)) => (
                    u32::from_le_bytes(*head) as u64 | HIGH_HALF,
                    u32::from_le_bytes(*tail) as u64 | HIGH_HALF,
                ),
                _ => match name {
                    [] => return None,
                    [first, .., last] => (
                        *first as u64 | 0x20 << 8 | FOLD << 16,
                        (*last as u64) << 8 | name[len / 2] as u64 | FOLD << 16,
                    ),
                    [only] => (*only as u64 | FOLD << 8, *only as u64 | FOLD << 8),
                },
            },
        };
        Some(Ends { head, tail, len })
    }

    /// Where the search in the table begins; the same for any case of letters.
    #[inline]
    const fn slot(self) -> usize {
        let mixed = (self.head | FOLD) ^ (self.tail | FOLD).rotate_left(29) ^ self.len as u64;
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize
    }

    /// Whether these are the ends of `known` but for the case of letters.
    ///
    /// Setting bit 5 folds letters to lower case and leaves all else that is in known
    /// names as it is; what it would wrongly fold to them is below 0x20.
    #[inline]
    fn is_folded(self, known: &Ends) -> bool {
        let differ = ((self.head | FOLD) ^ known.head) | ((self.tail | FOLD) ^ known.tail);
        differ == 0 && self.len == known.len && is_printable(self.head) && is_printable(self.tail)
    }
}

/// Whether every byte has bit 5 or bit 6.
#[inline]
const fn is_printable(word: u64) -> bool {
    (word << 1 | word) & (FOLD << 1) == FOLD << 1
}

/// Compares what lies between the ends of names longer than 16 bytes.
#[inline]
fn middle_is_equal(name: &[u8], known: &[u8]) -> bool {
    if name.len() <= 16 {
        return true;
    }
    let (names, _) = name.as_chunks::<8>();
    let (knowns, _) = known.as_chunks::<8>();
    names.iter().zip(knowns).all(|(name, known)| {
        let name = u64::from_le_bytes(*name);
        (name | FOLD) == u64::from_le_bytes(*known) && is_printable(name)
    })
}

const FOLD: u64 = 0x2020_2020_2020_2020;
/// Fills the half of a word that a short name leaves.
const HIGH_HALF: u64 = FOLD << 32;

const TABLE_SIZE: usize = 1024;
const VACANT: u8 = u8::MAX;
const _: () = assert!(Known::COUNT < 250, "numbers must leave room for markers");

/// Open-addressed table from [`Ends::slot`] to number, filled at compile time.
static TABLE: [u8; TABLE_SIZE] = build_table();

static ENDS: [Ends; Known::COUNT] = build_ends();

const fn ends_of(number: usize) -> Ends {
    match Ends::of(Known::NAMES[number].as_bytes()) {
        Some(ends) => ends,
        None => panic!("a known name is empty"),
    }
}

const fn build_ends() -> [Ends; Known::COUNT] {
    let mut ends = [ends_of(0); Known::COUNT];
    let mut number = 0;
    while number < Known::COUNT {
        ends[number] = ends_of(number);
        number += 1;
    }
    ends
}

const fn build_table() -> [u8; TABLE_SIZE] {
    let mut table = [VACANT; TABLE_SIZE];
    let mut number = 0;
    while number < Known::COUNT {
        let mut slot = ends_of(number).slot();
        while table[slot] != VACANT {
            slot = (slot + 1) % TABLE_SIZE;
        }
        table[slot] = number as u8;
        number += 1;
    }
    table
}
