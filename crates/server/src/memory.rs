//! How much memory the process uses, from /proc.

use crate::admin::state::MemoryUsage;

const PAGE_BYTES: u64 = 4096;

/// The usage of now; zeros where /proc does not tell.
pub(crate) fn usage() -> MemoryUsage {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm
        .split_ascii_whitespace()
        .map(|field| field.parse::<u64>().unwrap_or(0));
    let _virtual_size = pages.next();
    let resident = pages.next().unwrap_or(0) * PAGE_BYTES;
    let shared = pages.next().unwrap_or(0) * PAGE_BYTES;
    MemoryUsage {
        allocated: resident.saturating_sub(shared),
        heap_size: resident.saturating_sub(shared),
        total_physical_bytes: resident,
        ..MemoryUsage::default()
    }
}
