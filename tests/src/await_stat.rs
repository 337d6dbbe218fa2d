//! Waits until the proxy's admin shows a stat with a value, for what comes about by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::case::StatValue;

/// Long enough for anything that comes about at all.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Whether the stat got the value in time.
#[must_use]
pub(crate) fn comes(wanted: &StatValue, admin_port: u16) -> bool {
    let deadline = Instant::now() + LIMIT;
    let line = format!("{}: {}", wanted.name, wanted.is);
    while Instant::now() < deadline {
        let stats = stats(admin_port).unwrap_or_default();
        if stats.lines().any(|shown| shown == line) {
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}

fn stats(port: u16) -> std::io::Result<String> {
    let mut admin = TcpStream::connect(("127.0.0.1", port))?;
    admin.set_read_timeout(Some(LIMIT))?;
    admin.write_all(b"GET /stats HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    admin.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).replace('\r', ""))
}
