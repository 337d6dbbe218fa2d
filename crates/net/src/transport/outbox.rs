//! Sending at the end of a worker's turn, all in one go.
//!
//! Between two looks at the sockets a worker under load writes for dozens of connections. Written one by one, each goes
//! through the kernel's long way of a packet with nothing of it in the processor's caches. So bytes that nobody waits
//! for are kept until the turn is over and are then sent one after another.
//!
//! Who sends is a task ([`serve`]). The first that keeps bytes wakes it, so that its turn comes when all that are ready
//! by then have run. What a socket does not take at once goes out by a task of its own. A socket keeps at most what its
//! owner gave at once; on a thread without such a task nothing is kept.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use nuncio_contract::buffer::Buffer;
use tokio::task::spawn_local;

use super::plain::{Later, Socket};

thread_local! {
    static OUTBOX: RefCell<Outbox> = const {
        RefCell::new(Outbox { kept: Vec::new(), sender: None })
    };
}

struct Outbox {
    kept: Vec<(Rc<Socket>, Buffer)>,
    /// Who sends what is kept; without, nothing is.
    sender: Option<Waker>,
}

/// Sends the rest of what a socket had no room for. It ends early when the socket's owner has gone.
type Rest = Pin<Box<dyn Future<Output = ()>>>;

/// Sends what this thread's tasks keep, for as long as it is driven. There is to be one a thread.
///
/// What is kept when it is dropped is sent as far as the sockets have room.
pub async fn serve() {
    struct Closing;
    impl Drop for Closing {
        fn drop(&mut self) {
            close(drop);
        }
    }
    let _sends_the_last = Closing;
    poll_fn(|cx| {
        open(cx.waker());
        send_all(|rest| drop(spawn_local(rest)));
        Poll::Pending
    })
    .await
}

/// From now on bytes are kept, and `sender` is woken for them.
fn open(sender: &Waker) {
    OUTBOX.with_borrow_mut(|outbox| match &mut outbox.sender {
        Some(known) => known.clone_from(sender),
        none => *none = Some(sender.clone()),
    });
}

/// Nothing more is kept. Whatever is given to `spawn` has to be driven to its end.
fn close(spawn: impl FnMut(Rest)) {
    OUTBOX.with_borrow_mut(|outbox| outbox.sender = None);
    send_all(spawn);
}

/// Sends what was kept. Whatever is given to `spawn` has to be driven to its end.
fn send_all(mut spawn: impl FnMut(Rest)) {
    let mut kept = OUTBOX.with_borrow_mut(|outbox| std::mem::take(&mut outbox.kept));
    for (socket, mut bytes) in kept.drain(..) {
        let before = socket.later.get();
        if matches!(before, Later::Kept | Later::Orphaned) {
            send(&socket, &mut bytes);
        }
        if before != Later::Orphaned && socket.later.get() == Later::Blocked {
            spawn(Box::pin(send_rest(socket, bytes)));
        }
    }
    // Its memory serves the next turn.
    OUTBOX.with_borrow_mut(|outbox| outbox.kept = kept);
}

/// Keeps `bytes` for `socket`, which must have none kept yet; gives them back where nobody would send them.
#[inline]
pub(super) fn keep(socket: &Rc<Socket>, bytes: Buffer) -> Result<(), Buffer> {
    OUTBOX.with_borrow_mut(|outbox| {
        let Some(sender) = &outbox.sender else {
            return Err(bytes);
        };
        if outbox.kept.is_empty() {
            sender.wake_by_ref();
        }
        socket.later.set(Later::Kept);
        outbox.kept.push((Rc::clone(socket), bytes));
        Ok(())
    })
}

/// Sends at once what is kept for `socket`, as far as it has room; the rest goes out after the turn.
pub(super) fn send_kept(socket: &Rc<Socket>) {
    OUTBOX.with_borrow_mut(|outbox| {
        let kept = &mut outbox.kept;
        let of_socket = |(other, _): &(Rc<Socket>, Buffer)| Rc::ptr_eq(other, socket);
        if let Some(at) = kept.iter().position(of_socket) {
            send(socket, &mut kept[at].1);
            if socket.later.get() != Later::Blocked {
                kept.remove(at);
            }
        }
    });
}

