//! How much memory the process uses, for the admin.

use crate::admin::state::MemoryUsage;
use crate::statm;

/// The usage of now; zeros where /proc does not tell.
pub(crate) fn usage() -> MemoryUsage {
    let memory = statm::memory();
    MemoryUsage {
        allocated: memory.own(),
        heap_size: memory.own(),
        total_physical_bytes: memory.resident,
        ..MemoryUsage::default()
    }
}
