//! Huffman coding of texts (RFC 7541 section 5.2).
//!
//! Codes of up to 8 bits, which are those of letters, digits and most of what stands in URLs, are found with one
//! look-up; longer ones by comparing with the last code of each length, as the code is canonical.

use super::CodingError;
use super::huffman_lengths::LENGTHS;

const SYMBOLS: usize = 257;
const END_OF_TEXT: u16 = 256;
const LONGEST: usize = 30;
const SHORT_BITS: u32 = 8;

/// Symbols in the order of their codes.
static BY_CODE: [u16; SYMBOLS] = by_code();
/// The code of each byte, at the low end.
static CODES: [u32; SYMBOLS] = codes();
/// Symbol and length for each value of the first eight bits; 0 where the code is longer.
static SHORT: [(u8, u8); 1 << SHORT_BITS] = short();
/// For each length: the first number, left-aligned to 32 bits, that is no code of this length or a shorter one, and
/// what to add to the code's number for its place in [`BY_CODE`].
static LONG: [(u64, i64); LONGEST + 1] = long();

const fn by_code() -> [u16; SYMBOLS] {
    let mut order = [0; SYMBOLS];
    let mut filled = 0;
    let mut length = 1;
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                order[filled] = symbol as u16;
                filled += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
}

const fn codes() -> [u32; SYMBOLS] {
    let order = by_code();
    let mut codes = [0; SYMBOLS];
    let mut code: u64 = 0;
    let mut at = 0;
    while at < SYMBOLS {
        let symbol = order[at] as usize;
        codes[symbol] = code as u32;
        if at + 1 < SYMBOLS {
            let longer = LENGTHS[order[at + 1] as usize] - LENGTHS[symbol];
            code = (code + 1) << longer;
        }
        at += 1;
    }
    codes
}

const fn short() -> [(u8, u8); 1 << SHORT_BITS] {
    let codes = codes();
    let mut table = [(0, 0); 1 << SHORT_BITS];
    let mut symbol = 0;
    while symbol < 256 {
        let length = LENGTHS[symbol] as u32;
        if length <= SHORT_BITS {
            let spare = SHORT_BITS - length;
            let first = (codes[symbol] << spare) as usize;
            let mut at = first;
            while at < first + (1 << spare) {
                table[at] = (symbol as u8, length as u8);
                at += 1;
            }
        }
        symbol += 1;
    }
    table
}

const fn long() -> [(u64, i64); LONGEST + 1] {
    let order = by_code();
    let codes = codes();
    let mut table = [(0, 0); LONGEST + 1];
    let mut at = 0;
    while at < SYMBOLS {
        let symbol = order[at] as usize;
        let length = LENGTHS[symbol] as usize;
        let end = (codes[symbol] as u64 + 1) << (32 - length);
        table[length] = (end, at as i64 - codes[symbol] as i64);
        at += 1;
    }
    table
}

/// Appends the text that `coded` stands for.
#[inline]
pub(crate) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), CodingError> {
    let start = out.len();
    // The shortest code has five bits.
    out.resize(start + coded.len() * 8 / 5 + 1, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let len = decode_into(coded, room)?;
    out.truncate(start + len);
    Ok(())
}

fn decode_into(coded: &[u8], room: &mut [u8]) -> Result<usize, CodingError> {
    let mut bits = Bits::new(coded);
    let room_len = room.len();
    let mut room = room.iter_mut();
    loop {
        bits.fill();
        let (mut symbol, mut length) = SHORT[usize::from(bits.first_byte())];
        if length == 0 {
            match find_long(bits.first_32()) {
                Some((END_OF_TEXT, _)) | None if bits.is_padding() => break,
                Some((found, found_length)) if found != END_OF_TEXT => {
                    (symbol, length) = (found as u8, found_length);
                }
                _ => return Err(CodingError("the end of a text is coded in it")),
            }
        }
        if u32::from(length) > bits.count {
            match bits.is_padding() {
                true => break,
                false => return Err(CodingError("a coded text is cut off or badly padded")),
            }
        }
        bits.take(length);
        if let Some(place) = room.next() {
            *place = symbol;
        }
    }
    Ok(room_len - room.len())
}

/// The symbol whose code stands at the high end, and its length.
fn find_long(first_32: u32) -> Option<(u16, u8)> {
    let longer = LONG.iter().enumerate().skip(SHORT_BITS as usize + 1);
    for (length, (end, offset)) in longer {
        if u64::from(first_32) < *end {
            let code = i64::from(first_32 >> (32 - length));
            let at = usize::try_from(code + offset).ok()?;
            return BY_CODE.get(at).map(|symbol| (*symbol, length as u8));
        }
    }
    None
}

/// Bits that wait to be decoded, at the high end; those behind them are ones, like padding.
struct Bits<'a> {
    waiting: u64,
    count: u32,
    rest: &'a [u8],
}

impl<'a> Bits<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            waiting: u64::MAX,
            count: 0,
            rest,
        }
    }

    /// Makes sure that there are 32 bits if there are as many at all.
    #[inline]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        let (next, taken) = match self.rest.first_chunk::<4>() {
            Some(chunk) => (u32::from_be_bytes(*chunk), 4),
            None => self.last_bytes(),
        };
        let keep = !(u64::MAX >> self.count);
        let next = u64::from(next) << 32 | u64::from(u32::MAX);
        self.waiting = (self.waiting & keep) | next >> self.count;
        self.count += 8 * taken;
        self.rest = self.rest.get(taken as usize..).unwrap_or_default();
    }

    #[cold]
    fn last_bytes(&self) -> (u32, u32) {
        let mut bytes = [0xff; 4];
        for (to, from) in bytes.iter_mut().zip(self.rest) {
            *to = *from;
        }
        (u32::from_be_bytes(bytes), self.rest.len() as u32)
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        (self.waiting >> 56) as u8
    }

    #[inline]
    fn first_32(&self) -> u32 {
        (self.waiting >> 32) as u32
    }

    #[inline]
    fn take(&mut self, length: u8) {
        self.waiting = self.waiting << length | !(u64::MAX << length);
        self.count -= u32::from(length);
    }

    /// Whether what is left is nothing but up to seven ones.
    fn is_padding(&self) -> bool {
        self.rest.is_empty() && self.count < 8 && self.waiting == u64::MAX
    }
}

/// How many bytes a text takes when coded.
#[inline]
pub(crate) fn coded_len(text: &[u8]) -> usize {
    let bits: usize = text
        .iter()
        .map(|byte| usize::from(LENGTHS[usize::from(*byte)]))
        .sum();
    bits.div_ceil(8)
}

/// Appends a text coded.
#[inline]
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let mut waiting: u64 = 0;
    let mut count = 0;
    for byte in text {
        let symbol = usize::from(*byte);
        let length = u32::from(LENGTHS[symbol]);
        waiting = waiting << length | u64::from(CODES[symbol]);
        count += length;
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&((waiting >> count) as u32).to_be_bytes());
        }
    }
    let spare = (8 - count % 8) % 8;
    let total = count + spare;
    if total > 0 {
        let last = (waiting << spare | ((1 << spare) - 1)) << (64 - total);
        let len = (total / 8) as usize;
        out.extend_from_slice(last.to_be_bytes().get(..len).unwrap_or_default());
    }
}
