//! The compression libraries that the compressor and the decompressor share: gzip, brotli and zstd, with all that their
//! messages say. A library is compiled once; each body that passes gets a [`Compress`] or a [`Decompress`] of its own.
//!
//! Limits: what comes out is at most so many times as much as went in since something came out (`max_inflate_ratio` of
//! gzip, 100 otherwise), looked at after each piece of `chunk_size`; of a chunk of which too much comes the rest is
//! dropped. Envoy looks at each chunk by itself, so that one that ends a block may be too short for it. Windows are what
//! the formats allow: 32 KiB, 16 MiB, 128 MiB. Dictionaries have 16 MiB.

mod brotli;
mod gzip;
mod headers;
mod library;
#[cfg(test)]
pub(crate) mod tests;
mod zstd;

use nuncio_contract::buffer::Buffer;

pub(crate) use headers::{forbids_transform, items};
pub(crate) use library::{CompressorLibrary, DecompressorLibrary, LibraryMessage};

/// How many times as much may come out of what goes in, where no field says so.
const MOST_INFLATED: usize = 100;

/// A library failed at what cannot fail.
#[derive(Debug)]
pub(crate) struct Broken;

/// A body that is compressed.
pub(crate) trait Compress {
    /// Adds the compressed form of `input`, and the end of the whole if there is no more.
    fn compress(&mut self, input: &[u8], is_last: bool, output: &mut Buffer) -> Result<(), Broken>;
}

/// A body that is decompressed.
pub(crate) trait Decompress {
    /// Adds what `input` stands for. Of what is wrong only `faults` tell.
    fn decompress(&mut self, input: &[u8], output: &mut Buffer, faults: &mut dyn FnMut(Fault));
}

/// What is wrong with a compressed body, as Envoy counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is broken, or too much comes out of it.
    ZlibData,
    /// The library's state is inconsistent.
    ZlibStream,
    /// There is no memory.
    ZlibMemory,
    /// There is no way on.
    ZlibBuffer,
    /// It is broken.
    Brotli,
    /// Too much comes out of it.
    BrotliOverflow,
    /// Something follows its end.
    BrotliRedundantInput,
    /// It is broken, or too much comes out of it.
    ZstdGeneric,
    /// It needs another dictionary.
    ZstdDictionary,
    /// It is not what its checksum says.
    ZstdChecksum,
    /// There is no memory.
    ZstdMemory,
}

/// How much may come out of a body.
struct Swelling {
    most_times: usize,
    /// What went in since something came out.
    unanswered_bytes: usize,
    /// What has come out of this chunk.
    output_bytes: usize,
}

impl Swelling {
    fn of(most_times: usize) -> Self {
        Swelling {
            most_times,
            unanswered_bytes: 0,
            output_bytes: 0,
        }
    }

    fn begin_chunk(&mut self, input: &[u8]) {
        if self.output_bytes > 0 {
            self.unanswered_bytes = 0;
        }
        self.output_bytes = 0;
        self.unanswered_bytes = self.unanswered_bytes.saturating_add(input.len());
    }

    /// Notes what has come out of the chunk so far; whether that is too much.
    fn is_too_much(&mut self, output_bytes: usize) -> bool {
        self.output_bytes = output_bytes;
        output_bytes > self.unanswered_bytes.saturating_mul(self.most_times)
    }
}

/// A piece of the output that is filled before it is handed on.
struct Piece {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Piece {
    fn of(chunk_bytes: usize) -> Self {
        Piece {
            bytes: vec![0; chunk_bytes].into_boxed_slice(),
            filled: 0,
        }
    }

    fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// Notes that so many bytes of the room are filled.
    fn fill(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len());
    }

    fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    fn hand_on(&mut self, output: &mut Buffer) {
        output.extend(self.bytes.get(..self.filled).unwrap_or_default());
        self.filled = 0;
    }
}

/// How far a count has come.
fn since(before: u64, now: u64) -> usize {
    usize::try_from(now.saturating_sub(before)).unwrap_or(usize::MAX)
}
