//! Unix domain sockets, to listen on and to connect to.
//!
//! A path that begins with `@` names an abstract socket, which has no file. A file that is in the way is replaced,
//! as Envoy does it, whether somebody listens there or not, and comes back if the new socket is given up before it
//! is used ([`Replaced`]); what is there after the process has ended stays.
//! `mode` (0: as the umask has it) is set once the file is there; of an abstract socket it is refused. A path has at
//! most 107 bytes.
//!
//! A connection is handled as a TCP connection is: the system calls that the proxy makes of a stream are the same.

mod replaced;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::listener::ListenOptions;
use crate::socket_options::SocketState;

pub use replaced::Replaced;

/// How many bytes the system has for a path, with the zero behind it.
const PATH_BYTES: usize = 108;

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

    /// Whether a socket is bound to this path.
    ///
    /// # Errors
    /// It does not say where it is bound.
    pub fn is_of(&self, socket: &UnixListener) -> io::Result<bool> {
        let bound = socket.local_addr()?;
        Ok(match self.path.strip_prefix('@') {
            Some(name) => bound.as_abstract_name() == Some(name.as_bytes()),
            None => bound.as_pathname().and_then(Path::to_str) == Some(&*self.path),
        })
    }

    /// What is wrong with it, in Envoy's words.
    pub fn mistake(&self) -> Option<String> {
        if self.path.len() >= PATH_BYTES {
            return Some(format!(
                "Path \"{}\" exceeds maximum UNIX domain socket path size of {PATH_BYTES}.",
                self.path
            ));
        }
        let has_no_file = self.path.starts_with('@');
        let text = match has_no_file {
            true if self.mode != 0 => "Cannot set mode for Abstract AF_UNIX sockets",
            false if self.path.contains('\0') => {
                "UNIX domain socket pathname contains embedded null characters"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Binds it for good.
    ///
    /// # Errors
    /// It cannot be bound, an option or its mode not be set; then the path is as it was.
    pub fn bind(&self, options: &ListenOptions) -> io::Result<UnixListener> {
        let (socket, replaced) = self.bind_for_now(options)?;
        if let Some(replaced) = replaced {
            replaced.keep();
        }
        Ok(socket)
    }

    /// Binds it, and tells what it takes the place of, unless it has no file. Of the options those count that are no
    /// matter of IP or TCP; as in Envoy none is set before.
    ///
    /// # Errors
    /// It cannot be bound, an option or its mode not be set; then the path is as it was.
    pub fn bind_for_now(
        &self,
        options: &ListenOptions,
    ) -> io::Result<(UnixListener, Option<Replaced>)> {
        if let Some(mistake) = self.mistake() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, mistake));
        }
        if options.freebind || options.transparent {
            let text = "Failed to set IP socket option on non-IP socket";
            return Err(io::Error::other(text));
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        let name = self.path.strip_prefix('@');
        let (address, replaced) = match name {
            Some(name) => (SockAddr::unix(format!("\0{name}"))?, None),
            None => {
                let address = SockAddr::unix(&*self.path)?;
                (address, Some(Replaced::at(&self.path)))
            }
        };
        socket.bind(&address)?;
        if self.mode != 0 {
            let permissions = std::fs::Permissions::from_mode(self.mode);
            std::fs::set_permissions(&*self.path, permissions)?;
        }
        let set_others = |state| options.others.apply(socket.as_fd(), state);
        set_others(SocketState::Bound)?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        set_others(SocketState::Listening)?;
        Ok((OwnedFd::from(socket).into(), replaced))
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
    use std::os::unix::net::{SocketAddr, UnixStream};

    fn options() -> ListenOptions {
        ListenOptions::default()
    }

    fn path(name: &str) -> String {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("nuncio-pipe-{}-{name}", std::process::id()));
        path.display().to_string()
    }

    #[test]
    fn a_file_that_is_in_the_way_is_replaced_and_gets_its_mode() {
        let path = path("mode");
        std::fs::write(&path, "in the way").expect("a file can be written");
        let address = PipeAddress::new(&path, 0o600);
        let listener = address.bind(&options()).expect("it is bound");
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).expect("it listens");
        assert!(address.is_of(&listener).expect("it is bound"));
        let other = PipeAddress::new("/other", 0);
        assert!(!other.is_of(&listener).expect("it is bound"));
        std::fs::remove_file(&path).expect("it can be removed");
    }

    #[test]
    fn an_abstract_socket_has_no_file_and_no_mode() {
        let name = format!("@nuncio-pipe-{}", std::process::id());
        let listener = PipeAddress::new(&name, 0);
        let listener = listener.bind(&options()).expect("it is bound");
        let address = SocketAddr::from_abstract_name(&name[1..]).expect("a name");
        let mut client = UnixStream::connect_addr(&address).expect("it listens");
        listener.set_nonblocking(false).expect("it is a socket");
        let (mut served, _) = listener.accept().expect("a connection");
        client.write_all(b"x").expect("it is open");
        let mut byte = [0];
        served.read_exact(&mut byte).expect("a byte came");
        assert_eq!(byte, *b"x");
        let other = PipeAddress::new("@other", 0o600);
        assert!(other.bind(&options()).is_err());
    }

    #[test]
    fn a_path_that_is_too_long_is_a_mistake() {
        let path = |bytes| PipeAddress::new(&"x".repeat(bytes), 0);
        assert_eq!(path(107).mistake(), None);
        let mistake = path(108).mistake().expect("there is no room for a zero");
        assert!(mistake.ends_with("exceeds maximum UNIX domain socket path size of 108."));
    }

    /// Whether who connects to the path comes to this listener.
    fn is_found(path: &str, listener: &UnixListener) -> bool {
        let _client = UnixStream::connect(path).expect("somebody listens");
        listener.accept().is_ok()
    }

    #[test]
    fn who_listened_there_is_back_when_the_new_socket_is_given_up() {
        let path = path("given-up");
        let address = PipeAddress::new(&path, 0);
        let old = address.bind(&options()).expect("it is bound");
        let (new, replaced) = address.bind_for_now(&options()).expect("it is bound");
        assert!(is_found(&path, &new) && !is_found(&path, &old));
        drop((new, replaced));
        assert!(is_found(&path, &old));

        let (new, replaced) = address.bind_for_now(&options()).expect("it is bound");
        replaced.expect("it has a file").keep();
        assert!(is_found(&path, &new) && !is_found(&path, &old));
        let directory = std::env::temp_dir();
        let files = std::fs::read_dir(directory).expect("it is there");
        let ours = |file: &std::fs::DirEntry| file.path().to_string_lossy().starts_with(&path);
        assert_eq!(files.filter_map(Result::ok).filter(ours).count(), 1);
        std::fs::remove_file(&path).expect("it can be removed");
    }

    #[test]
    fn nothing_is_left_where_nothing_was_and_the_socket_is_given_up() {
        let path = path("given-up-new");
        let bound = PipeAddress::new(&path, 0).bind_for_now(&options());
        drop(bound.expect("it is bound"));
        assert!(!std::fs::exists(&path).expect("the directory is there"));
    }

    #[test]
    fn a_zero_stands_in_names_alone() {
        let mistake = PipeAddress::new("/tmp/a\0b", 0).mistake();
        let mistake = mistake.expect("the system would end the path there");
        assert!(mistake.ends_with("contains embedded null characters"));
        assert_eq!(PipeAddress::new("@a\0b", 0).mistake(), None);
    }

    #[test]
    fn a_directory_stays_in_the_way() {
        let path = path("directory");
        std::fs::create_dir(&path).expect("it can be made");
        let error = PipeAddress::new(&path, 0).bind(&options());
        let error = error.expect_err("it is no socket");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        std::fs::remove_dir(&path).expect("it can be removed");
    }
}
