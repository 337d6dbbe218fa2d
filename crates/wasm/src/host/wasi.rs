//! The part of WASI that Envoy offers: logs on standard output and error, the environment, clocks, random bytes. There are
//! no files, no arguments and no sockets.

use std::time::Instant;

use nuncio_contract::clock::{Clock, SystemClock};

use super::general::{say, wall_nanos};
use super::guest::Guest;
use super::link::{Arguments, Wasi};

const BADF: u32 = 8;
const NOTDIR: u32 = 20;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOENT: u32 = 44;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;

/// The most random bytes at once, as in Envoy.
const MAX_RANDOM_BYTES: u32 = 64 << 10;
/// The most pieces and bytes of one line.
const MAX_PIECES: u32 = 1024;
const MAX_LINE_BYTES: usize = 1 << 20;

fn fine(_: &mut Guest<'_>, _: &Arguments<'_>) -> Result<(), u32> {
    Ok(())
}

fn no_such_file(_: &mut Guest<'_>, _: &Arguments<'_>) -> Result<(), u32> {
    Err(NOENT)
}

fn no_descriptor(_: &mut Guest<'_>, _: &Arguments<'_>) -> Result<(), u32> {
    Err(BADF)
}

fn no_function(_: &mut Guest<'_>, _: &Arguments<'_>) -> Result<(), u32> {
    Err(NOSYS)
}

fn not_supported(_: &mut Guest<'_>, _: &Arguments<'_>) -> Result<(), u32> {
    Err(NOTSUP)
}

/// Only standard output and error are there.
fn standard(_: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    match args.u32(0) {
        1 | 2 => Ok(()),
        _ => Err(BADF),
    }
}

/// The functions with the types of their arguments.
pub(super) static FUNCTIONS: &[(&str, &str, Wasi)] = &[
    ("fd_write", "iiii", fd_write),
    ("fd_read", "iiii", no_function),
    ("fd_seek", "ilii", fine),
    ("fd_close", "i", fine),
    ("fd_fdstat_get", "ii", fd_fdstat_get),
    ("fd_fdstat_set_flags", "ii", no_function),
    ("fd_fdstat_set_rights", "ill", standard),
    ("fd_filestat_get", "ii", no_descriptor),
    ("fd_filestat_set_size", "il", standard),
    ("fd_filestat_set_times", "illi", standard),
    ("fd_prestat_get", "ii", no_descriptor),
    ("fd_prestat_dir_name", "iii", no_function),
    ("fd_advise", "illi", fine),
    ("fd_allocate", "ill", standard),
    ("fd_datasync", "i", standard),
    ("fd_sync", "i", standard),
    ("fd_pread", "iiili", no_function),
    ("fd_pwrite", "iiili", fd_pwrite),
    ("fd_readdir", "iiili", fd_readdir),
    ("fd_renumber", "ii", fd_renumber),
    ("fd_tell", "ii", fd_tell),
    ("environ_get", "ii", environ_get),
    ("environ_sizes_get", "ii", environ_sizes_get),
    ("args_get", "ii", fine),
    ("args_sizes_get", "ii", args_sizes_get),
    ("clock_time_get", "ili", clock_time_get),
    ("clock_res_get", "ii", clock_res_get),
    ("random_get", "ii", random_get),
    ("sched_yield", "", fine),
    ("poll_oneoff", "iiii", poll_oneoff),
    ("proc_exit", "i", fine),
    ("path_open", "iiiiillii", no_such_file),
    ("path_create_directory", "iii", not_supported),
    ("path_filestat_get", "iiiii", not_supported),
    ("path_filestat_set_times", "iiiilli", not_supported),
    ("path_link", "iiiiii", not_supported),
    ("path_readlink", "iiiiii", path_readlink),
    ("path_remove_directory", "iii", not_supported),
    ("path_rename", "iiiiii", not_supported),
    ("path_symlink", "iiiii", not_supported),
    ("path_unlink_file", "iii", not_supported),
    ("sock_accept", "iii", sock_accept),
    ("sock_recv", "iiiiii", sock_recv),
    ("sock_send", "iiiii", sock_send),
    ("sock_shutdown", "ii", not_supported),
];

fn set(guest: &mut Guest<'_>, at: u32, number: u32) -> Result<(), u32> {
    guest.write_u32(at, number).map_err(|_| FAULT)
}

