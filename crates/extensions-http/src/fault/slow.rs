//! Responses that come slowly, each from a bucket of its own with what comes in a second.
//!
//! As in Envoy it holds what comes in one interval of 50 ms at first. Limits: at least 1 KiB a second; a body waits in
//! memory up to the buffer limit, then the host waits.

use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::http_filter::Late;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::token_bucket::TokenBucket;

use crate::pacing::{DEFAULT_FILL_INTERVAL, Pacing, late};

const KIB_BYTES: u64 = 1024;
const FILLS_A_SECOND: u64 = 20;

/// A response under way.
pub(super) struct Slow {
    bucket: TokenBucket,
    pacing: Pacing,
}

impl Slow {
    /// A response with so many KiB a second.
    pub(super) fn new(limit_kib: u64, now: Instant) -> Self {
        let a_second = limit_kib.saturating_mul(KIB_BYTES);
        let bucket = TokenBucket::of_a_second(a_second);
        bucket.take_up_to(a_second - a_second / FILLS_A_SECOND, now);
        Slow {
            bucket,
            pacing: Pacing::default(),
        }
    }

    pub(super) fn take(&mut self, data: &mut Buffer, end_stream: bool) {
        self.pacing.take(data, end_stream);
    }

    pub(super) fn has_more(&self) -> bool {
        self.pacing.has_more()
    }

    pub(super) fn poll(
        &mut self,
        services: &dyn WorkerServices,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        let portion = self
            .pacing
            .poll(&self.bucket, DEFAULT_FILL_INTERVAL, services, cx);
        portion.map(|portion| late(portion, None))
    }
}
