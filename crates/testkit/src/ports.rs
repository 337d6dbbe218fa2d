//! Free ports for listeners of the proxy under test.
//!
//! Ports come from below the range that the kernel hands to outgoing connections, so that none is
//! taken between the moment it is chosen and the moment the proxy binds it. All have five digits:
//! a port's text has the same length in every run, and so has any message that contains it.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 20_480;
const COUNT: u32 = 32_700 - FIRST;

/// A port of 127.0.0.1 that nobody listens on; each call in a process gives another one.
///
/// # Panics
/// If no port of the range is free.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let candidate = FIRST + start.wrapping_add(step) % COUNT;
        // Round numbers may stand in what a test compares, where ports are masked.
        let Some(port) = u16::try_from(candidate).ok().filter(|port| port % 100 != 0) else {
            continue;
        };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
