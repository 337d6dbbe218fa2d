//! Listeners inside of the process: a connection to one is a pair of connected sockets that no network sees, whose far
//! end goes to the listener on the same thread.
//!
//! Sockets and not buffers, since whatever carries bytes here (TLS, listener filters that peek, splices of the TCP
//! proxy) works on sockets; a connection costs two descriptors and its bytes two system calls. Each direction holds
//! what the configuration says (`buffer_size_kb`, 1024 KiB by default), as far as the system allows it.

use std::cell::RefCell;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nuncio_contract::stream_info::{InternalAddress, Metadata};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::pipe::stream;

const DEFAULT_BUFFER_BYTES: usize = 1024 * 1024;

static BUFFER_BYTES: AtomicUsize = AtomicUsize::new(DEFAULT_BUFFER_BYTES);

/// A connection that comes to a listener.
pub struct Incoming {
    /// Its socket.
    pub stream: TcpStream,
    /// Where it was going.
    pub to: Arc<InternalAddress>,
    /// What its client passes on.
    pub metadata: Metadata,
}

type Accept = Rc<dyn Fn(Incoming)>;

thread_local! {
    static LISTENERS: RefCell<Vec<(Arc<str>, Accept)>> = const { RefCell::new(Vec::new()) };
}

/// How much each direction of the connections to come holds.
pub fn set_buffer_bytes(bytes: Option<usize>) {
    BUFFER_BYTES.store(bytes.unwrap_or(DEFAULT_BUFFER_BYTES), Relaxed);
}

/// From now on `accept` gets this thread's connections to the listener of this name, in the place of who did.
pub fn listen(name: &Arc<str>, accept: Accept) {
    close(name);
    LISTENERS.with_borrow_mut(|all| all.push((Arc::clone(name), accept)));
}

/// From now on nobody listens there.
pub fn close(name: &str) {
    LISTENERS.with_borrow_mut(|all| all.retain(|(other, _)| **other != *name));
}

/// Opens a connection to a listener of this thread.
///
/// # Errors
/// Nobody listens there ([`io::ErrorKind::InvalidInput`]), or there are no more descriptors.
pub fn connect(to: &Arc<InternalAddress>, metadata: Metadata) -> io::Result<TcpStream> {
    let accept = LISTENERS.with_borrow(|all| {
        let found = all.iter().find(|(name, _)| **name == *to.listener);
        found.map(|(_, accept)| Rc::clone(accept))
    });
    let accept = accept.ok_or(io::ErrorKind::InvalidInput)?;
    let (near, far) = UnixStream::pair()?;
    let (near, far) = (of(near)?, of(far)?);
    accept(Incoming {
        stream: far,
        to: Arc::clone(to),
        metadata,
    });
    Ok(near)
}

fn of(end: UnixStream) -> io::Result<TcpStream> {
    let _as_much_as_the_system_allows =
        SockRef::from(&end).set_send_buffer_size(BUFFER_BYTES.load(Relaxed));
    end.set_nonblocking(true)?;
    stream(tokio::net::UnixStream::from_std(end)?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_connection_comes_to_the_listener_of_its_name() {
        let name = Arc::from("inside");
        let came = Rc::new(RefCell::new(None));
        let kept = Rc::clone(&came);
        listen(
            &name,
            Rc::new(move |incoming| *kept.borrow_mut() = Some(incoming)),
        );
        let to = |listener: &str| {
            Arc::new(InternalAddress {
                listener: listener.into(),
                endpoint_id: "e".into(),
            })
        };
        assert!(connect(&to("other"), Metadata::default()).is_err());
        let mut near = connect(&to("inside"), Metadata::default()).expect("it listens");
        let mut far = came.take().expect("it came");
        assert_eq!(&*far.to.endpoint_id, "e");
        near.write_all(b"hello").await.expect("it is open");
        let mut bytes = [0; 5];
        far.stream.read_exact(&mut bytes).await.expect("it is open");
        assert_eq!(&bytes, b"hello");
        close(&name);
        assert!(connect(&to("inside"), Metadata::default()).is_err());
    }
}
