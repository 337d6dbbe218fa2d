//! Messages over a unix domain socket, with file descriptors beside them.
//!
//! All calls block, with a limit: [`PATIENCE`] for each step of a message. Nothing here runs on a worker.
//!
//! Limits: 64 file descriptors a message; what else comes as ancillary data is refused.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};

use super::message::{HEADER_BYTES, Header, Malformed, Message};

/// How long a peer may take for an answer before it counts as stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The file descriptors that fit beside one message.
pub(super) const MAX_DESCRIPTORS: usize = 64;

/// Why a message did not come or go.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other end is gone.
    Closed,
    /// The other end does not answer.
    Stuck,
    /// What came is no message.
    Malformed(Malformed),
    /// The other end belongs to another user.
    Stranger(u32),
    /// The socket failed.
    Socket(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => formatter.write_str("it closed the connection"),
            Self::Stuck => write!(
                formatter,
                "it did not answer within {} seconds",
                PATIENCE.as_secs()
            ),
            Self::Malformed(malformed) => malformed.fmt(formatter),
            Self::Stranger(user) => write!(formatter, "it belongs to another user ({user})"),
            Self::Socket(error) => error.fmt(formatter),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
        match error.kind() {
            WouldBlock | TimedOut => Self::Stuck,
            BrokenPipe | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Socket(error),
        }
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// One end of a conversation.
pub(super) struct Wire {
    socket: UnixStream,
    patience: Duration,
}

impl Wire {
    /// Over a connected socket, whose other end must belong to the user that this process runs as.
    pub(super) fn new(socket: UnixStream) -> Result<Wire, Failure> {
        Wire::with_patience(socket, PATIENCE)
    }

    fn with_patience(socket: UnixStream, patience: Duration) -> Result<Wire, Failure> {
        let peer = sockopt::socket_peercred(&socket)?.uid;
        if peer != rustix::process::geteuid() {
            return Err(Failure::Stranger(peer.as_raw()));
        }
        socket.set_nonblocking(false)?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Wire { socket, patience })
    }

    /// Sends a message.
    pub(super) fn send(
        &self,
        message: &Message,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Failure> {
        let frame = message.frame();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Failure::Malformed(Malformed::Payload));
        }
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            let sent = sendmsg(
                &self.socket,
                &[IoSlice::new(rest)],
                &mut beside,
                SendFlags::NOSIGNAL,
            );
            let sent = match sent {
                Err(rustix::io::Errno::INTR) => continue,
                sent => sent?,
            };
            beside.clear();
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// The next message and what came beside it, soon.
    pub(super) fn receive(&self) -> Result<(Message, Vec<OwnedFd>), Failure> {
        self.receive_after(Some(self.patience))
    }

    /// The next message, however long the other end has nothing to say.
    pub(super) fn receive_some_day(&self) -> Result<(Message, Vec<OwnedFd>), Failure> {
        self.receive_after(None)
    }

    fn receive_after(&self, silence: Option<Duration>) -> Result<(Message, Vec<OwnedFd>), Failure> {
        let mut descriptors = Vec::new();
        let mut head = [0; HEADER_BYTES];
        self.socket.set_read_timeout(silence)?;
        let (first, rest) = head.split_at_mut(1);
        let far_away = Instant::now() + silence.unwrap_or(self.patience) + self.patience;
        self.fill(first, &mut descriptors, far_away)?;
        self.socket.set_read_timeout(Some(self.patience))?;
        let end = Instant::now() + self.patience;
        self.fill(rest, &mut descriptors, end)?;
        let header = Header::read(&head)?;
        let mut payload = vec![0; header.payload_bytes];
        self.fill(&mut payload, &mut descriptors, end)?;
        Ok((Message::read(header, &payload)?, descriptors))
    }

    /// Fills the buffer; a peer that sends byte by byte is stuck too.
    fn fill(
        &self,
        mut buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
        end: Instant,
    ) -> Result<(), Failure> {
        while !buffer.is_empty() {
            let mut space =
                [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(buffer)],
                &mut beside,
                RecvFlags::CMSG_CLOEXEC,
            );
            let received = match received {
                Err(rustix::io::Errno::INTR) => continue,
                received => received?,
            };
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = message {
                    descriptors.extend(more);
                }
            }
            if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > MAX_DESCRIPTORS {
                return Err(Failure::Malformed(Malformed::Payload));
            }
            if received.bytes == 0 {
                return Err(Failure::Closed);
            }
            buffer = buffer.get_mut(received.bytes..).unwrap_or_default();
            if !buffer.is_empty() && Instant::now() > end {
                return Err(Failure::Stuck);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    fn pair() -> (Wire, UnixStream) {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let wire = Wire::with_patience(one, Duration::from_millis(50));
        (wire.expect("the same user on both ends"), other)
    }

    #[test]
    fn a_socket_that_was_passed_accepts_what_was_queued_for_it() {
        let (one, other) = pair();
        let other = Wire::new(other).expect("the same user");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = TcpStream::connect(address).expect("the kernel queues it");
        let message = Message::Sockets { total: 1 };
        one.send(&message, &[listener.as_fd()]).expect("it is sent");
        drop(listener);
        let (received, descriptors) = other.receive().expect("it arrives");
        assert_eq!(received, message);
        let [descriptor] = <[OwnedFd; 1]>::try_from(descriptors).expect("one socket");
        let (mut accepted, _) = TcpListener::from(descriptor)
            .accept()
            .expect("the queue was not lost");
        accepted.write_all(b"x").expect("it is open");
        let mut byte = [0];
        waiting.read_exact(&mut byte).expect("it is served");
    }

    #[test]
    fn a_peer_that_says_nothing_or_half_a_message_is_stuck() {
        let (wire, mut other) = pair();
        assert!(matches!(wire.receive(), Err(Failure::Stuck)));
        other.write_all(b"NHR").expect("it is open");
        assert!(matches!(wire.receive(), Err(Failure::Stuck)));
    }

    #[test]
    fn a_peer_that_goes_is_told_from_one_that_talks_nonsense() {
        let (wire, mut other) = pair();
        other
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .expect("it is open");
        let answer = wire.receive();
        assert!(matches!(
            answer,
            Err(Failure::Malformed(Malformed::NotOurs))
        ));
        let (wire, other) = pair();
        drop(other);
        assert!(matches!(wire.receive(), Err(Failure::Closed)));
        assert!(matches!(
            wire.send(&Message::Drain, &[]),
            Err(Failure::Closed)
        ));
    }

    #[test]
    fn a_message_larger_than_the_sockets_buffer_arrives_whole() {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let [one, other] = [one, other].map(|end| Wire::new(end).expect("the same user"));
        let counters = (0..9_000).map(|at| (format!("{at:0>100}"), at)).collect();
        let message = Message::Stats {
            more: false,
            counters,
            gauges: Vec::new(),
        };
        std::thread::scope(|scope| {
            scope.spawn(|| one.send(&message, &[]).expect("it is taken"));
            let (received, _) = other.receive().expect("it arrives");
            assert_eq!(received, message);
        });
    }
}
