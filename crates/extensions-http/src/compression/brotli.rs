//! Brotli: `envoy.compression.brotli.compressor` and `envoy.compression.brotli.decompressor`, done by the crate of that
//! name. Large windows, which are no part of the format on the web, are refused.

use std::io::Write as _;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use brotli::enc::backward_references::BrotliEncoderMode;
use brotli_decompressor::{
    BrotliDecoderParameter, BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc,
};
use nuncio_config::{enumeration, message};
use nuncio_contract::buffer::Buffer;

use super::{Broken, Compress, Decompress, Fault, MOST_INFLATED, Piece, Swelling};

const DEFAULT_QUALITY: u32 = 3;
const DEFAULT_WINDOW_BITS: u32 = 18;
const DEFAULT_INPUT_BLOCK_BITS: u32 = 24;
const DEFAULT_CHUNK_BYTES: u32 = 4096;

message! {
    /// The compressor.
    pub(super) struct BrotliCompressor: "envoy.extensions.compression.brotli.compressor.v3.Brotli" {
        quality: Option<u32>,
        encoder_mode: EncoderMode,
        window_bits: Option<u32>,
        input_block_bits: Option<u32>,
        chunk_size: Option<u32>,
        disable_literal_context_modeling: bool,
    }
}

message! {
    /// The decompressor.
    pub(super) struct BrotliDecompressor: "envoy.extensions.compression.brotli.decompressor.v3.Brotli" {
        disable_ring_buffer_reallocation: bool,
        chunk_size: Option<u32>,
    }
}

enumeration! {
    /// What the data is like.
    pub(super) enum EncoderMode: "envoy.extensions.compression.brotli.compressor.v3.Brotli.EncoderMode" {
        DEFAULT => Default,
        GENERIC => Generic,
        TEXT => Text,
        FONT => Font,
    }
}

/// How bodies are compressed.
#[derive(Clone)]
pub(super) struct Settings {
    params: BrotliEncoderParams,
    chunk_bytes: usize,
}

impl BrotliCompressor {
    pub(super) fn settings(&self) -> Settings {
        let number =
            |field: Option<u32>, default| i32::try_from(field.unwrap_or(default)).unwrap_or(0);
        let params = BrotliEncoderParams {
            quality: number(self.quality, DEFAULT_QUALITY),
            mode: match self.encoder_mode {
                EncoderMode::Default | EncoderMode::Generic => {
                    BrotliEncoderMode::BROTLI_MODE_GENERIC
                }
                EncoderMode::Text => BrotliEncoderMode::BROTLI_MODE_TEXT,
                EncoderMode::Font => BrotliEncoderMode::BROTLI_MODE_FONT,
            },
            lgwin: number(self.window_bits, DEFAULT_WINDOW_BITS),
            lgblock: number(self.input_block_bits, DEFAULT_INPUT_BLOCK_BITS),
            disable_literal_context_modeling: i32::from(self.disable_literal_context_modeling),
            ..BrotliEncoderParams::default()
        };
        Settings {
            params,
            chunk_bytes: chunk_bytes(self.chunk_size),
        }
    }
}

fn chunk_bytes(bytes: Option<u32>) -> usize {
    usize::try_from(bytes.unwrap_or(DEFAULT_CHUNK_BYTES)).unwrap_or(usize::MAX)
}

/// A body on its way into brotli.
pub(super) struct IntoBrotli {
    /// None once the body has ended.
    writer: Option<CompressorWriter<Vec<u8>>>,
}

impl IntoBrotli {
    pub(super) fn new(settings: &Settings) -> Self {
        let writer =
            CompressorWriter::with_params(Vec::new(), settings.chunk_bytes, &settings.params);
        IntoBrotli {
            writer: Some(writer),
        }
    }
}

impl Compress for IntoBrotli {
    fn compress(&mut self, input: &[u8], is_last: bool, output: &mut Buffer) -> Result<(), Broken> {
        let mut writer = self.writer.take().ok_or(Broken)?;
        writer.write_all(input).map_err(|_| Broken)?;
        if is_last {
            output.extend(&writer.into_inner());
            return Ok(());
        }
        writer.flush().map_err(|_| Broken)?;
        output.extend(writer.get_ref());
        writer.get_mut().clear();
        self.writer = Some(writer);
        Ok(())
    }
}

/// How bodies are decompressed.
#[derive(Clone, Copy)]
pub(super) struct DecodeSettings {
    has_whole_ring_buffer: bool,
    chunk_bytes: usize,
}

impl BrotliDecompressor {
    pub(super) fn settings(&self) -> DecodeSettings {
        DecodeSettings {
            has_whole_ring_buffer: self.disable_ring_buffer_reallocation,
            chunk_bytes: chunk_bytes(self.chunk_size),
        }
    }
}

/// A body on its way out of brotli.
pub(super) struct OutOfBrotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    piece: Piece,
    swelling: Swelling,
}

impl OutOfBrotli {
    pub(super) fn new(settings: DecodeSettings) -> Self {
        let alloc = StandardAlloc::default;
        let mut state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
        state.set_parameter(
            BrotliDecoderParameter::BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION,
            u32::from(settings.has_whole_ring_buffer),
        );
        OutOfBrotli {
            state,
            piece: Piece::of(settings.chunk_bytes),
            swelling: Swelling::of(MOST_INFLATED),
        }
    }
}

/// What a step of the decoder came to.
enum Step {
    /// There may be more.
    Again,
    /// All that went in is used up.
    Done,
    /// What is left of the chunk is dropped.
    Wrong,
}

impl OutOfBrotli {
    /// Fills the piece; each call gets on with the input or with the output, so that their number has an end.
    fn step(&mut self, input: &mut &[u8], faults: &mut dyn FnMut(Fault)) -> Step {
        let (mut available, mut offset) = (input.len(), 0);
        let (mut room, mut filled, mut total) = (self.piece.room().len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available,
            &mut offset,
            input,
            &mut room,
            &mut filled,
            self.piece.room(),
            &mut total,
            &mut self.state,
        );
        *input = input.get(offset..).unwrap_or_default();
        self.piece.fill(filled);
        match result {
            BrotliResult::ResultFailure => {
                faults(Fault::Brotli);
                Step::Wrong
            }
            BrotliResult::ResultSuccess if !input.is_empty() => {
                faults(Fault::Brotli);
                faults(Fault::BrotliRedundantInput);
                Step::Wrong
            }
            BrotliResult::NeedsMoreOutput => Step::Again,
            BrotliResult::ResultSuccess => Step::Done,
            BrotliResult::NeedsMoreInput if input.is_empty() => Step::Done,
            BrotliResult::NeedsMoreInput if offset == 0 && filled == 0 => {
                faults(Fault::Brotli);
                Step::Wrong
            }
            BrotliResult::NeedsMoreInput => Step::Again,
        }
    }
}

impl Decompress for OutOfBrotli {
    fn decompress(&mut self, mut input: &[u8], output: &mut Buffer, faults: &mut dyn FnMut(Fault)) {
        let before = output.len();
        self.swelling.begin_chunk(input);
        loop {
            let step = self.step(&mut input, faults);
            let is_wrong = matches!(step, Step::Wrong);
            if !is_wrong && self.swelling.is_too_much(output.len() - before) {
                faults(Fault::Brotli);
                faults(Fault::BrotliOverflow);
                break;
            }
            match step {
                Step::Again if self.piece.is_full() => self.piece.hand_on(output),
                Step::Again => {}
                Step::Done | Step::Wrong => break,
            }
        }
        self.piece.hand_on(output);
        self.swelling.output_bytes = output.len() - before;
    }
}
