//! The libraries: what goes in comes out, with all their options and in any pieces; and what is meant to do harm does
//! none.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::buffer::Buffer;

use super::{CompressorLibrary, DecompressorLibrary, Fault, LibraryMessage};
use crate::tests::harness::{errors, parse};

const GZIP: &str = "gzip";
const BROTLI: &str = "brotli";
const ZSTD: &str = "zstd";

fn message(
    kind: &str,
    library: &str,
    options: &str,
    ctx: &mut Ctx,
) -> Result<LibraryMessage, Refused> {
    let name = format!("{}{}", library[..1].to_uppercase(), &library[1..]);
    let yaml = format!(
        "{{name: a, typed_config: {{'@type': type.googleapis.com/envoy.extensions.compression.{library}.{kind}.v3.{name}{options}}}}}"
    );
    parse("envoy.config.core.v3.TypedExtensionConfig", &yaml, ctx)?.decode(ctx)
}

fn compressor(library: &str, options: &str) -> CompressorLibrary {
    let mut ctx = Ctx::default();
    let library = message("compressor", library, options, &mut ctx)
        .and_then(|message| CompressorLibrary::compile(&message, &mut ctx));
    library.unwrap_or_else(|_| panic!("{options}: {}", errors(&ctx)))
}

fn decompressor(library: &str, options: &str) -> DecompressorLibrary {
    let mut ctx = Ctx::default();
    let library = message("decompressor", library, options, &mut ctx)
        .and_then(|message| DecompressorLibrary::compile(&message, &mut ctx));
    library.unwrap_or_else(|_| panic!("{options}: {}", errors(&ctx)))
}

/// Text that is neither all the same nor without any repetition.
fn text(length: usize) -> Vec<u8> {
    let words = [
        "request ",
        "response ",
        "filter ",
        "chain ",
        "of ",
        "bodies ",
    ];
    let mut state = 7_u32;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = words[(state >> 24) as usize % words.len()];
        bytes.extend_from_slice(word.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn compress(library: &CompressorLibrary, pieces: &[&[u8]]) -> Vec<u8> {
    let mut body = library.begin().expect("a body");
    let mut output = Buffer::new();
    for piece in pieces {
        body.compress(piece, false, &mut output)
            .expect("it is compressed");
    }
    body.compress(b"", true, &mut output).expect("it ends");
    output.readable().to_vec()
}

fn decompress(library: &DecompressorLibrary, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Fault>) {
    let mut body = library.begin();
    let mut output = Buffer::new();
    let mut faults = Vec::new();
    for piece in pieces {
        body.decompress(piece, &mut output, &mut |fault| faults.push(fault));
    }
    (output.readable().to_vec(), faults)
}

/// A gzip of some bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    compress(&compressor(GZIP, ""), &[bytes])
}

/// The smallest gzip of so many zeros.
pub(crate) fn gzip_of_zeros(count: usize) -> Vec<u8> {
    let best = ", compression_level: BEST_COMPRESSION, window_bits: 15";
    compress(&compressor(GZIP, best), &[&vec![0; count]])
}

/// What is in a gzip.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let (found, faults) = decompress(&decompressor(GZIP, ""), &[bytes]);
    assert_eq!(faults, []);
    found
}

const COMPRESSORS: &[(&str, &str)] = &[
    (GZIP, ""),
    (
        GZIP,
        ", memory_level: 1, window_bits: 9, compression_level: BEST_SPEED",
    ),
    (
        GZIP,
        ", memory_level: 9, window_bits: 15, compression_level: COMPRESSION_LEVEL_9, chunk_size: 65536",
    ),
    (
        GZIP,
        ", compression_strategy: FILTERED, compression_level: COMPRESSION_LEVEL_4",
    ),
    (GZIP, ", compression_strategy: HUFFMAN_ONLY"),
    (GZIP, ", compression_strategy: RLE"),
    (GZIP, ", compression_strategy: FIXED"),
    (BROTLI, ""),
    (
        BROTLI,
        ", quality: 0, window_bits: 10, input_block_bits: 16, chunk_size: 65536",
    ),
    (
        BROTLI,
        ", quality: 11, encoder_mode: TEXT, disable_literal_context_modeling: true",
    ),
    (BROTLI, ", quality: 7, encoder_mode: FONT, window_bits: 24"),
    (ZSTD, ""),
    (
        ZSTD,
        ", compression_level: 19, enable_checksum: true, strategy: BTULTRA2",
    ),
    (
        ZSTD,
        ", compression_level: 1, strategy: FAST, chunk_size: 4096",
    ),
];

#[test]
fn what_goes_in_comes_out() {
    for (library, options) in COMPRESSORS {
        let compressor = compressor(library, options);
        let decompressor = decompressor(library, ", chunk_size: 4096");
        for length in [0, 1, 300, 70_000] {
            let text = text(length);
            let pieces: Vec<_> = text.chunks(16_000).collect();
            let packed = compress(&compressor, &pieces);
            let is_smaller = packed.len() < length;
            assert!(
                is_smaller || length < 1000,
                "{library}{options} of {length}"
            );
            for piece in [usize::MAX, 1000, 1] {
                let pieces: Vec<_> = packed.chunks(piece).collect();
                let (found, faults) = decompress(&decompressor, &pieces);
                assert_eq!(faults, [], "{library}{options} of {length} by {piece}");
                assert!(found == text, "{library}{options} of {length} by {piece}");
            }
        }
    }
}

