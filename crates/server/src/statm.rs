//! The process's memory as the kernel tells it in `/proc/self/statm`.

const PAGE_BYTES: u64 = 4096;

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What is there.
    pub(crate) resident: u64,
    /// What of it other processes may have too.
    pub(crate) shared: u64,
}

impl Memory {
    /// The process's own.
    pub(crate) fn own(self) -> u64 {
        self.resident.saturating_sub(self.shared)
    }
}

/// The memory of now; none where the kernel does not tell.
pub(crate) fn memory() -> Memory {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm
        .split_ascii_whitespace()
        .map(|field| field.parse::<u64>().unwrap_or(0));
    let _virtual_size = pages.next();
    let mut bytes = || pages.next().unwrap_or(0) * PAGE_BYTES;
    Memory {
        resident: bytes(),
        shared: bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::memory;

    #[test]
    fn a_process_has_memory_of_its_own() {
        assert!(memory().own() > 0);
    }
}
