//! Reading, writing and closing a transport.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use nuncio_contract::buffer::Buffer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::has_budget_remaining;

use super::Transport;

/// What an idle connection has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleState {
    /// Nothing: still open.
    Quiet,
    /// The peer closed it, or it failed.
    Closed,
    /// The peer sent bytes that nobody asked for.
    Unsolicited,
}

impl Transport {
    /// Appends what is there to `buffer`, as far as its spare capacity goes (64 bytes are added when there is
    /// none). `Ok(0)` is the end of the stream. A short read clears the readiness, so that the next poll waits
    /// without a system call.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(64);
        }
        match self {
            Transport::Plain(plain) => loop {
                ready!(plain.stream().poll_read_ready(cx))?;
                if let Some(read) = plain.recv_now(buffer) {
                    return Poll::Ready(read);
                }
            },
            Transport::Tls(tls) => pin!(tls.stream.read_buf(buffer)).poll(cx),
            Transport::Watched(watched) => watched.poll_read(cx, buffer),
            Transport::Counted(counted) => counted.poll_read(cx, buffer),
        }
    }

    /// Reads into `buffer`, which borrows at least `room_bytes` for it; the memory goes back at once when there
    /// is nothing to read. `Ok(0)` is the end of the stream.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        room_bytes: usize,
    ) -> Poll<io::Result<usize>> {
        let Transport::Plain(plain) = self else {
            return self.poll_fill_other(cx, buffer, room_bytes);
        };
        loop {
            // Who reads on and on gives way to others here.
            ready!(plain.stream().poll_read_ready(cx))?;
            if let Some(read) = plain.fill_now(buffer, room_bytes) {
                return Poll::Ready(read);
            }
        }
    }

    /// The same where little is to come, such as a head: one that reads on and on would not give way to others. The
    /// socket is asked to tell only when it has nothing, and not again where it `is_asked` by the same task already.
    #[inline]
    pub fn poll_fill_little(
        &mut self,
        cx: &mut Context<'_>,
        (buffer, room_bytes): (&mut Buffer, usize),
        is_asked: &Cell<bool>,
    ) -> Poll<io::Result<usize>> {
        let Transport::Plain(plain) = self else {
            return self.poll_fill_other(cx, buffer, room_bytes);
        };
        loop {
            if let Some(read) = plain.fill_now(buffer, room_bytes) {
                is_asked.set(false);
                return Poll::Ready(read);
            }
            if is_asked.get() {
                return Poll::Pending;
            }
            let asked = plain.stream().poll_read_ready(cx);
            // Without a budget the task is woken to ask again.
            is_asked.set(asked.is_pending() && has_budget_remaining());
            ready!(asked)?;
        }
    }

    /// The same for what is not plain, apart so that plain reading is short.
    #[inline(never)]
    fn poll_fill_other(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        room_bytes: usize,
    ) -> Poll<io::Result<usize>> {
        let read = self.poll_read(cx, buffer.vec_mut(room_bytes));
        buffer.release_if_empty();
        read
    }

    /// Writes some of `bytes`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(plain) => plain.poll_write(cx, bytes),
            Transport::Tls(tls) => Pin::new(&mut tls.stream).poll_write(cx, bytes),
            Transport::Watched(watched) => watched.inner.poll_write(cx, bytes),
            Transport::Counted(counted) => counted.poll_write(cx, bytes),
        }
    }

    /// Writes some of `slices`, in order, in one system call where the carrier can.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(plain) => plain.poll_write_vectored(cx, slices),
            Transport::Tls(tls) => Pin::new(&mut tls.stream).poll_write_vectored(cx, slices),
            Transport::Watched(watched) => watched.inner.poll_write_vectored(cx, slices),
            Transport::Counted(counted) => counted.poll_write_vectored(cx, slices),
        }
    }

    /// Keeps `bytes`, which nobody waits for, until the worker's turn is over ([`outbox`](super::outbox)). Gives them
    /// back if they are to be written now: outside of turns, over TLS, or while others have not gone yet.
    ///
    /// # Errors
    /// The bytes.
    #[inline]
    pub fn send_later(&mut self, bytes: Buffer) -> Result<(), Buffer> {
        match self {
            Transport::Plain(plain) => plain.send_later(bytes),
            Transport::Tls(_) => Err(bytes),
            Transport::Watched(watched) => watched.inner.send_later(bytes),
            Transport::Counted(counted) => counted.send_later(bytes),
        }
    }

    /// Whether bytes that were to be sent later are not with the system yet.
    #[inline]
    pub fn is_behind(&self) -> bool {
        match self {
            Transport::Plain(plain) => plain.is_behind(),
            Transport::Tls(_) => false,
            Transport::Watched(watched) => watched.inner.is_behind(),
            Transport::Counted(counted) => counted.inner.is_behind(),
        }
    }

    /// Whether bytes that were to be sent later never will be.
    #[inline]
    pub fn has_failed(&self) -> bool {
        match self {
            Transport::Plain(plain) => plain.has_failed(),
            Transport::Tls(_) => false,
            Transport::Watched(watched) => watched.inner.has_failed(),
            Transport::Counted(counted) => counted.inner.has_failed(),
        }
    }

    /// Pushes out what the carrier itself still holds: TLS records, bytes to be sent later.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(plain) => plain.poll_caught_up(cx),
            Transport::Tls(tls) => Pin::new(&mut tls.stream).poll_flush(cx),
            Transport::Watched(watched) => watched.inner.poll_flush(cx),
            Transport::Counted(counted) => counted.inner.poll_flush(cx),
        }
    }

    /// Ends this side's stream (`close_notify`, FIN); the other side can still be read.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(plain) => plain.poll_shutdown(cx),
            Transport::Tls(tls) => Pin::new(&mut tls.stream).poll_shutdown(cx),
            Transport::Watched(watched) => watched.inner.poll_shutdown(cx),
            Transport::Counted(counted) => counted.inner.poll_shutdown(cx),
        }
    }

    /// Looks at an idle connection without waiting; no system call unless the event loop reported something.
    /// A byte that was not asked for is lost: such a connection is of no more use.
    pub fn idle_state(&mut self) -> IdleState {
        if let Transport::Plain(plain) = self {
            return idle_state(plain.stream());
        }
        match self.poll_idle_end(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(end) => end,
            Poll::Pending => IdleState::Quiet,
        }
    }

    /// Waits until an idle connection is closed or speaks. Never [`IdleState::Quiet`].
    pub fn poll_idle_end(&mut self, cx: &mut Context<'_>) -> Poll<IdleState> {
        let tls = match self {
            Transport::Plain(plain) => return poll_idle_end(plain.stream(), cx),
            Transport::Watched(watched) => return watched.inner.poll_idle_end(cx),
            Transport::Counted(counted) => return counted.inner.poll_idle_end(cx),
            Transport::Tls(tls) => tls,
        };
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut tls.stream).poll_read(cx, &mut one);
        read.map(|result| match result {
            Ok(()) if !one.filled().is_empty() => IdleState::Unsolicited,
            _ => IdleState::Closed,
        })
    }
}

