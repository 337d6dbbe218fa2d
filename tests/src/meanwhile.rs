//! What happens around a connection: files are moved, control planes speak, stats are awaited, the admin is told.

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;

use crate::await_stat;
use crate::case::{BeforeStep, StatValue};
use crate::control_plane::ControlPlane;
use crate::setup::Setup;

fn plane<'s>(setup: &'s Setup, name: &str) -> io::Result<&'s ControlPlane> {
    let plane = setup.planes.get(name);
    plane.ok_or_else(|| io::Error::other(format!("there is no control plane {name}")))
}

/// Does what comes before an exchange or among its steps; says what did not come about.
///
/// # Errors
/// If the case is wrong.
pub(crate) fn prepare(step: &BeforeStep, setup: &mut Setup) -> io::Result<Option<String>> {
    let directory = setup.scratch.path();
    match step {
        BeforeStep::Move { r#move, over } => {
            fs::rename(directory.join(r#move), directory.join(over))?;
        }
        BeforeStep::Write { write, into } => {
            let text = fs::read(directory.join(write))?;
            fs::write(directory.join(into), text)?;
        }
        BeforeStep::Tell {
            tell,
            kind,
            response,
        } => {
            let response = setup.filled(response)?;
            plane(setup, tell)?.tell(kind, &response)?;
        }
        BeforeStep::Answered {
            answered,
            kind,
            nonce,
        } => plane(setup, answered)?.answered(kind, nonce)?,
        BeforeStep::Asked { asked, text } => plane(setup, asked)?.asked(text)?,
        BeforeStep::Cut { cut } => plane(setup, cut)?.cut(),
        BeforeStep::AwaitStat { await_stat } => return awaited(await_stat, setup),
        BeforeStep::Post { post } => {
            let port = setup.fill("{{port:admin}}")?;
            let mut admin = TcpStream::connect(format!("127.0.0.1:{port}"))?;
            admin.write_all(
                format!("POST {post} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .as_bytes(),
            )?;
            io::copy(&mut admin, &mut io::sink())?;
        }
    }
    Ok(None)
}

/// Waits for a stat; says if it did not come.
///
/// # Errors
/// If there is no admin to ask.
pub(crate) fn awaited(stat: &StatValue, setup: &mut Setup) -> io::Result<Option<String>> {
    let admin = setup.fill("{{port:admin}}")?;
    let port = admin.parse().map_err(io::Error::other)?;
    let StatValue { name, is } = stat;
    let filled = StatValue {
        name: setup.fill(name)?,
        is: *is,
    };
    let comes = await_stat::comes(&filled, port);
    Ok((!comes).then(|| format!("{name} did not become {is}")))
}
