//! Writing datagrams: one, or several of one size by one call where the kernel has GSO.
//!
//! A socket that is full takes nothing more of what was to be written: whoever can keep it writes the rest later.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc::{ENOBUFS, in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use rustix::net::SendFlags;

/// What a kernel takes by one call at least (`UDP_MAX_SEGMENTS`).
const MOST_SEGMENTS: usize = 64;
/// What they may have together.
const MOST_JOINED_BYTES: usize = 65_000;

/// How far a write came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Datagrams that went.
    pub sent: u64,
    /// Datagrams that did not.
    pub failed: u64,
    /// From which byte on nothing went, as the socket was full; those datagrams are not among the others.
    pub full_at: Option<usize>,
    /// Whether the network says that nobody listens there, of what was sent before.
    pub is_refused: bool,
}

impl Written {
    fn count(&mut self, done: &io::Result<()>, datagrams: u64) {
        match done {
            Ok(()) => self.sent += datagrams,
            Err(error) => {
                self.failed += datagrams;
                self.is_refused |= error.kind() == io::ErrorKind::ConnectionRefused;
            }
        }
    }

    /// How many went and how many did not, for whoever keeps nothing.
    fn or_lost(self, bytes: &[u8], segment_bytes: usize) -> (u64, u64) {
        let left = self.full_at.map_or(0, |at| bytes.len().saturating_sub(at));
        let left = left.div_ceil(segment_bytes.max(1));
        let lost = u64::try_from(left).unwrap_or(u64::MAX);
        // An empty datagram is one too.
        let lost = lost.max(u64::from(self.full_at.is_some()));
        (self.sent, self.failed + lost)
    }
}

/// Sends all of `bytes`, in datagrams of `segment_bytes` but the last, to where the socket is connected, without
/// waiting. Gives how many went and how many failed.
pub fn send(socket: &impl AsFd, bytes: &[u8], segment_bytes: usize) -> (u64, u64) {
    in_segments(bytes, segment_bytes, |part, segment| match segment {
        None => Ok(rustix::net::send(socket, part, SendFlags::empty()).map(drop)?),
        Some(segment) => {
            let control = [ControlMessage::UdpGsoSegments(&segment)];
            Ok(with_control(socket, part, &control, None).map(drop)?)
        }
    })
    .or_lost(bytes, segment_bytes)
}

/// The same to `to`, from the address `from` of ours if it is given.
pub fn send_from(
    socket: &impl AsFd,
    datagrams: (&[u8], usize),
    to: SocketAddr,
    from: Option<IpAddr>,
) -> (u64, u64) {
    let (bytes, segment_bytes) = datagrams;
    send_marked(socket, datagrams, to, from, 0).or_lost(bytes, segment_bytes)
}

/// The same with marks for routers (ECN), if there are any; tells where the socket was full.
pub fn send_marked(
    socket: &impl AsFd,
    (bytes, segment_bytes): (&[u8], usize),
    to: SocketAddr,
    from: Option<IpAddr>,
    marks: u8,
) -> Written {
    let storage = SockaddrStorage::from(to);
    let info4 = |ip: [u8; 4]| in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: in_addr {
            s_addr: u32::from_ne_bytes(ip),
        },
        ipi_addr: in_addr { s_addr: 0 },
    };
    let info6 = |ip: [u8; 16]| in6_pktinfo {
        ipi6_addr: in6_addr { s6_addr: ip },
        ipi6_ifindex: 0,
    };
    let (mut v4, mut v6) = (None, None);
    match from {
        Some(IpAddr::V4(ip)) => v4 = Some(info4(ip.octets())),
        Some(IpAddr::V6(ip)) => v6 = Some(info6(ip.octets())),
        None => {}
    }
    // An address of IPv4 inside of one of IPv6 is reached by IPv4.
    let by_v4 = match to.ip() {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_some(),
    };
    let class = i32::from(marks);
    let marked = match (marks, by_v4) {
        (0, _) => None,
        (_, true) => Some(ControlMessage::Ipv4Tos(&marks)),
        (_, false) => Some(ControlMessage::Ipv6TClass(&class)),
    };
    in_segments(bytes, segment_bytes, |part, segment| {
        let of_v4 = v4.as_ref().map(ControlMessage::Ipv4PacketInfo);
        let of_v6 = v6.as_ref().map(ControlMessage::Ipv6PacketInfo);
        let size = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        match (of_v4.or(of_v6), size, marked) {
            (None, None, None) => {
                Ok(rustix::net::sendto(socket, part, SendFlags::empty(), &to).map(drop)?)
            }
            (Some(one), None, None) | (None, Some(one), None) | (None, None, Some(one)) => {
                with_control(socket, part, &[one], Some(&storage))
            }
            (Some(one), Some(other), None)
            | (Some(one), None, Some(other))
            | (None, Some(one), Some(other)) => {
                with_control(socket, part, &[one, other], Some(&storage))
            }
            (Some(one), Some(other), Some(third)) => {
                with_control(socket, part, &[one, other, third], Some(&storage))
            }
        }
    })
}

