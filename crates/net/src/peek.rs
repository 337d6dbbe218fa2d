//! Looking at the first bytes of a connection without taking them away.
//!
//! The event loop tells of new bytes once; a look that finds no more than before therefore clears the readiness, and
//! whoever reads later would wait for bytes that are there already. [`rearm`] has the event loop tell of them again.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv, sockopt};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// So many bytes, more than there were.
    Bytes(usize),
    /// No more than there were, and there will be none.
    Ended,
}

/// Waits until more than `seen` bytes have come, and puts up to as many of them into `bytes` as its capacity holds.
pub fn poll_peek(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &mut Vec<u8>,
    seen: usize,
) -> Poll<io::Result<Peeked>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        bytes.clear();
        let looked = stream.try_io(Interest::READABLE, || {
            let peek = || recv(stream, spare_capacity(bytes), RecvFlags::PEEK);
            let (_, count) = retry_on_intr(peek)?;
            match count {
                0 => Ok(Peeked::Ended),
                count if count > seen => Ok(Peeked::Bytes(count)),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        match looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if has_ended(stream, cx) {
                    return Poll::Ready(Ok(Peeked::Ended));
                }
            }
            looked => return Poll::Ready(looked),
        }
    }
}

/// Whether the peer has said that it will send no more, though there are bytes to read.
fn has_ended(stream: &TcpStream, cx: &mut Context<'_>) -> bool {
    let mut ready = std::pin::pin!(stream.ready(Interest::READABLE));
    match ready.as_mut().poll(cx) {
        Poll::Ready(Ok(ready)) => ready.is_read_closed(),
        _ => false,
    }
}

/// Takes `count` bytes away that were seen before.
pub fn consume(stream: &TcpStream, count: usize) -> io::Result<()> {
    let mut bytes = vec![0; count];
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        let (_, taken) = retry_on_intr(|| recv(stream, &mut *rest, RecvFlags::empty()))?;
        rest = match rest.split_at_mut_checked(taken) {
            Some((_, rest)) if taken > 0 => rest,
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
    }
    Ok(())
}

/// Has the event loop tell again what it has told already.
pub fn rearm(stream: TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

/// Where a connection was going before the system redirected it here; none if it was not.
pub fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let found = match local {
        SocketAddr::V4(_) => SocketAddr::from(sockopt::ip_original_dst(stream).ok()?),
        SocketAddr::V6(_) => SocketAddr::from(sockopt::ipv6_original_dst(stream).ok()?),
    };
    (found != local).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(near, listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn what_was_looked_at_can_be_read_by_the_next() {
        let (mut client, server) = pair().await;
        let mut bytes = Vec::with_capacity(64);
        client.write_all(b"one").await.unwrap();
        let found = poll_fn(|cx| poll_peek(&server, cx, &mut bytes, 0)).await;
        assert_eq!(found.unwrap(), Peeked::Bytes(3));
        assert_eq!(bytes, b"one");
        {
            let mut more = Box::pin(poll_fn(|cx| poll_peek(&server, cx, &mut bytes, 3)));
            let is_pending = poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_pending())).await;
            assert!(is_pending, "nothing more has come");
            client.write_all(b"two").await.unwrap();
            assert_eq!(more.await.unwrap(), Peeked::Bytes(6));
        }
        consume(&server, 3).unwrap();
        let mut server = rearm(server).unwrap();
        let mut rest = [0; 3];
        server.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"two");
    }

    #[tokio::test]
    async fn an_end_behind_bytes_is_noticed() {
        let (mut client, server) = pair().await;
        client.write_all(b"one").await.unwrap();
        client.shutdown().await.unwrap();
        let mut bytes = Vec::with_capacity(64);
        let found = poll_fn(|cx| poll_peek(&server, cx, &mut bytes, 3)).await;
        assert_eq!(found.unwrap(), Peeked::Ended);
    }
}
