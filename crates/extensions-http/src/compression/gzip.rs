//! gzip: `envoy.compression.gzip.compressor` and `envoy.compression.gzip.decompressor`, done by zlib-rs.

use nuncio_config::{enumeration, message};
use nuncio_contract::buffer::Buffer;
use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateError, InflateFlush, Status, Strategy,
};

use super::{Broken, Compress, Decompress, Fault, MOST_INFLATED, Piece, Swelling, since};

const DEFAULT_MEMORY_LEVEL: u32 = 5;
const DEFAULT_COMPRESSOR_WINDOW_BITS: u32 = 12;
const DEFAULT_DECOMPRESSOR_WINDOW_BITS: u32 = 15;
const DEFAULT_CHUNK_BYTES: u32 = 4096;
/// With the window's bits it says that head and tail are those of gzip.
const GZIP_FORMAT: u8 = 16;

message! {
    /// The compressor.
    pub(super) struct GzipCompressor: "envoy.extensions.compression.gzip.compressor.v3.Gzip" {
        memory_level: Option<u32>,
        compression_level: CompressionLevel,
        compression_strategy: CompressionStrategy,
        window_bits: Option<u32>,
        chunk_size: Option<u32>,
    }
}

message! {
    /// The decompressor.
    pub(super) struct GzipDecompressor: "envoy.extensions.compression.gzip.decompressor.v3.Gzip" {
        window_bits: Option<u32>,
        chunk_size: Option<u32>,
        max_inflate_ratio: Option<u32>,
    }
}

enumeration! {
    /// Less time or fewer bytes.
    pub(super) enum CompressionLevel:
        "envoy.extensions.compression.gzip.compressor.v3.Gzip.CompressionLevel" {
        DEFAULT_COMPRESSION => Default,
        BEST_SPEED => BestSpeed,
        COMPRESSION_LEVEL_1 => Level1,
        COMPRESSION_LEVEL_2 => Level2,
        COMPRESSION_LEVEL_3 => Level3,
        COMPRESSION_LEVEL_4 => Level4,
        COMPRESSION_LEVEL_5 => Level5,
        COMPRESSION_LEVEL_6 => Level6,
        COMPRESSION_LEVEL_7 => Level7,
        COMPRESSION_LEVEL_8 => Level8,
        COMPRESSION_LEVEL_9 => Level9,
        BEST_COMPRESSION => BestCompression,
    }
}

enumeration! {
    /// What the data is like.
    pub(super) enum CompressionStrategy:
        "envoy.extensions.compression.gzip.compressor.v3.Gzip.CompressionStrategy" {
        DEFAULT_STRATEGY => Default,
        FILTERED => Filtered,
        HUFFMAN_ONLY => HuffmanOnly,
        RLE => Rle,
        FIXED => Fixed,
    }
}

impl CompressionLevel {
    /// zlib's own default is -1.
    fn number(self) -> i32 {
        match self {
            CompressionLevel::Default => -1,
            CompressionLevel::BestSpeed | CompressionLevel::Level1 => 1,
            CompressionLevel::Level2 => 2,
            CompressionLevel::Level3 => 3,
            CompressionLevel::Level4 => 4,
            CompressionLevel::Level5 => 5,
            CompressionLevel::Level6 => 6,
            CompressionLevel::Level7 => 7,
            CompressionLevel::Level8 => 8,
            CompressionLevel::Level9 | CompressionLevel::BestCompression => 9,
        }
    }
}

/// How bodies are compressed.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    level: i32,
    strategy: Strategy,
    window_bits: u8,
    memory_level: u8,
    chunk_bytes: usize,
}

impl GzipCompressor {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            level: self.compression_level.number(),
            strategy: match self.compression_strategy {
                CompressionStrategy::Default => Strategy::Default,
                CompressionStrategy::Filtered => Strategy::Filtered,
                CompressionStrategy::HuffmanOnly => Strategy::HuffmanOnly,
                CompressionStrategy::Rle => Strategy::Rle,
                CompressionStrategy::Fixed => Strategy::Fixed,
            },
            window_bits: window_bits(self.window_bits, DEFAULT_COMPRESSOR_WINDOW_BITS),
            memory_level: small(self.memory_level, DEFAULT_MEMORY_LEVEL),
            chunk_bytes: chunk_bytes(self.chunk_size),
        }
    }
}

fn window_bits(bits: Option<u32>, default: u32) -> u8 {
    small(bits, default) | GZIP_FORMAT
}

