//! Reading and writing a plain TCP socket, with one system call and one question to the event loop each.
//!
//! A read that fills less than its room, and a write that is taken only in part, mean that the socket has no more:
//! the readiness is cleared at once, and the next attempt waits without a system call.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use nuncio_contract::buffer::Buffer;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::outbox;

/// TCP without TLS.
pub struct Plain(Rc<Socket>);

/// A socket, which outlives its owner while it still has bytes to send.
pub(super) struct Socket {
    stream: TcpStream,
    pub(super) later: Cell<Later>,
    /// Who waits while `later` is blocked.
    waiting: RefCell<Waiting>,
}

/// What became of bytes that were given to be sent later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    /// All are with the system.
    Nothing,
    /// They are kept until the turn is over.
    Kept,
    /// Kept, and the owner is gone: what the socket takes at once is all that goes out.
    Orphaned,
    /// The socket has no room for the rest.
    Blocked,
    /// They could not be sent.
    Failed,
    /// Blocked, and the owner is gone.
    Abandoned,
}

#[derive(Default)]
struct Waiting {
    owner: Option<Waker>,
    rest: Option<Waker>,
}

impl Plain {
    pub(super) fn new(stream: TcpStream) -> Self {
        Plain(Rc::new(Socket {
            stream,
            later: Cell::new(Later::Nothing),
            waiting: RefCell::default(),
        }))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0.stream
    }

    /// Keeps `bytes` until the turn is over; gives them back if they are to be sent now.
    #[inline]
    pub(super) fn send_later(&self, bytes: Buffer) -> Result<(), Buffer> {
        if self.0.later.get() == Later::Nothing {
            outbox::keep(&self.0, bytes)
        } else {
            Err(bytes)
        }
    }

    /// Whether bytes that were to be sent later are not with the system yet.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        matches!(self.0.later.get(), Later::Kept | Later::Blocked)
    }

    /// Whether bytes that were to be sent later never will be.
    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        self.0.later.get() == Later::Failed
    }

    /// Waits until what was to be sent later is with the system.
    #[inline]
    pub(super) fn poll_caught_up(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.later.get() == Later::Nothing {
            return Poll::Ready(Ok(()));
        }
        self.poll_catch_up(cx)
    }

    fn poll_catch_up(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.later.get() {
            Later::Nothing => Poll::Ready(Ok(())),
            Later::Failed => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Later::Kept => {
                outbox::send_kept(&self.0);
                self.poll_catch_up(cx)
            }
            Later::Blocked | Later::Orphaned | Later::Abandoned => {
                self.0.waiting.borrow_mut().owner = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Writes some of `bytes`, after those that were to be sent later.
    #[inline]
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_caught_up(cx))?;
        self.0.poll_send(cx, bytes)
    }

    /// Writes some of `slices`, after the bytes that were to be sent later.
    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_caught_up(cx))?;
        loop {
            match self.0.stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.0.stream.poll_write_ready(cx))?;
        }
    }

    /// Sends a FIN after all bytes.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_caught_up(cx))?;
        Poll::Ready(shutdown(&self.0.stream, Shutdown::Write).map_err(io::Error::from))
    }

    /// Appends what is there to `bytes`, as far as its spare capacity goes, which must not be none; without a system
    /// call if the socket is not ready. None: nothing is there, wait until the socket is ready.
    #[inline]
    pub(super) fn recv_now(&self, bytes: &mut Vec<u8>) -> Option<io::Result<usize>> {
        attempt(&self.0.stream, Interest::READABLE, || self.recv(bytes))
    }

    /// The same into a buffer, which borrows at least `room_bytes` for it only if the socket is ready.
    #[inline]
    pub(super) fn fill_now(
        &self,
        buffer: &mut Buffer,
        room_bytes: usize,
    ) -> Option<io::Result<usize>> {
        attempt(&self.0.stream, Interest::READABLE, || {
            let received = self.recv(buffer.vec_mut(room_bytes));
            buffer.release_if_empty();
            received
        })
    }

    #[inline]
    fn recv(&self, bytes: &mut Vec<u8>) -> rustix::io::Result<(usize, Left)> {
        let room = bytes.capacity() - bytes.len();
        let received =
            retry_on_intr(|| recv(&self.0.stream, spare_capacity(bytes), RecvFlags::empty()));
        received.map(|(_, count)| (count, Left::after(count, room)))
    }
}

