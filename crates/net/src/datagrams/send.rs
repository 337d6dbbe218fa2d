//! Writing datagrams: one, or several of one size by one call where the kernel has GSO.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use rustix::net::SendFlags;

/// What a kernel takes by one call at least (`UDP_MAX_SEGMENTS`).
const MOST_SEGMENTS: usize = 64;
/// What they may have together.
const MOST_JOINED_BYTES: usize = 65_000;

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
}

/// The same to `to`, from the address `from` of ours if it is given.
pub fn send_from(
    socket: &impl AsFd,
    datagrams: (&[u8], usize),
    to: SocketAddr,
    from: Option<IpAddr>,
) -> (u64, u64) {
    send_marked(socket, datagrams, to, from, 0)
}

/// The same with marks for routers (ECN), if there are any.
pub fn send_marked(
    socket: &impl AsFd,
    (bytes, segment_bytes): (&[u8], usize),
    to: SocketAddr,
    from: Option<IpAddr>,
    marks: u8,
) -> (u64, u64) {
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
/// all sizes.
fn in_segments(
    bytes: &[u8],
    segment_bytes: usize,
    send: impl Fn(&[u8], Option<u16>) -> io::Result<()>,
) -> (u64, u64) {
    let (mut sent, mut failed) = (0, 0);
    if bytes.len() <= segment_bytes || segment_bytes == 0 {
        count(&send(bytes, None), 1, &mut sent, &mut failed);
        return (sent, failed);
    }
    let at_once = (MOST_JOINED_BYTES / segment_bytes).clamp(1, MOST_SEGMENTS);
    for part in bytes.chunks(segment_bytes * at_once) {
        let number = u64::try_from(part.len().div_ceil(segment_bytes)).unwrap_or(1);
        let segment = u16::try_from(segment_bytes).ok().filter(|_| number > 1);
        if segment.is_some() {
            match send(part, segment) {
                Ok(()) => {
                    sent += number;
                    continue;
                }
                // There is no room, for parts of it neither.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    failed += number;
                    continue;
                }
                Err(_) => {}
            }
        }
        for datagram in part.chunks(segment_bytes) {
            count(&send(datagram, None), 1, &mut sent, &mut failed);
        }
    }
    (sent, failed)
}

fn count(done: &io::Result<()>, number: u64, sent: &mut u64, failed: &mut u64) {
    match done {
        Ok(()) => *sent += number,
        Err(_) => *failed += number,
    }
}