#[test]
fn gzip_and_brotli_let_the_client_have_each_piece_at_once() {
    for library in [GZIP, BROTLI] {
        let mut body = compressor(library, "").begin().expect("a body");
        let mut output = Buffer::new();
        body.compress(b"the first piece", false, &mut output)
            .expect("it is compressed");
        let (found, _) = decompress(&decompressor(library, ""), &[output.readable()]);
        assert_eq!(found, b"the first piece", "{library}");
    }
}

#[test]
fn a_body_that_swells_too_much_is_cut_off_near_the_limit() {
    let zeros = vec![0; 16 << 20];
    for (library, options, chunk, fault) in [
        (GZIP, "", 4096, Fault::ZlibData),
        (
            GZIP,
            ", max_inflate_ratio: 10, chunk_size: 65536",
            65_536,
            Fault::ZlibData,
        ),
        (BROTLI, "", 4096, Fault::BrotliOverflow),
        (ZSTD, "", 131_072, Fault::ZstdGeneric),
    ] {
        let packed = compress(&compressor(library, ""), &[&zeros]);
        assert!(
            packed.len() < 100_000,
            "{library} makes {} of it",
            packed.len()
        );
        let ratio = if options.is_empty() { 100 } else { 10 };
        let decompressor = decompressor(library, options);
        let (found, faults) = decompress(&decompressor, &[&packed, &packed]);
        assert!(faults.contains(&fault), "{library}: {faults:?}");
        let most = 2 * (packed.len() * ratio + 2 * chunk);
        assert!(found.len() <= most, "{library}: {} bytes", found.len());
    }
}

#[test]
fn broken_bodies_are_counted_and_give_what_came_before() {
    let text = text(5000);
    for (library, fault) in [
        (GZIP, Fault::ZlibData),
        (BROTLI, Fault::Brotli),
        (ZSTD, Fault::ZstdGeneric),
    ] {
        let decompressor = decompressor(library, "");
        let (found, faults) = decompress(&decompressor, &[b"\xff no such format at all"]);
        assert_eq!((found.len(), faults), (0, vec![fault]), "{library}");
        let packed = compress(&compressor(library, ""), &[&text]);
        let (found, faults) = decompress(&decompressor, &[&packed[..packed.len() / 2]]);
        assert!(
            text.starts_with(&found) && found.len() < text.len(),
            "{library}"
        );
        assert_eq!(faults, [], "{library}: what is missing may still come");
    }
}

#[test]
fn what_follows_the_end_is_no_part_of_the_body() {
    for (library, expected) in [
        (GZIP, vec![]),
        (BROTLI, vec![Fault::Brotli, Fault::BrotliRedundantInput]),
        (ZSTD, vec![Fault::ZstdGeneric]),
    ] {
        let mut packed = compress(&compressor(library, ""), &[b"some text"]);
        packed.extend_from_slice(b"tail behind the end");
        let (found, faults) = decompress(&decompressor(library, ""), &[&packed]);
        assert_eq!(found, b"some text", "{library}");
        assert_eq!(faults, expected, "{library}");
    }
}

#[test]
fn a_checksum_that_is_wrong_is_told_of() {
    let text = text(100);
    let mut packed = compress(&compressor(ZSTD, ", enable_checksum: true"), &[&text]);
    let last = packed.len() - 1;
    packed[last] ^= 1;
    let (_, faults) = decompress(&decompressor(ZSTD, ""), &[&packed]);
    assert_eq!(faults, [Fault::ZstdChecksum]);
}

/// A dictionary of the format: its mark, a number, and tables and text that the library made.
fn dictionary() -> String {
    include_str!("dictionary.base64").trim().to_owned()
}

#[test]
fn a_dictionary_is_found_by_its_number() {
    let with = format!(", dictionary: {{inline_bytes: {}}}", dictionary());
    let packed = compress(
        &compressor(ZSTD, &with),
        &[b"some text about requests and responses"],
    );
    let with = format!(", dictionaries: [{{inline_bytes: {}}}]", dictionary());
    let (found, faults) = decompress(&decompressor(ZSTD, &with), &[&packed]);
    assert_eq!(
        (&*found, faults),
        (&b"some text about requests and responses"[..], vec![])
    );
    let (found, faults) = decompress(&decompressor(ZSTD, ""), &[&packed]);
    assert_eq!((&*found, faults), (&b""[..], vec![Fault::ZstdDictionary]));
}

#[test]
fn what_is_no_dictionary_is_refused() {
    let mut ctx = Ctx::default();
    let options = ", dictionary: {inline_string: 'no dictionary'}";
    let library = message("compressor", ZSTD, options, &mut ctx)
        .and_then(|message| CompressorLibrary::compile(&message, &mut ctx));
    assert!(library.is_err());
    assert_eq!(errors(&ctx), "Illegal Zstd dictionary");
}