/// A number that the API's rules keep small.
fn small(number: Option<u32>, default: u32) -> u8 {
    u8::try_from(number.unwrap_or(default)).unwrap_or(u8::MAX)
}

fn chunk_bytes(bytes: Option<u32>) -> usize {
    usize::try_from(bytes.unwrap_or(DEFAULT_CHUNK_BYTES)).unwrap_or(usize::MAX)
}

/// A body on its way into gzip.
pub(super) struct Gzip {
    deflate: Deflate,
    piece: Piece,
}

impl Gzip {
    pub(super) fn new(settings: Settings) -> Self {
        Gzip {
            deflate: Deflate::new_with_config(DeflateConfig {
                level: settings.level,
                window_bits: i32::from(settings.window_bits),
                mem_level: i32::from(settings.memory_level),
                strategy: settings.strategy,
                ..DeflateConfig::default()
            }),
            piece: Piece::of(settings.chunk_bytes),
        }
    }
}

impl Compress for Gzip {
    fn compress(
        &mut self,
        mut input: &[u8],
        is_last: bool,
        output: &mut Buffer,
    ) -> Result<(), Broken> {
        let flush = match is_last {
            true => DeflateFlush::Finish,
            false => DeflateFlush::SyncFlush,
        };
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            let done = self.deflate.compress(input, self.piece.room(), flush);
            let taken = since(read, self.deflate.total_in());
            input = input.get(taken..).unwrap_or_default();
            self.piece.fill(since(written, self.deflate.total_out()));
            let is_full = self.piece.is_full();
            self.piece.hand_on(output);
            match done {
                Ok(Status::StreamEnd) => return Ok(()),
                Ok(_) if is_full => {}
                Ok(_) if !is_last && input.is_empty() => return Ok(()),
                Ok(_) | Err(_) => return Err(Broken),
            }
        }
    }
}

/// How bodies are decompressed.
#[derive(Clone, Copy)]
pub(super) struct InflateSettings {
    window_bits: u8,
    chunk_bytes: usize,
    most_inflated: usize,
}

impl GzipDecompressor {
    pub(super) fn settings(&self) -> InflateSettings {
        let ratio = self
            .max_inflate_ratio
            .and_then(|ratio| usize::try_from(ratio).ok());
        InflateSettings {
            window_bits: window_bits(self.window_bits, DEFAULT_DECOMPRESSOR_WINDOW_BITS),
            chunk_bytes: chunk_bytes(self.chunk_size),
            most_inflated: ratio.unwrap_or(MOST_INFLATED),
        }
    }
}

/// A body on its way out of gzip.
pub(super) struct Gunzip {
    inflate: Inflate,
    piece: Piece,
    swelling: Swelling,
}

impl Gunzip {
    pub(super) fn new(settings: InflateSettings) -> Self {
        Gunzip {
            inflate: Inflate::new(true, settings.window_bits),
            piece: Piece::of(settings.chunk_bytes),
            swelling: Swelling::of(settings.most_inflated),
        }
    }
}

impl Decompress for Gunzip {
    fn decompress(&mut self, mut input: &[u8], output: &mut Buffer, faults: &mut dyn FnMut(Fault)) {
        if input.is_empty() {
            return;
        }
        let before = output.len();
        self.swelling.begin_chunk(input);
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let room = self.piece.room();
            let done = self.inflate.decompress(input, room, InflateFlush::NoFlush);
            let taken = since(read, self.inflate.total_in());
            input = input.get(taken..).unwrap_or_default();
            self.piece.fill(since(written, self.inflate.total_out()));
            match done {
                Ok(Status::Ok) => {}
                Ok(Status::StreamEnd) => break,
                Ok(Status::BufError) if input.is_empty() => break,
                Ok(Status::BufError) => {
                    faults(Fault::ZlibBuffer);
                    break;
                }
                Err(error) => {
                    faults(fault(error));
                    break;
                }
            }
            if self.piece.is_full() {
                self.piece.hand_on(output);
            }
            if self.swelling.is_too_much(output.len() - before) {
                faults(Fault::ZlibData);
                return;
            }
        }
        self.piece.hand_on(output);
        self.swelling.output_bytes = output.len() - before;
    }
}

fn fault(error: InflateError) -> Fault {
    match error {
        InflateError::DataError | InflateError::NeedDict { .. } => Fault::ZlibData,
        InflateError::StreamError => Fault::ZlibStream,
        InflateError::MemError => Fault::ZlibMemory,
    }
}