/// Sends what the socket has room for, which nearly always is all.
#[inline]
fn send(socket: &Socket, bytes: &mut Buffer) {
    match socket.send_unasked(bytes.readable()) {
        Ok(count) if count == bytes.len() => socket.later.set(Later::Nothing),
        Ok(count) => {
            bytes.advance(count);
            send_more(socket, bytes);
        }
        Err(_) => socket.fail(),
    }
}

/// Sends the rest, or learns that the socket has no room for it.
#[cold]
fn send_more(socket: &Socket, bytes: &mut Buffer) {
    let later = match socket.send_now(bytes.readable()) {
        Some(Ok(count)) if count == bytes.len() => Later::Nothing,
        Some(Ok(count)) => {
            bytes.advance(count);
            Later::Blocked
        }
        Some(Err(_)) => return socket.fail(),
        None => Later::Blocked,
    };
    socket.later.set(later);
}

async fn send_rest(socket: Rc<Socket>, mut bytes: Buffer) {
    poll_fn(|cx| poll_send_rest(&socket, &mut bytes, cx)).await;
    socket.wake_owner();
}

fn poll_send_rest(socket: &Socket, bytes: &mut Buffer, cx: &mut Context<'_>) -> Poll<()> {
    while !socket.is_abandoned(cx) {
        match ready!(socket.poll_send(cx, bytes.readable())) {
            Ok(count) => bytes.advance(count),
            Err(_) => {
                socket.fail();
                return Poll::Ready(());
            }
        }
        if bytes.is_empty() {
            socket.later.set(Later::Nothing);
            return Poll::Ready(());
        }
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Transport;
    use std::cell::Cell;
    use std::io::Read as _;
    use std::net::TcpListener;
    use tokio::net::TcpStream;
    use tokio::task::LocalSet;

    /// Our end, and the peer's.
    async fn pair() -> (Transport, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (Transport::plain(near), listener.accept().unwrap().0)
    }

    fn begin() {
        open(Waker::noop());
    }

    fn buffer(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.extend(bytes);
        buffer
    }

    fn keep(near: &mut Transport, bytes: &[u8]) {
        near.send_later(buffer(bytes)).expect("it is kept");
    }

    fn nothing_is_left(_: Rest) {
        panic!("the socket has room");
    }

    fn read(far: &mut std::net::TcpStream, count: usize) -> String {
        let mut bytes = vec![0; count];
        far.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Writes until the socket takes no more; how much that was.
    fn fill(near: &Transport) -> usize {
        let mut count = 0;
        loop {
            match near.socket().try_write(&[b'x'; 4096]) {
                Ok(some) => count += some,
                Err(_) => return count,
            }
        }
    }

    #[tokio::test]
    async fn what_is_kept_goes_out_when_the_turn_is_over() {
        let (mut near, mut far) = pair().await;
        begin();
        keep(&mut near, b"hello");
        assert!(near.is_behind());
        far.set_nonblocking(true).unwrap();
        assert!(far.read(&mut [0; 8]).is_err(), "nothing was sent yet");
        far.set_nonblocking(false).unwrap();
        close(nothing_is_left);
        assert!(!near.is_behind());
        assert_eq!(read(&mut far, 5), "hello");
    }

    #[tokio::test]
    async fn where_nobody_sends_nothing_is_kept() {
        let (mut near, _far) = pair().await;
        assert!(near.send_later(buffer(b"hello")).is_err());
        begin();
        close(nothing_is_left);
        assert!(near.send_later(buffer(b"hello")).is_err());
    }

    #[tokio::test]
    async fn what_is_written_now_follows_what_was_kept() {
        let (mut near, mut far) = pair().await;
        begin();
        keep(&mut near, b"first, ");
        assert!(near.send_later(buffer(b"twice")).is_err());
        let written = poll_fn(|cx| near.poll_write(cx, b"second")).await;
        assert_eq!(written.unwrap(), 6);
        close(nothing_is_left);
        assert_eq!(read(&mut far, 13), "first, second");
    }

    #[tokio::test]
    async fn what_is_kept_goes_out_though_its_owner_has_gone() {
        let (mut near, mut far) = pair().await;
        begin();
        keep(&mut near, b"farewell");
        drop(near);
        close(nothing_is_left);
        let mut all = String::new();
        far.read_to_string(&mut all).unwrap();
        assert_eq!(all, "farewell");
    }

    #[tokio::test]
    async fn the_end_of_the_stream_follows_what_was_kept() {
        let (mut near, mut far) = pair().await;
        begin();
        keep(&mut near, b"farewell");
        poll_fn(|cx| near.poll_shutdown(cx)).await.unwrap();
        close(nothing_is_left);
        let mut all = String::new();
        far.read_to_string(&mut all).unwrap();
        assert_eq!(all, "farewell");
    }

    #[tokio::test]
    async fn all_that_are_ready_run_before_what_they_keep_is_sent() {
        let test = async {
            let (mut near, mut far) = pair().await;
            let serving = spawn_local(serve());
            tokio::task::yield_now().await;
            let were_behind = Rc::new(Cell::new(false));
            let first = spawn_local(async move {
                keep(&mut near, b"kept");
                near
            });
            let noted = Rc::clone(&were_behind);
            let second = spawn_local(async move {
                noted.set(OUTBOX.with_borrow(|outbox| !outbox.kept.is_empty()));
            });
            let near = first.await.unwrap();
            second.await.unwrap();
            assert!(were_behind.get());
            tokio::task::yield_now().await;
            assert!(!near.is_behind());
            assert_eq!(read(&mut far, 4), "kept");
            serving.abort();
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn what_is_kept_when_its_task_ends_is_sent() {
        let (mut near, mut far) = pair().await;
        {
            let mut serving = Box::pin(serve());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(serving.as_mut().poll(&mut cx).is_pending());
            keep(&mut near, b"the last");
        }
        assert_eq!(read(&mut far, 8), "the last");
        assert!(near.send_later(buffer(b"more")).is_err());
    }

    async fn a_full_socket(kept_before_the_end: impl FnOnce(&mut Transport)) {
        let (mut near, mut far) = pair().await;
        let filled = fill(&near);
        begin();
        keep(&mut near, b"at last");
        kept_before_the_end(&mut near);
        let mut rests = Vec::new();
        close(|rest| rests.push(rest));
        assert_eq!(rests.len(), 1);
        rests.into_iter().for_each(|rest| drop(spawn_local(rest)));
        assert!(near.is_behind());
        assert!(near.send_later(buffer(b"more")).is_err());
        let far = std::thread::spawn(move || {
            let all = read(&mut far, filled + 7);
            (far, all)
        });
        poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
        assert!(!near.is_behind());
        let (_far, all) = far.join().unwrap();
        assert!(all.ends_with("xat last"));
    }

    #[tokio::test]
    async fn a_socket_without_room_gets_the_rest_when_it_has_some() {
        LocalSet::new().run_until(a_full_socket(|_| {})).await;
    }

    #[tokio::test]
    async fn who_waits_for_a_full_socket_within_the_turn_is_woken_too() {
        let wait = |near: &mut Transport| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(near.poll_flush(&mut cx).is_pending());
        };
        LocalSet::new().run_until(a_full_socket(wait)).await;
    }

    #[tokio::test]
    async fn what_is_kept_by_an_owner_that_has_gone_is_given_up_where_there_is_no_room() {
        let (mut near, mut far) = pair().await;
        let filled = fill(&near);
        begin();
        keep(&mut near, b"too late");
        drop(near);
        close(|_| panic!("nobody is left to drive it"));
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), filled);
    }

    #[tokio::test]
    async fn the_rest_is_given_up_when_its_owner_goes() {
        let test = async {
            let (mut near, mut far) = pair().await;
            fill(&near);
            begin();
            keep(&mut near, b"too late");
            let mut rests = Vec::new();
            close(|rest| rests.push(spawn_local(rest)));
            tokio::task::yield_now().await;
            drop(near);
            for rest in rests {
                rest.await.unwrap();
            }
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            assert!(!all.ends_with(b"too late"));
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn who_reads_learns_that_nothing_can_be_sent_any_more() {
        let (mut near, far) = pair().await;
        socket2::SockRef::from(&far)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(far);
        begin();
        keep(&mut near, b"hello?");
        close(nothing_is_left);
        assert!(near.has_failed() && !near.is_behind());
        assert!(poll_fn(|cx| near.poll_write(cx, b"hello?")).await.is_err());
        let end = poll_fn(|cx| near.poll_read(cx, &mut Vec::new())).await;
        assert!(matches!(end, Ok(0) | Err(_)));
    }
}
