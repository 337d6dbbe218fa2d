//! What the kernel says about the processes of a group: CPU time and memory.
//!
//! CPU time is user and system time of every process of the group; what has ended no longer
//! counts, and no proxy here ends a worker while it is measured. Memory is the sum of RSS and of
//! PSS, so RSS counts a page shared by two workers twice and PSS once.

use std::fs;
use std::io;

/// Memory of a process group in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) rss_bytes: u64,
    pub(crate) pss_bytes: u64,
}

/// The fields of `/proc/PID/stat` that are used here.
struct Stat {
    group: i32,
    cpu_ticks: u64,
}

/// The processes of the group.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn processes(group: i32) -> io::Result<Vec<u32>> {
    Ok(group_stats(group)?
        .into_iter()
        .map(|(pid, _)| pid)
        .collect())
}

/// User and system time of the group, in seconds.
///
/// # Errors
/// When `/proc` cannot be read or the group is gone.
pub(crate) fn cpu_seconds(group: i32) -> io::Result<f64> {
    let stats = group_stats(group)?;
    if stats.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let of_process = |(pid, stat): (u32, Stat)| {
        let ticks_a_second = rustix::param::clock_ticks_per_second() as f64;
        scheduled_seconds(pid).unwrap_or(stat.cpu_ticks as f64 / ticks_a_second)
    };
    Ok(stats.into_iter().map(of_process).sum())
}

/// The same time of one process, in nanoseconds in place of ticks of 10 ms, by its threads.
fn scheduled_seconds(pid: u32) -> io::Result<f64> {
    let mut nanoseconds: u64 = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text
            .split_whitespace()
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// Memory of the group.
///
/// # Errors
/// When `/proc` cannot be read or the group is gone.
pub(crate) fn memory(group: i32) -> io::Result<Memory> {
    let mut memory = Memory::default();
    for pid in processes(group)? {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        memory.rss_bytes += kib_field(&text, "Rss:") * 1024;
        memory.pss_bytes += kib_field(&text, "Pss:") * 1024;
    }
    if memory.rss_bytes == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(memory)
}

/// Resident memory of a group's processes, in bytes; cheaper than [`memory`] and no burden to them.
///
/// # Errors
/// When `/proc` cannot be read or they have ended.
pub(crate) fn resident_bytes(group: i32) -> io::Result<u64> {
    let mut pages = 0;
    for pid in processes(group)? {
        let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
        let field = text.split(' ').nth(1).and_then(|field| field.parse().ok());
        pages += field.unwrap_or(0);
    }
    let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    match pages {
        0 => Err(io::ErrorKind::NotFound.into()),
        pages => Ok(pages * page_bytes),
    }
}

fn group_stats(group: i32) -> io::Result<Vec<(u32, Stat)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and here.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if let Some(stat) = parse_stat(&text).filter(|stat| stat.group == group) {
            found.push((pid, stat));
        }
    }
    Ok(found)
}

/// The name in parentheses may hold spaces and parentheses itself, so fields count from its end.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        group: fields.get(2)?.parse().ok()?,
        cpu_ticks: number(11)? + number(12)?,
    })
}

fn kib_field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 1 0 5";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.group, stat.cpu_ticks), (42, 42));
    }

    #[test]
    fn memory_fields_are_found_by_name() {
        let text = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss:  1234 kB\nPss:   56 kB\n";
        assert_eq!(
            (kib_field(text, "Rss:"), kib_field(text, "Pss:")),
            (1234, 56)
        );
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let own = rustix::process::getpgrp().as_raw_nonzero().get();
        assert!(memory(own).unwrap().rss_bytes > 0);
        assert!(resident_bytes(own).unwrap() > 0);
        assert!(cpu_seconds(own).unwrap() >= 0.0);
    }
}
