//! What of the machine the bench uses: which core is whose, descriptors, ports, a scratch folder.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Descriptors that the most idle connections may need, for the proxy and for the bench.
const WANTED_DESCRIPTORS: u64 = 20_000;

/// The last core that this process may use is for the proxy alone; the bench keeps the others.
///
/// Returns none, and pins nothing, when there is but one core.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn split_cores() -> io::Result<Option<usize>> {
    let mut cores = sched_getaffinity(None)?;
    let usable: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|core| cores.is_set(*core))
        .collect();
    let [_, .., last] = usable.as_slice() else {
        return Ok(None);
    };
    cores.unset(*last);
    sched_setaffinity(None, &cores)?;
    Ok(Some(*last))
}

/// Raises the limit of open descriptors as far as useful and returns it.
fn raise_descriptor_limit() -> u64 {
    let old = getrlimit(Resource::Nofile);
    let wanted = old.maximum.unwrap_or(u64::MAX).min(WANTED_DESCRIPTORS);
    let current = old.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let new = Rlimit {
        current: Some(wanted),
        maximum: old.maximum,
    };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) => wanted,
        Err(_) => current,
    }
}

/// Connections that a proxy may count on: HAProxy wants two descriptors for each.
pub(crate) fn max_connections() -> u32 {
    let connections = (raise_descriptor_limit() / 5 * 2).min(10_000);
    u32::try_from(connections).unwrap_or(u32::MAX)
}

/// A port on 127.0.0.1 that nobody listens on right now.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A folder of this run, removed with all in it when dropped.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("nuncio-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The processor's name and the kernel's release, for the report.
pub(crate) fn description() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name.trim());
    let count = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{count} x {name}, Linux {}", kernel.trim())
}
