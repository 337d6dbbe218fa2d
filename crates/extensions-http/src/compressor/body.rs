//! A body under compression.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::http_filter::{DataStatus, TrailersStatus};
use nuncio_contract::local_reply::LocalReply;

use super::stats::CompressorStats;
use crate::compression::{Broken, Compress};

/// A body, or none that is compressed.
#[derive(Default)]
pub(super) struct Body(pub(super) Option<Box<dyn Compress>>);

impl Body {
    /// A chunk becomes its compressed form.
    pub(super) fn data(
        &mut self,
        stats: &CompressorStats,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let Some(compressor) = &mut self.0 else {
            return DataStatus::Continue;
        };
        match compress(&mut **compressor, stats, data.readable(), end_stream) {
            Ok(compressed) => {
                *data = compressed;
                DataStatus::Continue
            }
            Err(Broken) => DataStatus::Reply(Box::new(failure())),
        }
    }

    /// The body ends before its trailers.
    pub(super) fn trailers(&mut self, stats: &CompressorStats) -> TrailersStatus {
        let Some(compressor) = &mut self.0 else {
            return TrailersStatus::Continue;
        };
        match compress(&mut **compressor, stats, b"", true) {
            Ok(rest) => TrailersStatus::Append(rest),
            Err(Broken) => TrailersStatus::Reply(Box::new(failure())),
        }
    }
}

fn compress(
    compressor: &mut dyn Compress,
    stats: &CompressorStats,
    input: &[u8],
    is_last: bool,
) -> Result<Buffer, Broken> {
    let count = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
    stats.total_uncompressed_bytes.add(count(input.len()));
    let mut output = Buffer::new();
    compressor.compress(input, is_last, &mut output)?;
    stats.total_compressed_bytes.add(count(output.len()));
    Ok(output)
}

/// The library gave up, which only want of memory can make it do.
pub(super) fn failure() -> LocalReply {
    LocalReply::new(
        500,
        b"Internal Server Error".as_slice(),
        "compressor_failed",
    )
}
