//! `fixed_heap`: the process's memory as a share of what it may have.
//!
//! What counts is the memory that is the process's alone, as the kernel tells it (resident, not shared). That is a
//! little more than what is in use: what the allocator has freed and not given back yet, for some milliseconds, is in
//! it. Envoy asks its own allocator instead.

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};

use super::Monitor;
use crate::overload::config::FixedHeap;
use crate::statm;

pub(super) struct Heap {
    most_bytes: u64,
    by_runtime: RuntimeKey,
}

const NO_LIMIT: &str = "fixed_heap: max heap size must be greater than 0";

pub(super) fn check(message: &FixedHeap, span: Span, ctx: &mut Ctx) -> Result<(), Refused> {
    let by_runtime = message.max_heap_size_bytes_runtime.as_ref();
    let text = match by_runtime {
        Some(_) if message.max_heap_size_bytes > 0 => {
            "fixed_heap: exactly one of max_heap_size_bytes or max_heap_size_bytes_runtime must be set"
        }
        Some(value) if value.runtime_key.integer(value.default_value) == 0 => NO_LIMIT,
        None if message.max_heap_size_bytes == 0 => NO_LIMIT,
        Some(_) | None => return Ok(()),
    };
    ctx.error(span, text);
    Err(Refused)
}

impl Heap {
    pub(super) fn new(message: &FixedHeap) -> Self {
        let by_runtime = message.max_heap_size_bytes_runtime.as_ref();
        Heap {
            most_bytes: by_runtime.map_or(message.max_heap_size_bytes, |value| value.default_value),
            by_runtime: by_runtime.map_or_else(RuntimeKey::default, |it| it.runtime_key.clone()),
        }
    }
}

impl Monitor for Heap {
    fn pressure(&mut self) -> Result<f64, String> {
        match self.by_runtime.integer(self.most_bytes) {
            0 => Err(NO_LIMIT.to_string()),
            most => Ok(super::share(statm::memory().own(), most)),
        }
    }
}
