//! Reading and writing a plain TCP socket, with one system call and one question to the event loop each.
//!
//! A read that fills less than its room, and a write that is taken only in part, mean that the socket has no more:
//! the readiness is cleared at once, and the next attempt waits without a system call.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Appends what is there to `bytes`, as far as its spare capacity goes, which must not be none; without a system call
/// if the socket is not ready. None: nothing is there, wait until the socket is ready.
#[inline]
pub(super) fn recv_now(socket: &TcpStream, bytes: &mut Vec<u8>) -> Option<io::Result<usize>> {
    let room = bytes.capacity() - bytes.len();
    attempt(socket, Interest::READABLE, room, || {
        retry_on_intr(|| recv(socket, spare_capacity(bytes), RecvFlags::empty()))
            .map(|(_, count)| count)
    })
}

/// Writes some of `bytes`. A socket seldom has no room: it is tried before it is asked to tell when it has.
#[inline]
pub(super) fn poll_send(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    loop {
        let attempt = attempt(socket, Interest::WRITABLE, bytes.len(), || {
            retry_on_intr(|| send(socket, bytes, SendFlags::NOSIGNAL))
        });
        if let Some(sent) = attempt {
            return Poll::Ready(sent);
        }
        ready!(socket.poll_write_ready(cx))?;
    }
}

/// One system call; none if the socket is not ready.
#[inline]
fn attempt(
    socket: &TcpStream,
    interest: Interest,
    room: usize,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> Option<io::Result<usize>> {
    let mut done = None;
    let outcome = socket.try_io(interest, || {
        let count = call()?;
        done = Some(count);
        if 0 < count && count < room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match (done, outcome) {
        (Some(count), _) => Some(Ok(count)),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Some(Err(error)),
        (None, _) => None,
    }
}