fn idle_state(socket: &TcpStream) -> IdleState {
    match socket.try_read(&mut [0]) {
        Ok(0) => IdleState::Closed,
        Ok(_) => IdleState::Unsolicited,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => IdleState::Quiet,
        Err(_) => IdleState::Closed,
    }
}

fn poll_idle_end(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<IdleState> {
    loop {
        if ready!(socket.poll_read_ready(cx)).is_err() {
            return Poll::Ready(IdleState::Closed);
        }
        match idle_state(socket) {
            IdleState::Quiet => {}
            end => return Poll::Ready(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (Transport::plain(near), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn reads_append_to_what_the_buffer_holds() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"world").await.unwrap();
        let mut buffer = Vec::with_capacity(64);
        buffer.extend_from_slice(b"hello ");
        assert_eq!(
            poll_fn(|cx| near.poll_read(cx, &mut buffer)).await.unwrap(),
            5
        );
        assert_eq!(buffer, b"hello world");
        drop(far);
        assert_eq!(
            poll_fn(|cx| near.poll_read(cx, &mut buffer)).await.unwrap(),
            0
        );
    }

    #[tokio::test]
    async fn a_full_buffer_grows_and_is_not_taken_for_the_end() {
        let (mut near, mut far) = pair().await;
        far.write_all(b"x").await.unwrap();
        assert_eq!(
            poll_fn(|cx| near.poll_read(cx, &mut Vec::new()))
                .await
                .unwrap(),
            1
        );
    }

    #[tokio::test]
    async fn who_asked_a_socket_once_is_woken_when_it_has_something() {
        let (mut near, mut far) = pair().await;
        let (is_asked, mut buffer) = (Cell::new(false), Buffer::new());
        let mut pending = 0;
        let read = poll_fn(|cx| {
            let read = near.poll_fill_little(cx, (&mut buffer, 64), &is_asked);
            pending += u32::from(read.is_pending());
            // Twice, as who waits for two things at once is polled for either.
            let again = near.poll_fill_little(cx, (&mut Buffer::new(), 64), &is_asked);
            assert!(again.is_pending() && is_asked.get());
            read
        });
        let (read, written) = tokio::join!(read, far.write_all(b"x"));
        written.unwrap();
        assert_eq!((read.unwrap(), buffer.readable()), (1, &b"x"[..]));
        assert!(pending > 0);
    }

    #[tokio::test]
    async fn who_has_no_budget_left_to_ask_a_socket_asks_it_later() {
        let (mut near, mut far) = pair().await;
        let (is_asked, mut buffer) = (Cell::new(false), Buffer::new());
        poll_fn(|cx| {
            while let Poll::Ready(step) = tokio::task::coop::poll_proceed(cx) {
                step.made_progress();
            }
            let read = near.poll_fill_little(cx, (&mut buffer, 64), &is_asked);
            assert!(read.is_pending() && !is_asked.get());
            Poll::Ready(())
        })
        .await;
        let read = poll_fn(|cx| near.poll_fill_little(cx, (&mut buffer, 64), &is_asked));
        let (read, written) = tokio::join!(read, far.write_all(b"x"));
        written.unwrap();
        assert_eq!(read.unwrap(), 1);
    }

    #[tokio::test]
    async fn an_idle_connection_tells_a_close_from_unsolicited_bytes() {
        let (mut near, far) = pair().await;
        assert_eq!(near.idle_state(), IdleState::Quiet);
        drop(far);
        assert_eq!(
            poll_fn(|cx| near.poll_idle_end(cx)).await,
            IdleState::Closed
        );
        assert_eq!(near.idle_state(), IdleState::Closed);

        let (mut near, mut far) = pair().await;
        far.write_all(b"HTTP/1.1 408").await.unwrap();
        assert_eq!(
            poll_fn(|cx| near.poll_idle_end(cx)).await,
            IdleState::Unsolicited
        );
    }
}