impl Drop for Plain {
    /// What is kept still goes out as far as the socket has room; nothing outlives its owner's limits for longer.
    fn drop(&mut self) {
        match self.0.later.get() {
            Later::Kept => self.0.later.set(Later::Orphaned),
            Later::Blocked => {
                self.0.later.set(Later::Abandoned);
                if let Some(rest) = self.0.waiting.take().rest {
                    rest.wake();
                }
            }
            Later::Nothing | Later::Orphaned | Later::Failed | Later::Abandoned => {}
        }
    }
}

impl Socket {
    /// Sends some of `bytes` without a look at what the event loop knows of the socket; 0 if there is no room.
    #[inline]
    pub(super) fn send_unasked(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        match self.send(bytes) {
            Err(Errno::WOULDBLOCK) => Ok(0),
            sent => sent,
        }
    }

    /// Sends some of `bytes`; None if there is no room.
    #[inline]
    pub(super) fn send_now(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        attempt(&self.stream, Interest::WRITABLE, || {
            let sent = self.send(bytes);
            sent.map(|count| (count, Left::after(count, bytes.len())))
        })
    }

    #[inline]
    fn send(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        retry_on_intr(|| send(&self.stream, bytes, SendFlags::NOSIGNAL))
    }

    /// Sends some of `bytes`. A socket seldom has no room: it is tried before it is asked to tell when it has.
    #[inline]
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if let Some(sent) = self.send_now(bytes) {
                return Poll::Ready(sent);
            }
            ready!(self.stream.poll_write_ready(cx))?;
        }
    }

    /// Bytes that were to be sent later never will be. Whoever reads is told: after what has come already the stream
    /// ends.
    pub(super) fn fail(&self) {
        self.later.set(Later::Failed);
        let _it_may_be_so_already = shutdown(&self.stream, Shutdown::Both);
    }

    /// Whether the owner is gone; if not, `cx` is woken when it goes.
    pub(super) fn is_abandoned(&self, cx: &Context<'_>) -> bool {
        if self.later.get() == Later::Abandoned {
            return true;
        }
        self.waiting.borrow_mut().rest = Some(cx.waker().clone());
        false
    }

    /// Wakes the owner if it waits for what was to be sent later.
    pub(super) fn wake_owner(&self) {
        if let Some(owner) = self.waiting.take().owner {
            owner.wake();
        }
    }
}

/// Whether the socket may have more of what was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Perhaps,
    Nothing,
}

impl Left {
    /// Fewer than were asked for, but some, are all that there is. None at all is the end, of which it tells again.
    #[inline]
    fn after(count: usize, wanted: usize) -> Self {
        match 0 < count && count < wanted {
            true => Left::Nothing,
            false => Left::Perhaps,
        }
    }
}

/// One system call; none if the socket is not ready.
#[inline]
fn attempt(
    stream: &TcpStream,
    interest: Interest,
    mut call: impl FnMut() -> rustix::io::Result<(usize, Left)>,
) -> Option<io::Result<usize>> {
    let mut done = None;
    let outcome = stream.try_io(interest, || {
        let (count, left) = call()?;
        done = Some(count);
        match left {
            Left::Perhaps => Ok(()),
            Left::Nothing => Err(io::ErrorKind::WouldBlock.into()),
        }
    });
    match (done, outcome) {
        (Some(count), _) => Some(Ok(count)),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Some(Err(error)),
        (None, _) => None,
    }
}
