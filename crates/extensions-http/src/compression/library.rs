//! The libraries as configurations name them: `compressor_library` and `decompressor_library`.

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, FromValue, Refused, SupportTable};

use super::brotli::{self, BrotliCompressor, BrotliDecompressor, IntoBrotli, OutOfBrotli};
use super::gzip::{self, Gunzip, Gzip, GzipCompressor, GzipDecompressor};
use super::zstd::{self, IntoZstd, OutOfZstd, ZstdCompressor, ZstdDecompressor};
use super::{Broken, Compress, Decompress};

const GZIP_COMPRESSOR: &str = "envoy.extensions.compression.gzip.compressor.v3.Gzip";
const BROTLI_COMPRESSOR: &str = "envoy.extensions.compression.brotli.compressor.v3.Brotli";
const ZSTD_COMPRESSOR: &str = "envoy.extensions.compression.zstd.compressor.v3.Zstd";
const GZIP_DECOMPRESSOR: &str = "envoy.extensions.compression.gzip.decompressor.v3.Gzip";
const BROTLI_DECOMPRESSOR: &str = "envoy.extensions.compression.brotli.decompressor.v3.Brotli";
const ZSTD_DECOMPRESSOR: &str = "envoy.extensions.compression.zstd.decompressor.v3.Zstd";

message! {
    /// A library by the type of its message; the name is for statistics.
    pub(crate) struct LibraryMessage: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: String,
        typed_config: Option<Any>,
    }
}

/// A coding and its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// In `content-encoding`.
    fn token(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// In statistics.
    fn word(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Brotli => "brotli",
            Coding::Zstd => "zstd",
        }
    }
}

/// A compressor that bodies are given to.
pub(crate) struct CompressorLibrary(Compressor);

enum Compressor {
    Gzip(gzip::Settings),
    Brotli(brotli::Settings),
    Zstd(zstd::Settings),
}

impl CompressorLibrary {
    pub(crate) fn compile(message: &LibraryMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = message.any(ctx)?;
        Ok(CompressorLibrary(match any.type_name() {
            GZIP_COMPRESSOR => Compressor::Gzip(any.decode::<GzipCompressor>(ctx)?.settings()),
            BROTLI_COMPRESSOR => {
                Compressor::Brotli(any.decode::<BrotliCompressor>(ctx)?.settings())
            }
            ZSTD_COMPRESSOR => Compressor::Zstd(any.decode::<ZstdCompressor>(ctx)?.settings(ctx)?),
            _ => return Err(not_found(any, ctx)),
        }))
    }

    /// Adds what is honoured.
    pub(crate) fn support(table: &mut SupportTable) {
        GzipCompressor::support(table);
        BrotliCompressor::support(table);
        ZstdCompressor::support(table);
    }

    fn coding(&self) -> Coding {
        match self.0 {
            Compressor::Gzip(_) => Coding::Gzip,
            Compressor::Brotli(_) => Coding::Brotli,
            Compressor::Zstd(_) => Coding::Zstd,
        }
    }

    /// The name of the coding in `content-encoding`.
    pub(crate) fn content_encoding(&self) -> &'static str {
        self.coding().token()
    }

    /// The name of the library in statistics.
    pub(crate) fn stat_name(&self) -> &'static str {
        self.coding().word()
    }

    /// Begins a body.
    pub(crate) fn begin(&self) -> Result<Box<dyn Compress>, Broken> {
        Ok(match &self.0 {
            Compressor::Gzip(settings) => Box::new(Gzip::new(*settings)),
            Compressor::Brotli(settings) => Box::new(IntoBrotli::new(settings)),
            Compressor::Zstd(settings) => Box::new(IntoZstd::new(settings)?),
        })
    }
}

/// A decompressor that bodies are given to.
pub(crate) struct DecompressorLibrary(Decompressor);

enum Decompressor {
    Gzip(gzip::InflateSettings),
    Brotli(brotli::DecodeSettings),
    Zstd(zstd::DecodeSettings),
}

impl DecompressorLibrary {
    pub(crate) fn compile(message: &LibraryMessage, ctx: &mut Ctx) -> Result<Self, Refused> {
        let any = message.any(ctx)?;
        Ok(DecompressorLibrary(match any.type_name() {
            GZIP_DECOMPRESSOR => {
                Decompressor::Gzip(any.decode::<GzipDecompressor>(ctx)?.settings())
            }
            BROTLI_DECOMPRESSOR => {
                Decompressor::Brotli(any.decode::<BrotliDecompressor>(ctx)?.settings())
            }
            ZSTD_DECOMPRESSOR => {
                Decompressor::Zstd(any.decode::<ZstdDecompressor>(ctx)?.settings(ctx)?)
            }
            _ => return Err(not_found(any, ctx)),
        }))
    }

    /// Adds what is honoured.
    pub(crate) fn support(table: &mut SupportTable) {
        GzipDecompressor::support(table);
        BrotliDecompressor::support(table);
        ZstdDecompressor::support(table);
    }

    fn coding(&self) -> Coding {
        match self.0 {
            Decompressor::Gzip(_) => Coding::Gzip,
            Decompressor::Brotli(_) => Coding::Brotli,
            Decompressor::Zstd(_) => Coding::Zstd,
        }
    }

    /// The name of the coding in `content-encoding`.
    pub(crate) fn content_encoding(&self) -> &'static str {
        self.coding().token()
    }

    /// The name of the library in statistics.
    pub(crate) fn stat_name(&self) -> &'static str {
        self.coding().word()
    }

    /// Begins a body.
    pub(crate) fn begin(&self) -> Box<dyn Decompress> {
        match &self.0 {
            Decompressor::Gzip(settings) => Box::new(Gunzip::new(*settings)),
            Decompressor::Brotli(settings) => Box::new(OutOfBrotli::new(*settings)),
            Decompressor::Zstd(settings) => Box::new(OutOfZstd::new(settings)),
        }
    }
}

impl LibraryMessage {
    fn any(&self, ctx: &mut Ctx) -> Result<&Any, Refused> {
        self.typed_config.as_ref().ok_or_else(|| {
            let text = "Didn't find a registered implementation for type: ''";
            ctx.error(self.span(), text);
            Refused
        })
    }
}

fn not_found(any: &Any, ctx: &mut Ctx) -> Refused {
    let name = any.type_name();
    if name.starts_with("envoy.extensions.compression.qat") {
        return ctx.unsupported_here(any.span, format_args!("library `{name}`"));
    }
    let text = format!("Didn't find a registered implementation for type: '{name}'");
    ctx.error(any.span, text);
    Refused
}
