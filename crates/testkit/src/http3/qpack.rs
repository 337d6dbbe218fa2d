//! QPACK (RFC 9204) for tests: writes every header as a literal, and reads what needs no dynamic table.

use super::static_table::STATIC;
use crate::http2::huffman;

/// A name and a value.
pub type Header = (Vec<u8>, Vec<u8>);

/// Headers as a block of literals.
#[must_use]
pub fn encode(headers: &[Header]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in headers {
        integer(0x20, name.len(), 0x07, &mut block);
        block.extend(name);
        integer(0, value.len(), 0x7f, &mut block);
        block.extend(value);
    }
    block
}

/// An integer behind the bits of `first`, whose byte has room for `mask`.
fn integer(first: u8, value: usize, mask: u8, out: &mut Vec<u8>) {
    let low = |value: usize| u8::try_from(value & 0x7f).unwrap_or_default();
    if value < usize::from(mask) {
        out.push(first | low(value));
        return;
    }
    out.push(first | mask);
    let mut rest = value - usize::from(mask);
    while rest >= 0x80 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

/// The headers of a block; none if it is none, or needs a dynamic table.
#[must_use]
pub fn decode(block: &[u8]) -> Option<Vec<Header>> {
    let mut headers = Vec::new();
    let mut rest = block.strip_prefix(&[0, 0])?;
    while let Some(first) = rest.first().copied() {
        headers.push(match first {
            0xc0.. => entry(read_integer(&mut rest, 0x3f)?)?,
            0x50..0x60 | 0x70..0x80 => {
                let (name, _) = entry(read_integer(&mut rest, 0x0f)?)?;
                (name, text(&mut rest, 0x7f)?)
            }
            0x20..0x40 => {
                let name = text(&mut rest, 0x07)?;
                (name, text(&mut rest, 0x7f)?)
            }
            _ => return None,
        });
    }
    Some(headers)
}

fn entry(index: usize) -> Option<Header> {
    let (name, value) = STATIC.get(index)?;
    Some((name.as_bytes().to_vec(), value.as_bytes().to_vec()))
}

fn read_integer(rest: &mut &[u8], mask: u8) -> Option<usize> {
    let (first, mut more) = rest.split_first()?;
    let mut value = usize::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        loop {
            let (byte, behind) = more.split_first()?;
            more = behind;
            value = value.checked_add(usize::from(byte & 0x7f).checked_shl(shift)?)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = more;
    Some(value)
}

/// A text; the bit above its length's says whether it is coded.
fn text(rest: &mut &[u8], mask: u8) -> Option<Vec<u8>> {
    let is_coded = rest.first()? & (mask + 1) != 0;
    let len = read_integer(rest, mask)?;
    let bytes = rest.get(..len)?;
    *rest = &rest[len..];
    match is_coded {
        true => huffman::decode(bytes),
        false => Some(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let headers = vec![
            (b":path".to_vec(), b"/a".to_vec()),
            (b"x-long".to_vec(), vec![b'v'; 300]),
        ];
        assert_eq!(decode(&encode(&headers)), Some(headers));
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let block = b"\x00\x00\x51\x0b/index.html";
        let header = (b":path".to_vec(), b"/index.html".to_vec());
        assert_eq!(decode(block), Some(vec![header]));
        assert_eq!(decode(b"\x00\x00\x80"), None);
    }
}
