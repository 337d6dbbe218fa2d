//! Plays the client's part of an exchange of datagrams.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use nuncio_testkit::bytes::{from_text, show};
use nuncio_testkit::datagrams::DatagramClient;

use crate::await_stat;
use crate::case::{DatagramStep, Exchange};
use crate::connecting::PATIENCE;
use crate::setup::Setup;

/// Longer datagrams are shown by length and start only.
const MOST_SHOWN: usize = 200;

/// Plays an exchange; gives what came as text, and the client's port.
///
/// # Errors
/// If the case is wrong or there is no socket to be had.
pub fn play(
    exchange: &Exchange,
    steps: &[DatagramStep],
    setup: &mut Setup,
) -> io::Result<(String, u16)> {
    let from = exchange.from.unwrap_or(Ipv4Addr::LOCALHOST);
    let address = exchange.address.unwrap_or(Ipv4Addr::LOCALHOST);
    let to = (address, setup.port(exchange.listener()));
    let client = DatagramClient::between(from, to, PATIENCE)?;
    let mut text = String::new();
    for step in steps {
        match step {
            DatagramStep::Send { send } => client.send(&from_text(&setup.fill(send)?))?,
            DatagramStep::Fill { fill } => client.send(&vec![b'a'; *fill])?,
            DatagramStep::Receive { receive } => {
                for _ in 0..*receive {
                    let _ = match client.receive() {
                        Some(bytes) => writeln!(text, "client got {}", shown(&bytes)),
                        None => writeln!(text, "nothing more came"),
                    };
                }
            }
            DatagramStep::AwaitStat { await_stat } => {
                if !await_stat::comes(await_stat, setup.port("admin")) {
                    let _ = writeln!(text, "{} never was {}", await_stat.name, await_stat.is);
                }
            }
            DatagramStep::AwaitUpstream {
                await_upstream,
                datagrams,
            } => {
                let upstream = setup.echoes.get(await_upstream).ok_or_else(|| {
                    io::Error::other(format!("no upstream of datagrams {await_upstream}"))
                })?;
                let until = Instant::now() + PATIENCE;
                while !upstream.has_seen(*datagrams) && Instant::now() < until {
                    std::thread::yield_now();
                }
            }
        }
    }
    Ok((text, client.local_port()?))
}

/// A datagram as a line.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    if bytes.len() > MOST_SHOWN {
        let start = show(&bytes[..16]);
        return format!("{} bytes that begin {start}", bytes.len());
    }
    show(bytes)
}
