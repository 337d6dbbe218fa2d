//! The counters of the decompressor filter, at `http.<stat_prefix>.decompressor.<library name>.<library>.`.

use std::cell::OnceCell;
use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

use super::config::Chain;
use crate::compression::Fault;

stat_group! {
    /// Bodies of a direction, at `request.` or `response.`.
    pub struct DecompressorStats("") {
        counters {
            decompressed,
            not_decompressed,
            total_uncompressed_bytes,
            total_compressed_bytes,
        }
    }
}

stat_group! {
    /// Bodies that were no gzip.
    pub struct ZlibStats("decompressor_library.") {
        counters {
            zlib_errno,
            zlib_stream_error,
            zlib_data_error,
            zlib_mem_error,
            zlib_buf_error,
            zlib_version_error,
        }
    }
}

stat_group! {
    /// Bodies that were no brotli.
    pub struct BrotliStats("decompressor_library.") {
        counters {
            brotli_error,
            brotli_output_overflow,
            brotli_redundant_input,
        }
    }
}

stat_group! {
    /// Bodies that were no zstd.
    pub struct ZstdStats("decompressor_library.") {
        counters {
            zstd_generic_error,
            zstd_dictionary_error,
            zstd_checksum_wrong_error,
            zstd_memory_error,
        }
    }
}

/// A worker's cells.
pub(super) struct Stats {
    pub(super) request: Arc<DecompressorStats>,
    pub(super) response: Arc<DecompressorStats>,
    library: OnceCell<LibraryStats>,
    scope: Option<Scope>,
}

/// Those of the library, which are there once something is decompressed, as in Envoy.
struct LibraryStats {
    zlib: Option<Arc<ZlibStats>>,
    brotli: Option<Arc<BrotliStats>>,
    zstd: Option<Arc<ZstdStats>>,
}

impl Stats {
    pub(super) fn of(chain: &Chain, manager: &Scope) -> Self {
        let library = chain.library.stat_name();
        let scope = manager.scope(&format!("decompressor.{}.{library}", chain.name));
        let cells = |sub| {
            scope.as_ref().map_or_else(Arc::default, |scope| {
                scope.register_at::<DecompressorStats>(sub);
                scope.worker_group_at(sub)
            })
        };
        Stats {
            request: cells("request."),
            response: cells("response."),
            library: OnceCell::new(),
            scope,
        }
    }

    /// Something is decompressed.
    pub(super) fn begin_body(&self, chain: &Chain) {
        self.library(chain);
    }

    /// Counts what is wrong with a body.
    pub(super) fn count(&self, chain: &Chain, fault: Fault) {
        let LibraryStats { zlib, brotli, zstd } = self.library(chain);
        let (zlib, brotli, zstd) = (zlib.as_ref(), brotli.as_ref(), zstd.as_ref());
        let counter = match fault {
            Fault::ZlibData => zlib.map(|stats| &stats.zlib_data_error),
            Fault::ZlibStream => zlib.map(|stats| &stats.zlib_stream_error),
            Fault::ZlibMemory => zlib.map(|stats| &stats.zlib_mem_error),
            Fault::ZlibBuffer => zlib.map(|stats| &stats.zlib_buf_error),
            Fault::Brotli => brotli.map(|stats| &stats.brotli_error),
            Fault::BrotliOverflow => brotli.map(|stats| &stats.brotli_output_overflow),
            Fault::BrotliRedundantInput => brotli.map(|stats| &stats.brotli_redundant_input),
            Fault::ZstdGeneric => zstd.map(|stats| &stats.zstd_generic_error),
            Fault::ZstdDictionary => zstd.map(|stats| &stats.zstd_dictionary_error),
            Fault::ZstdChecksum => zstd.map(|stats| &stats.zstd_checksum_wrong_error),
            Fault::ZstdMemory => zstd.map(|stats| &stats.zstd_memory_error),
        };
        if let Some(counter) = counter {
            counter.inc();
        }
    }

    fn library(&self, chain: &Chain) -> &LibraryStats {
        self.library.get_or_init(|| {
            let scope = self.scope.as_ref();
            let of = |name: &str| scope.filter(|_| chain.library.stat_name() == name);
            LibraryStats {
                zlib: of("gzip").map(Scope::worker_group),
                brotli: of("brotli").map(Scope::worker_group),
                zstd: of("zstd").map(Scope::worker_group),
            }
        })
    }
}
