//! A body under decompression.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, MapKind};
use nuncio_contract::http_filter::{DataStatus, TrailersStatus};

use super::config::{Chain, TrailerNames};
use super::stats::{DecompressorStats, Stats};
use crate::compression::Decompress;

/// A body, or none that is decompressed.
#[derive(Default)]
pub(super) struct Body(Option<Under>);

struct Under {
    decompressor: Box<dyn Decompress>,
    compressed_bytes: u64,
    uncompressed_bytes: u64,
}

/// Whose a body is.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) chain: &'a Chain,
    pub(super) stats: &'a Stats,
    pub(super) direction: &'a DecompressorStats,
    pub(super) trailers: MapKind,
}

impl Body {
    pub(super) fn begin(&mut self, side: Side<'_>) {
        side.direction.decompressed.inc();
        side.stats.begin_body(side.chain);
        self.0 = Some(Under {
            decompressor: side.chain.library.begin(),
            compressed_bytes: 0,
            uncompressed_bytes: 0,
        });
    }

    /// A chunk becomes what it stands for; the last one gets trailers.
    pub(super) fn data(
        &mut self,
        side: Side<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(under) = &mut self.0 else {
            return DataStatus::Continue;
        };
        let count = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
        let compressed_bytes = count(data.len());
        let mut output = Buffer::new();
        let mut faults = |fault| side.stats.count(side.chain, fault);
        let decompressor = &mut under.decompressor;
        decompressor.decompress(data.readable(), &mut output, &mut faults);
        if end_stream && !data.is_empty() {
            // As in Envoy, where the end of a body in HTTP/1 is a chunk of its own.
            decompressor.decompress(b"", &mut output, &mut faults);
        }
        let uncompressed_bytes = count(output.len());
        *data = output;
        under.compressed_bytes += compressed_bytes;
        under.uncompressed_bytes += uncompressed_bytes;
        side.direction.total_compressed_bytes.add(compressed_bytes);
        side.direction
            .total_uncompressed_bytes
            .add(uncompressed_bytes);
        if !end_stream {
            return DataStatus::Continue;
        }
        let mut trailers = HeaderMap::new(side.trailers);
        under.tell(side.chain.trailers.as_ref(), &mut trailers);
        DataStatus::AddTrailers(Box::new(trailers))
    }

    pub(super) fn trailers(&self, side: Side<'_>, trailers: &mut HeaderMap) -> TrailersStatus {
        if let Some(under) = &self.0 {
            under.tell(side.chain.trailers.as_ref(), trailers);
        }
        TrailersStatus::Continue
    }
}

impl Under {
    fn tell(&self, names: Option<&TrailerNames>, trailers: &mut HeaderMap) {
        let Some(names) = names else {
            return;
        };
        for (name, bytes) in [
            (&names.compressed, self.compressed_bytes),
            (&names.uncompressed, self.uncompressed_bytes),
        ] {
            trailers.append(name, bytes.to_string().as_bytes());
        }
    }
}
