//! Zstandard: `envoy.compression.zstd.compressor` and `envoy.compression.zstd.decompressor`, done by the reference
//! library.
//!
//! A dictionary is read with the configuration and digested for each body. A file that changes is read again when the
//! configuration is. Unlike Envoy, a piece of output that does not fit `chunk_size` is not lost at the end of a body.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::data_source::DataSource;
use zstd_safe::zstd_sys::{ZSTD_EndDirective, ZSTD_ErrorCode};
use zstd_safe::{CCtx, CParameter, DCtx, ErrorCode, InBuffer, OutBuffer, Strategy};

use super::{Broken, Compress, Decompress, Fault, MOST_INFLATED, Piece, Swelling};

const DICTIONARY_LIMIT_BYTES: usize = 16 << 20;
const DEFAULT_COMPRESSION_LEVEL: u32 = 3;

message! {
    /// The compressor.
    pub(super) struct ZstdCompressor: "envoy.extensions.compression.zstd.compressor.v3.Zstd" {
        compression_level: Option<u32>,
        enable_checksum: bool,
        strategy: ZstdStrategy,
        dictionary: Option<DataSource>,
        chunk_size: Option<u32>,
    }
}

message! {
    /// The decompressor.
    pub(super) struct ZstdDecompressor: "envoy.extensions.compression.zstd.decompressor.v3.Zstd" {
        dictionaries: Vec<DataSource>,
        chunk_size: Option<u32>,
    }
}

enumeration! {
    /// Less time or fewer bytes.
    pub(super) enum ZstdStrategy: "envoy.extensions.compression.zstd.compressor.v3.Zstd.Strategy" {
        DEFAULT => Default,
        FAST => Fast,
        DFAST => Dfast,
        GREEDY => Greedy,
        LAZY => Lazy,
        LAZY2 => Lazy2,
        BTLAZY2 => Btlazy2,
        BTOPT => Btopt,
        BTULTRA => Btultra,
        BTULTRA2 => Btultra2,
    }
}

impl ZstdStrategy {
    /// None leaves it to the level.
    fn explicit(self) -> Option<Strategy> {
        Some(match self {
            ZstdStrategy::Default => return None,
            ZstdStrategy::Fast => Strategy::ZSTD_fast,
            ZstdStrategy::Dfast => Strategy::ZSTD_dfast,
            ZstdStrategy::Greedy => Strategy::ZSTD_greedy,
            ZstdStrategy::Lazy => Strategy::ZSTD_lazy,
            ZstdStrategy::Lazy2 => Strategy::ZSTD_lazy2,
            ZstdStrategy::Btlazy2 => Strategy::ZSTD_btlazy2,
            ZstdStrategy::Btopt => Strategy::ZSTD_btopt,
            ZstdStrategy::Btultra => Strategy::ZSTD_btultra,
            ZstdStrategy::Btultra2 => Strategy::ZSTD_btultra2,
        })
    }
}

/// A dictionary and its number.
#[derive(Clone)]
struct Dictionary {
    number: u32,
    bytes: Arc<[u8]>,
}

impl Dictionary {
    fn read(source: &DataSource, ctx: &mut Ctx) -> Result<Self, Refused> {
        let bytes = source.read(DICTIONARY_LIMIT_BYTES, ctx)?;
        let number = zstd_safe::get_dict_id_from_dict(&bytes);
        let is_whole = DCtx::create().load_dictionary(&bytes).is_ok();
        match number.filter(|_| is_whole) {
            Some(number) => Ok(Dictionary {
                number: number.get(),
                bytes: bytes.into(),
            }),
            None => {
                ctx.error(source.span(), "Illegal Zstd dictionary");
                Err(Refused)
            }
        }
    }
}

/// How bodies are compressed.
#[derive(Clone)]
pub(super) struct Settings {
    level: i32,
    has_checksum: bool,
    strategy: Option<Strategy>,
    dictionary: Option<Dictionary>,
    chunk_bytes: usize,
}

impl ZstdCompressor {
    pub(super) fn settings(&self, ctx: &mut Ctx) -> Result<Settings, Refused> {
        let level = self.compression_level.unwrap_or(DEFAULT_COMPRESSION_LEVEL);
        let dictionary = self.dictionary.as_ref();
        let dictionary = dictionary.map(|source| Dictionary::read(source, ctx));
        Ok(Settings {
            level: i32::try_from(level).unwrap_or(i32::MAX),
            has_checksum: self.enable_checksum,
            strategy: self.strategy.explicit(),
            dictionary: dictionary.transpose()?,
            chunk_bytes: chunk_bytes(self.chunk_size, CCtx::out_size()),
        })
    }
}

fn chunk_bytes(bytes: Option<u32>, default: usize) -> usize {
    bytes.map_or(default, |bytes| usize::try_from(bytes).unwrap_or(default))
}

/// A body on its way into zstd.
pub(super) struct IntoZstd {
    context: CCtx<'static>,
    piece: Piece,
}

