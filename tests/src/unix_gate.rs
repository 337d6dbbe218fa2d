//! Unix domain sockets before scripted upstreams: an abstract one, `@nuncio-upstream-` and the upstream's port, whose
//! connections are carried to the upstream byte by byte until both sides have ended.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The socket; nobody is let in any more once it is dropped.
#[derive(Debug)]
pub struct UnixGate {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl UnixGate {
    /// Opens one before the upstream at this port.
    ///
    /// # Errors
    /// The name is taken.
    pub fn open(port: u16) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(format!("nuncio-upstream-{port}"))?;
        let listener = UnixListener::bind_addr(&address)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            for inner in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                thread::spawn(move || carry(&inner, port));
            }
        });
        Ok(Self { address, is_over })
    }
}

impl Drop for UnixGate {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _wakes_the_thread = UnixStream::connect_addr(&self.address);
    }
}

fn carry(inner: &UnixStream, port: u16) -> io::Result<()> {
    let outer = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (mut from, mut to) = (inner.try_clone()?, outer.try_clone()?);
    let up = thread::spawn(move || {
        let _ends_with_either = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    let _ends_with_either = io::copy(&mut &outer, &mut &*inner);
    let _may_be_gone = inner.shutdown(Shutdown::Write);
    up.join().unwrap_or(Ok(()))
}
