//! Reading datagrams with what the kernel says of them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::libc::{in_pktinfo, in6_pktinfo};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

/// What a datagram can have at most, and what the kernel joins at most.
pub const MAX_DATAGRAM_BYTES: usize = 65_535;

/// The bits of a packet's class that routers mark.
const MARKS: u8 = 3;

/// Where reads go; used again and again.
pub struct ReceiveBuffer {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

/// What one read brought.
#[derive(Debug)]
pub struct Received<'b> {
    bytes: &'b [u8],
    /// The size of each datagram but the last, which may be shorter.
    segment_bytes: usize,
    /// Who sent it.
    pub peer: Option<SocketAddr>,
    /// The address that it was sent to, where the socket tells.
    pub local: Option<IpAddr>,
    /// Whether it was longer than the buffer; there are no bytes of it then.
    pub is_cut_short: bool,
    /// How many datagrams the kernel has had no room for, since the socket was made and modulo 2^32; where the socket
    /// tells.
    pub lost: Option<u32>,
    /// What routers have marked it with (ECN, the two lowest bits), where the socket tells.
    pub marks: Option<u8>,
}

impl ReceiveBuffer {
    /// Takes datagrams of so many bytes; all that there can be if the kernel `joins` them.
    pub fn new(max_datagram_bytes: usize, joins: bool) -> Self {
        const MOST_JOINED: usize = 64;
        let most = match joins {
            true => max_datagram_bytes.saturating_mul(MOST_JOINED),
            false => max_datagram_bytes,
        };
        ReceiveBuffer {
            bytes: vec![0; most.min(MAX_DATAGRAM_BYTES)],
            control: cmsg_space!(in_pktinfo, in6_pktinfo, i32, u32, i32),
        }
    }

    /// Reads once, without waiting.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::WouldBlock`] if nothing is there.
    pub fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<Received<'_>> {
        let mut parts = [IoSliceMut::new(&mut self.bytes)];
        let read = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut self.control),
            MsgFlags::empty(),
        )?;
        let mut received = Received {
            bytes: &[],
            segment_bytes: 0,
            peer: read.address.as_ref().and_then(address),
            local: None,
            is_cut_short: read.flags.contains(MsgFlags::MSG_TRUNC),
            lost: None,
            marks: None,
        };
        for message in read.cmsgs()? {
            match message {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    let ip = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                    received.local = Some(ip.into());
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    received.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                ControlMessageOwned::UdpGroSegments(bytes) => {
                    received.segment_bytes = usize::try_from(bytes).unwrap_or(0);
                }
                ControlMessageOwned::RxqOvfl(lost) => received.lost = Some(lost),
                ControlMessageOwned::Ipv4Tos(class) => received.marks = Some(class & MARKS),
                ControlMessageOwned::Ipv6TClass(class) => {
                    received.marks = u8::try_from(class & i32::from(MARKS)).ok();
                }
                _ => {}
            }
        }
        let length = read.bytes;
        if !received.is_cut_short {
            received.bytes = self.bytes.get(..length).unwrap_or_default();
        }
        Ok(received)
    }
}

fn address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*address).into());
    }
    let address = address.as_sockaddr_in6()?;
    Some(SocketAddrV6::from(*address).into())
}

impl Received<'_> {
    /// All bytes, and of how many each datagram has but the last.
    pub fn joined(&self) -> (&[u8], usize) {
        let segment = match self.segment_bytes {
            0 => self.bytes.len(),
            segment => segment,
        };
        (self.bytes, segment)
    }

    /// How many datagrams it is.
    pub fn count(&self) -> u64 {
        let (bytes, segment) = self.joined();
        let count = bytes.len().checked_div(segment).unwrap_or(0);
        let count = count + usize::from(count * segment < bytes.len());
        u64::try_from(count).unwrap_or(u64::MAX).max(1)
    }
}