impl IntoZstd {
    pub(super) fn new(settings: &Settings) -> Result<Self, Broken> {
        let mut context = CCtx::try_create().ok_or(Broken)?;
        let checksum = CParameter::ChecksumFlag(settings.has_checksum);
        let level = CParameter::CompressionLevel(settings.level);
        let strategy = settings.strategy.map(CParameter::Strategy);
        for parameter in [Some(checksum), Some(level), strategy]
            .into_iter()
            .flatten()
        {
            context.set_parameter(parameter).map_err(|_| Broken)?;
        }
        if let Some(dictionary) = &settings.dictionary {
            let loaded = context.load_dictionary(&dictionary.bytes);
            loaded.map_err(|_| Broken)?;
        }
        Ok(IntoZstd {
            context,
            piece: Piece::of(settings.chunk_bytes),
        })
    }
}

impl Compress for IntoZstd {
    /// As in Envoy, nothing is flushed before the end of the body.
    fn compress(&mut self, input: &[u8], is_last: bool, output: &mut Buffer) -> Result<(), Broken> {
        let directive = match is_last {
            true => ZSTD_EndDirective::ZSTD_e_end,
            false => ZSTD_EndDirective::ZSTD_e_continue,
        };
        let mut input = InBuffer::around(input);
        loop {
            let mut room = OutBuffer::around(self.piece.room());
            let left = self
                .context
                .compress_stream2(&mut room, &mut input, directive);
            let filled = room.pos();
            let left = left.map_err(|_| Broken)?;
            self.piece.fill(filled);
            self.piece.hand_on(output);
            let is_done = match is_last {
                true => left == 0,
                false => input.pos() == input.src.len(),
            };
            if is_done {
                return Ok(());
            }
        }
    }
}

/// How bodies are decompressed.
#[derive(Clone)]
pub(super) struct DecodeSettings {
    dictionaries: Arc<[Dictionary]>,
    chunk_bytes: usize,
}

impl ZstdDecompressor {
    pub(super) fn settings(&self, ctx: &mut Ctx) -> Result<DecodeSettings, Refused> {
        let all = self.dictionaries.iter();
        let read: Vec<_> = all.map(|source| Dictionary::read(source, ctx)).collect();
        Ok(DecodeSettings {
            dictionaries: read.into_iter().collect::<Result<_, _>>()?,
            chunk_bytes: chunk_bytes(self.chunk_size, DCtx::out_size()),
        })
    }
}

/// A body on its way out of zstd.
pub(super) struct OutOfZstd {
    context: DCtx<'static>,
    piece: Piece,
    /// Empty once the frame has told which one it needs.
    dictionaries: Arc<[Dictionary]>,
    swelling: Swelling,
}

impl OutOfZstd {
    pub(super) fn new(settings: &DecodeSettings) -> Self {
        OutOfZstd {
            context: DCtx::create(),
            piece: Piece::of(settings.chunk_bytes),
            dictionaries: Arc::clone(&settings.dictionaries),
            swelling: Swelling::of(MOST_INFLATED),
        }
    }

    /// Takes the dictionary that a frame needs; false if there is no such one.
    fn take_dictionary(&mut self, frame: &[u8]) -> bool {
        let dictionaries = std::mem::take(&mut self.dictionaries);
        if dictionaries.is_empty() {
            return true;
        }
        let Some(number) = zstd_safe::get_dict_id_from_frame(frame) else {
            return true;
        };
        let mut all = dictionaries.iter();
        let dictionary = all.find(|dictionary| dictionary.number == number.get());
        dictionary.is_some_and(|found| self.context.load_dictionary(&found.bytes).is_ok())
    }
}

impl Decompress for OutOfZstd {
    fn decompress(&mut self, input: &[u8], output: &mut Buffer, faults: &mut dyn FnMut(Fault)) {
        if input.is_empty() {
            return;
        }
        if !self.take_dictionary(input) {
            faults(Fault::ZstdDictionary);
            return;
        }
        let before = output.len();
        self.swelling.begin_chunk(input);
        let mut source = InBuffer::around(input);
        loop {
            let mut room = OutBuffer::around(self.piece.room());
            let result = self.context.decompress_stream(&mut room, &mut source);
            let filled = room.pos();
            if let Err(code) = result {
                faults(fault(code));
                return;
            }
            self.piece.fill(filled);
            let is_full = self.piece.is_full();
            self.piece.hand_on(output);
            if self.swelling.is_too_much(output.len() - before) {
                faults(Fault::ZstdGeneric);
                return;
            }
            if source.pos() == input.len() && !is_full {
                return;
            }
        }
    }
}

fn fault(code: ErrorCode) -> Fault {
    let is = |kind| zstd_safe::is_error_kind(code, kind);
    if is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        Fault::ZstdMemory
    } else if is(ZSTD_ErrorCode::ZSTD_error_dictionary_corrupted)
        || is(ZSTD_ErrorCode::ZSTD_error_dictionary_wrong)
    {
        Fault::ZstdDictionary
    } else if is(ZSTD_ErrorCode::ZSTD_error_checksum_wrong) {
        Fault::ZstdChecksum
    } else {
        Fault::ZstdGeneric
    }
}
