//! Compressed bodies: made for what is sent, and undone before two are compared, as equal bodies may be compressed into
//! different bytes.

use std::io::{self, Read as _, Write as _};

use nuncio_testkit::bytes::from_text;

use crate::case::{Coding, Packed};

const BROTLI_BUFFER_BYTES: usize = 4096;
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_BITS: u32 = 22;

/// A text compressed, as a chunk of a chunked body.
///
/// # Errors
/// If a library fails.
pub fn chunk(packed: &Packed) -> io::Result<Vec<u8>> {
    let mut bytes = from_text(&packed.text).repeat(packed.times);
    for coding in &packed.codings {
        bytes = encode(*coding, &bytes)?;
    }
    bytes.truncate(bytes.len().saturating_sub(packed.cut));
    bytes.extend(from_text(&packed.tail));
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    Ok(chunk)
}

fn encode(coding: Coding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Br => {
            let mut encoder = brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            );
            encoder.write_all(bytes)?;
            Ok(encoder.into_inner())
        }
        Coding::Zstd => zstd::encode_all(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
    }
}

/// A body without the codings that a `content-encoding` lists; those that are unknown are left.
///
/// # Errors
/// If the body is not what it should be.
pub fn decode(codings: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = body.to_vec();
    for coding in codings.rsplit(',') {
        body = match coding.trim() {
            "gzip" => {
                let mut decoded = Vec::new();
                flate2::read::MultiGzDecoder::new(&*body).read_to_end(&mut decoded)?;
                decoded
            }
            "br" => {
                let mut decoded = Vec::new();
                brotli::Decompressor::new(&*body, BROTLI_BUFFER_BYTES).read_to_end(&mut decoded)?;
                decoded
            }
            "zstd" => zstd::decode_all(&*body)?,
            _ => break,
        };
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_in_reverse() {
        for codings in [vec![Coding::Gzip], vec![Coding::Br, Coding::Zstd]] {
            let mut bytes = b"some text".to_vec();
            for coding in &codings {
                bytes = encode(*coding, &bytes).expect("it is compressed");
            }
            let names: Vec<_> = codings
                .iter()
                .map(|coding| format!("{coding:?}").to_lowercase())
                .collect();
            let decoded = decode(&names.join(", "), &bytes).expect("it is as it was");
            assert_eq!(decoded, b"some text");
        }
    }

    #[test]
    fn what_is_not_compressed_as_it_says_is_an_error() {
        assert!(decode("gzip", b"some text").is_err());
    }

    #[test]
    fn a_chunk_tells_its_length_and_may_be_broken() {
        let packed = Packed {
            codings: Vec::new(),
            text: "ab".to_owned(),
            times: 2,
            cut: 1,
            tail: "!".to_owned(),
        };
        assert_eq!(chunk(&packed).expect("a chunk"), b"4\r\naba!\r\n");
    }
}