/// Writes the pieces to the log; how many bytes they were.
fn line(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<u32, u32> {
    let level = match args.u32(0) {
        1 => 2,
        2 => 4,
        _ => return Err(BADF),
    };
    let mut text = Vec::new();
    for piece in 0..args.u32(2).min(MAX_PIECES) {
        let at = args.u32(1).checked_add(piece * 8).ok_or(FAULT)?;
        let place = guest.read(at, 8).map_err(|_| FAULT)?;
        let (start, length) = place.split_first_chunk::<4>().ok_or(FAULT)?;
        let length = length.try_into().map_err(|_| FAULT)?;
        let (start, length) = (u32::from_le_bytes(*start), u32::from_le_bytes(length));
        if length > 0 {
            text.extend(guest.read(start, length).map_err(|_| FAULT)?);
        }
        if text.len() > MAX_LINE_BYTES {
            break;
        }
    }
    let written = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if written > 0 {
        let message = text.strip_suffix(b"\n").unwrap_or(&text);
        say(guest, level, message).map_err(|_| BADF)?;
    }
    Ok(written)
}

fn fd_write(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let written = line(guest, args)?;
    set(guest, args.u32(3), written)
}

fn fd_pwrite(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let written = line(guest, args)?;
    set(guest, args.u32(4), written)
}

fn fd_fdstat_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    standard(guest, args)?;
    let mut stat = [0; 24];
    // The right to write.
    stat[8] = 64;
    let _told_nothing_of_it = guest.write(args.u32(1), &stat);
    Ok(())
}

fn fd_readdir(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(4), 0)?;
    Err(NOTDIR)
}

fn fd_renumber(_: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let are_there = (1..=2).contains(&args.u32(0)) && (1..=2).contains(&args.u32(1));
    Err(if are_there { NOTSUP } else { BADF })
}

fn fd_tell(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    standard(guest, args)?;
    guest.write_u64(args.u32(1), 0).map_err(|_| FAULT)
}

fn environ_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let (mut list, mut text) = (args.u32(0), args.u32(1));
    let base = guest.host().base.clone();
    for (name, value) in &base.environment {
        set(guest, list, text)?;
        let line = format!("{name}={value}\0");
        guest.write(text, line.as_bytes()).map_err(|_| FAULT)?;
        let length = u32::try_from(line.len()).map_err(|_| FAULT)?;
        text = text.checked_add(length).ok_or(FAULT)?;
        list = list.checked_add(4).ok_or(FAULT)?;
    }
    Ok(())
}

fn environ_sizes_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let base = guest.host().base.clone();
    let all = base.environment.iter();
    let bytes: usize = all.map(|(name, value)| name.len() + value.len() + 2).sum();
    let count = u32::try_from(base.environment.len()).unwrap_or(u32::MAX);
    set(guest, args.u32(0), count)?;
    set(guest, args.u32(1), u32::try_from(bytes).unwrap_or(u32::MAX))
}

fn args_sizes_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(0), 0)?;
    set(guest, args.u32(1), 0)
}

/// Nanoseconds since some moment of the process.
fn monotonic_nanos() -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let now = SystemClock.now();
    let since = now.saturating_duration_since(*BEGIN.get_or_init(|| now));
    u64::try_from(since.as_nanos())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn clock_time_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let nanos = match args.u32(0) {
        0 => wall_nanos(),
        1 => monotonic_nanos(),
        _ => return Err(NOTSUP),
    };
    guest.write_u64(args.u32(2), nanos).map_err(|_| FAULT)
}

fn clock_res_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    match args.u32(0) {
        0 | 1 => guest.write_u64(args.u32(1), 1).map_err(|_| FAULT),
        _ => Err(NOTSUP),
    }
}

fn random_get(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    let length = args.u32(1);
    if length > MAX_RANDOM_BYTES {
        return Err(INVAL);
    }
    let mut bytes = vec![0; length as usize];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| FAULT)?;
    guest.write(args.u32(0), &bytes).map_err(|_| FAULT)
}

fn poll_oneoff(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(3), 0)
}

fn path_readlink(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(5), 0)?;
    Err(NOTSUP)
}

fn sock_accept(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(2), 0)?;
    Err(NOTSUP)
}

fn sock_recv(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(4), 0)?;
    guest.write(args.u32(5), &[0, 0]).map_err(|_| FAULT)?;
    Err(NOTSUP)
}

fn sock_send(guest: &mut Guest<'_>, args: &Arguments<'_>) -> Result<(), u32> {
    set(guest, args.u32(4), 0)?;
    Err(NOTSUP)
}
