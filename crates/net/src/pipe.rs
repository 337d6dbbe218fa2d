//! Unix domain sockets, to listen on and to connect to.
//!
//! A path that begins with `@` names an abstract socket, which has no file. A file that is in the way is removed
//! before, as Envoy does it; what is there after the process has ended stays. `mode` (0: as the umask has it) is
//! set once the file is there; of an abstract socket it is refused.
//!
//! A connection is handled as a TCP connection is: the system calls that the proxy makes of a stream are the same.

use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;

/// Where a unix domain socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeAddress {
    /// The file, or `@` and a name.
    pub path: Arc<str>,
    /// The file's permissions; 0 for those of the umask.
    pub mode: u32,
}

impl PipeAddress {
    /// The address of a path.
    pub fn new(path: &str, mode: u32) -> Self {
        PipeAddress {
            path: path.into(),
            mode,
        }
    }

    /// Binds it.
    ///
    /// # Errors
    /// It cannot be bound, or its mode not be set.
    pub fn bind(&self) -> io::Result<UnixListener> {
        if let Some(name) = self.path.strip_prefix('@') {
            if self.mode != 0 {
                let text = "an abstract socket has no mode";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            return UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?);
        }
        match std::fs::remove_file(&*self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&*self.path)?;
        if self.mode != 0 {
            let permissions = std::fs::Permissions::from_mode(self.mode);
            std::fs::set_permissions(&*self.path, permissions)?;
        }
        Ok(listener)
    }
}

impl std::fmt::Display for PipeAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.path)
    }
}

/// The stream of a connection, for the event loop.
///
/// # Errors
/// The event loop does not take it.
pub fn stream(connection: tokio::net::UnixStream) -> io::Result<tokio::net::TcpStream> {
    let connection = OwnedFd::from(connection.into_std()?);
    tokio::net::TcpStream::from_std(std::net::TcpStream::from(connection))
}

/// Opens a connection to the socket at a path, or with `@` to an abstract one. No timeout of its own.
///
/// # Errors
/// Nobody listens there, it may not be used, or its queue is full.
pub async fn connect(path: &str) -> io::Result<tokio::net::TcpStream> {
    let connected = match path.strip_prefix('@') {
        Some(name) => tokio::net::UnixStream::connect(format!("\0{name}")).await,
        None => tokio::net::UnixStream::connect(path).await,
    };
    stream(connected?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn path(name: &str) -> String {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("nuncio-pipe-{}-{name}", std::process::id()));
        path.display().to_string()
    }

    #[test]
    fn a_file_that_is_in_the_way_is_replaced_and_gets_its_mode() {
        let path = path("mode");
        std::fs::write(&path, "in the way").expect("a file can be written");
        let _listener = PipeAddress::new(&path, 0o600).bind().expect("it is bound");
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).expect("it listens");
        std::fs::remove_file(&path).expect("it can be removed");
    }

    #[test]
    fn an_abstract_socket_has_no_file_and_no_mode() {
        let name = format!("@nuncio-pipe-{}", std::process::id());
        let listener = PipeAddress::new(&name, 0).bind().expect("it is bound");
        let address = SocketAddr::from_abstract_name(&name[1..]).expect("a name");
        let mut client = UnixStream::connect_addr(&address).expect("it listens");
        let (mut served, _) = listener.accept().expect("a connection");
        client.write_all(b"x").expect("it is open");
        let mut byte = [0];
        served.read_exact(&mut byte).expect("a byte came");
        assert_eq!(byte, *b"x");
        assert!(PipeAddress::new("@other", 0o600).bind().is_err());
    }
}
