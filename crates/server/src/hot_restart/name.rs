//! Where the processes of a hot restart meet: a unix domain socket for each, by base id and epoch.
//!
//! `--socket-path` (default `@envoy_domain_socket`, where `@` makes it an abstract one) is followed by `_nuncio_`,
//! the base id times ten, `_` and the epoch. Whoever listens there is alone with its base id and epoch.
//!
//! Limit: 107 bytes, as the kernel has it. Differs from Envoy: its sockets are called `<path>_parent_<number>` and
//! carry datagrams, so that both can run on a machine with one base id and none is taken for the other.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    sockopt,
};

use super::wire::PATIENCE;

/// The longest path of a unix domain socket, its end included; an abstract one is as long.
const MAX_BYTES: usize = 108;
/// Children that may wait; there is one.
const BACKLOG: i32 = 16;
/// How many processes of Envoy take part at a time, which its names count with.
const ENVOYS: u64 = 3;

/// A place to meet at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    text: String,
}

impl Name {
    /// Of the process of an epoch. An error is in Envoy's words.
    pub(super) fn of(socket_path: &str, base_id: u32, epoch: u32) -> Result<Name, String> {
        let scaled = scaled(base_id);
        Name::checked(format!("{socket_path}_nuncio_{scaled}_{epoch}"))
    }

    /// Of an Envoy of that epoch.
    pub(super) fn of_envoy(socket_path: &str, base_id: u32, epoch: u32) -> Result<Name, String> {
        let number = scaled(base_id) + u64::from(epoch) % ENVOYS;
        Name::checked(format!("{socket_path}_parent_{number}"))
    }

    fn checked(text: String) -> Result<Name, String> {
        if text.len() >= MAX_BYTES {
            return Err(format!(
                "Path \"{text}\" exceeds maximum UNIX domain socket path size of {MAX_BYTES}."
            ));
        }
        Ok(Name { text })
    }

    /// The path, unless the name is an abstract one.
    pub(super) fn path(&self) -> Option<&Path> {
        let is_abstract = self.text.starts_with('@');
        (!is_abstract).then(|| Path::new(&self.text))
    }

    /// Listens there; `mode` is for a path. What a process that is gone left behind is removed.
    pub(super) fn listen(&self, mode: u32) -> io::Result<UnixListener> {
        let socket = self.socket(SocketType::STREAM)?;
        self.remove_what_was_left()?;
        bind(&socket, &self.address()?)?;
        if let Some(path) = self.path() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        listen(&socket, BACKLOG)?;
        Ok(socket.into())
    }

    fn remove_what_was_left(&self) -> io::Result<()> {
        let Some(path) = self.path() else {
            return Ok(());
        };
        let is_socket =
            std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if is_socket && self.connect().err().is_some_and(refused) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Connects to who listens there.
    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let socket = self.socket(SocketType::STREAM)?;
        connect(&socket, &self.address()?)?;
        Ok(socket.into())
    }

    /// Whether certainly nobody listens there.
    pub(super) fn is_free(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let error = self.connect().err().map(|error| error.kind());
        matches!(error, Some(ConnectionRefused | NotFound))
    }

    /// Whether somebody takes datagrams there, as an Envoy does, whose abstract names fill the whole address.
    pub(super) fn takes_datagrams(&self) -> bool {
        let address = match self.text.strip_prefix('@') {
            Some(name) => {
                let mut name = name.as_bytes().to_vec();
                name.resize(MAX_BYTES - 1, 0);
                SocketAddrUnix::new_abstract_name(&name)
            }
            None => SocketAddrUnix::new(&*self.text),
        };
        let connected = || {
            let socket = self.socket(SocketType::DGRAM)?;
            connect(&socket, &address?)?;
            io::Result::Ok(())
        };
        connected().is_ok()
    }

    /// Connecting waits where too many wait already, so it has a limit.
    fn socket(&self, kind: SocketType) -> io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_timeout(socket.as_fd(), sockopt::Timeout::Send, Some(PATIENCE))?;
        Ok(socket)
    }

    fn address(&self) -> io::Result<SocketAddrUnix> {
        let address = match self.text.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None => SocketAddrUnix::new(&*self.text),
        };
        Ok(address?)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The base id as names have it.
pub(super) fn scaled(base_id: u32) -> u64 {
    u64::from(base_id) * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_base_ids_and_epochs_apart() {
        let name = |base_id, epoch| Name::of("@s", base_id, epoch).map(|name| name.to_string());
        assert_eq!(name(7, 0), Ok("@s_nuncio_70_0".to_owned()));
        assert_eq!(
            name(u32::MAX, 12),
            Ok("@s_nuncio_42949672950_12".to_owned())
        );
        let envoy = Name::of_envoy("@s", 7, 4).map(|name| name.to_string());
        assert_eq!(envoy, Ok("@s_parent_71".to_owned()));
    }

    #[test]
    fn a_path_that_is_too_long_is_refused_in_envoys_words() {
        let path = "x".repeat(120);
        let error = Name::of(&path, 1, 0).expect_err("it does not fit");
        assert_eq!(
            error,
            format!(
                "Path \"{path}_nuncio_10_0\" exceeds maximum UNIX domain socket path size of 108."
            )
        );
    }

    #[test]
    fn an_abstract_name_belongs_to_one_process_at_a_time() {
        let path = format!("@nuncio_unit_test_{}", std::process::id());
        let name = Name::of(&path, 0, 0).expect("it is short");
        let first = name.listen(0).expect("it is free");
        let second = name.listen(0).expect_err("it is taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        name.connect().expect("somebody listens");
        assert!(!name.takes_datagrams());
        drop(first);
        let error = name.connect().expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        name.listen(0).expect("it is free again");
    }

    #[test]
    fn a_path_has_its_mode_and_is_taken_over_from_the_dead_alone() {
        let directory = std::env::temp_dir().join(format!("nuncio-name-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("s");
        let name = Name::of(path.to_str().expect("UTF-8"), 1, 2).expect("it is short");
        let first = name.listen(0o640).expect("it is free");
        let file = name.path().expect("it is no abstract one");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        let second = name.listen(0o600).expect_err("it is taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        name.listen(0o600).expect("the dead do not keep it");
        std::fs::remove_dir_all(&directory).expect("nobody else removes it");
    }
}