fn with_control(
    socket: &impl AsFd,
    bytes: &[u8],
    control: &[ControlMessage<'_>],
    to: Option<&SockaddrStorage>,
) -> io::Result<()> {
    let parts = [IoSlice::new(bytes)];
    sendmsg(
        socket.as_fd().as_raw_fd(),
        &parts,
        control,
        MsgFlags::empty(),
        to,
    )?;
    Ok(())
}

/// Calls `send` with as many datagrams as one call takes, and where that fails one by one: not all devices can, nor
/// all sizes. Where there is no room for many there is none for one either.
fn in_segments(
    bytes: &[u8],
    segment_bytes: usize,
    send: impl Fn(&[u8], Option<u16>) -> io::Result<()>,
) -> Written {
    let mut written = Written::default();
    let is_single = bytes.len() <= segment_bytes || segment_bytes == 0;
    let (segment_bytes, at_once) = match is_single {
        true => (bytes.len().max(1), 1),
        false => {
            let at_once = (MOST_JOINED_BYTES / segment_bytes).clamp(1, MOST_SEGMENTS);
            (segment_bytes, at_once)
        }
    };
    let mut at = 0;
    let mut rest = bytes;
    loop {
        let (part, behind) = rest.split_at(rest.len().min(segment_bytes * at_once));
        let number = u64::try_from(part.len().div_ceil(segment_bytes))
            .unwrap_or(1)
            .max(1);
        let segment = u16::try_from(segment_bytes).ok().filter(|_| number > 1);
        let done = send(part, segment);
        match &done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                written.full_at = Some(at);
                return written;
            }
            Err(error) if segment.is_some() && !is_crowded(error) => {
                for datagram in part.chunks(segment_bytes) {
                    written.count(&send(datagram, None), 1);
                }
            }
            _ => written.count(&done, number),
        }
        at += part.len();
        rest = behind;
        if rest.is_empty() {
            return written;
        }
    }
}

/// Whether the device has no room.
fn is_crowded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ENOBUFS)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use nix::libc::ENOBUFS;

    use super::{MOST_SEGMENTS, Written, in_segments};

    /// Writes `datagrams` of ten bytes with a kernel that answers each call by its number; the calls are told.
    fn written(
        datagrams: usize,
        answer: impl Fn(usize, Option<u16>) -> io::Result<()>,
    ) -> (Written, Vec<usize>) {
        let calls = RefCell::new(Vec::new());
        let bytes = vec![b'a'; datagrams * 10];
        let written = in_segments(&bytes, 10, |part, segment| {
            let number = calls.borrow().len();
            calls.borrow_mut().push(part.len());
            answer(number, segment)
        });
        (written, calls.into_inner())
    }

    #[test]
    fn a_full_socket_takes_nothing_more() {
        let full = |number, _| match number {
            0 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        let (written, calls) = written(MOST_SEGMENTS * 3, full);
        let sent = u64::try_from(MOST_SEGMENTS).unwrap();
        assert_eq!(calls.len(), 2, "nothing is tried behind it");
        assert_eq!((written.sent, written.failed), (sent, 0));
        assert_eq!(written.full_at, Some(MOST_SEGMENTS * 10));
        let bytes = vec![b'a'; MOST_SEGMENTS * 30];
        assert_eq!(written.or_lost(&bytes, 10), (sent, 2 * sent));
    }

    #[test]
    fn a_crowded_device_is_not_asked_for_each_datagram() {
        let crowded = |_, _| Err(io::Error::from_raw_os_error(ENOBUFS));
        let (written, calls) = written(5, crowded);
        assert_eq!(calls, [50]);
        assert_eq!((written.failed, written.full_at), (5, None));
    }

    #[test]
    fn what_cannot_be_joined_goes_one_by_one() {
        let single = |_, segment: Option<u16>| match segment {
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Ok(()),
        };
        let (written, calls) = written(3, single);
        assert_eq!(calls, [30, 10, 10, 10]);
        assert_eq!((written.sent, written.failed), (3, 0));
    }

    #[test]
    fn an_empty_datagram_is_sent_or_lost() {
        let (nothing, calls) = written(0, |_, _| Ok(()));
        assert_eq!((nothing.sent, calls), (1, vec![0]));
        let (nothing, _) = written(0, |_, _| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(nothing.or_lost(b"", 10), (0, 1));
    }
}
