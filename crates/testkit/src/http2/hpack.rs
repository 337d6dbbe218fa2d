//! HPACK (RFC 7541) for tests: writes every header as a literal that is not indexed, and reads all
//! forms.

use super::huffman;

/// A name and a value.
pub type Header = (Vec<u8>, Vec<u8>);

const DEFAULT_TABLE_BYTES: usize = 4096;
/// What a table counts for an entry beside its texts.
const ENTRY_BYTES: usize = 32;

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Headers as a block of literals.
#[must_use]
pub fn encode(headers: &[Header]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            integer(text.len(), 0x7f, &mut block);
            block.extend(text);
        }
    }
    block
}

/// An integer whose first byte has room for `mask`.
fn integer(value: usize, mask: u8, out: &mut Vec<u8>) {
    let low = |value: usize| u8::try_from(value & 0x7f).unwrap_or_default();
    if value < usize::from(mask) {
        out.push(low(value));
        return;
    }
    out.push(mask);
    let mut rest = value - usize::from(mask);
    while rest >= 0x80 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

/// Reads blocks of one direction of a connection.
pub struct Decoder {
    /// The newest entry first.
    table: Vec<Header>,
    most_bytes: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: Vec::new(),
            most_bytes: DEFAULT_TABLE_BYTES,
        }
    }
}

impl Decoder {
    /// The headers of a whole block; none if it is none.
    pub fn decode(&mut self, block: &[u8]) -> Option<Vec<Header>> {
        let mut headers = Vec::new();
        let mut rest = block;
        while let Some(first) = rest.first().copied() {
            match first {
                0x80.. => {
                    let index = read_integer(&mut rest, 0x7f)?;
                    headers.push(self.entry(index)?);
                }
                0x40..0x80 => {
                    let header = self.literal(&mut rest, 0x3f)?;
                    self.table.insert(0, header.clone());
                    self.evict();
                    headers.push(header);
                }
                0x20..0x40 => {
                    self.most_bytes = read_integer(&mut rest, 0x1f)?;
                    self.evict();
                }
                _ => headers.push(self.literal(&mut rest, 0x0f)?),
            }
        }
        Some(headers)
    }

    fn literal(&self, rest: &mut &[u8], mask: u8) -> Option<Header> {
        let name = match read_integer(rest, mask)? {
            0 => read_string(rest)?,
            index => self.entry(index)?.0,
        };
        Some((name, read_string(rest)?))
    }

    fn entry(&self, index: usize) -> Option<Header> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Some((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        self.table.get(index - STATIC.len()).cloned()
    }

    fn evict(&mut self) {
        let size = |(name, value): &Header| name.len() + value.len() + ENTRY_BYTES;
        while self.table.iter().map(size).sum::<usize>() > self.most_bytes {
            self.table.pop();
        }
    }
}

fn read_integer(rest: &mut &[u8], mask: u8) -> Option<usize> {
    let mut value = usize::from(take(rest)? & mask);
    if value < usize::from(mask) {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = take(rest)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn read_string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let coded = *rest.first()? >= 0x80;
    let length = read_integer(rest, 0x7f)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    if coded {
        return huffman::decode(text);
    }
    Some(text.to_vec())
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        (name.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    #[test]
    fn what_is_written_is_read() {
        let headers = [header(":path", "/"), header("x-long", &"a".repeat(300))];
        let read = Decoder::default().decode(&encode(&headers));
        assert_eq!(read.as_deref(), Some(&headers[..]));
    }

    #[test]
    fn requests_of_the_standard_share_a_table() {
        // Sections C.4.1 and C.4.2.
        let mut decoder = Decoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab,
            0x90, 0xf4, 0xff,
        ];
        let headers = decoder.decode(&first).expect("a block");
        assert_eq!(headers[3], header(":authority", "www.example.com"));
        let second = [
            0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf,
        ];
        let headers = decoder.decode(&second).expect("a block");
        assert_eq!(headers[3], header(":authority", "www.example.com"));
        assert_eq!(headers[4], header("cache-control", "no-cache"));
    }

    #[test]
    fn an_index_beyond_the_tables_is_no_header() {
        assert_eq!(Decoder::default().decode(&[0xbe]), None);
        assert_eq!(Decoder::default().decode(&[0x80]), None);
    }
}
