//! Datagrams of a socket of their own: what CONNECT-UDP comes to where it ends here.
//!
//! Looks like a request and its response to who exchanges them: the head is not sent, the answer to it is 200, the body
//! is capsules that carry datagrams (RFC 9298), and that of the response too. It ends with the client's stream alone;
//! what is no capsule breaks it. As in Envoy it counts among neither the connections nor the requests of the cluster,
//! and what the socket does not take or says of errors is for nobody. No more than 64 KiB and one datagram are read at
//! once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_codec::capsule::{CapsuleReader, encode_datagram};
use nuncio_codec::http1::{BodyFraming, ResponseHead, Version};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_net::connect::ConnectOptions;
use nuncio_net::datagrams::{open_towards, send};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::body_event::BodyEvent;
use crate::cluster::Host;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::header_bytes::HeaderBytes;

/// There are no longer ones.
const MOST_DATAGRAM_BYTES: usize = 65_535;
/// After so much others of the worker have their turn.
const MOST_READ_BYTES: usize = 65_536;
/// So many errors of the socket in a row are skipped.
const MOST_ERRORS: usize = 64;

const NO_CAPSULE: &str = "Visitor failed to process capsule";
const CUT_CAPSULE: &str = "Incomplete capsule left at the end of the stream";

/// Datagrams, both ways.
pub struct UdpStream {
    host: Arc<Host>,
    socket: UdpSocket,
    capsules: CapsuleReader,
    /// What was wrong with the client's bytes.
    fault: Option<&'static str>,
    is_request_complete: bool,
    bytes_sent: u64,
    bytes_received: u64,
}

impl UdpStream {
    pub(crate) fn open(host: &Arc<Host>, options: &ConnectOptions) -> Result<Self, UpstreamError> {
        let socket = match host.not_ip {
            None => open_towards(host.address, options).and_then(UdpSocket::from_std),
            Some(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let failed = |_| UpstreamError::new(UpstreamErrorKind::LocalConnectionFailure);
        Ok(UdpStream {
            host: Arc::clone(host),
            socket: socket.map_err(failed)?,
            capsules: CapsuleReader::default(),
            fault: None,
            is_request_complete: false,
            bytes_sent: 0,
            bytes_received: 0,
        })
    }

    pub(crate) fn write_head(&mut self, _headers: &HeaderMap, end_stream: bool) {
        if end_stream {
            self.end_request();
        }
    }

    pub(crate) fn write_trailers(&mut self, _trailers: &HeaderMap) {
        self.end_request();
    }

    fn end_request(&mut self) {
        self.is_request_complete = true;
        if self.capsules.is_amid_capsule() {
            self.fault.get_or_insert(CUT_CAPSULE);
        }
    }

    pub(crate) fn poll_write_data(
        &mut self,
        _cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        if self.fault.is_none() {
            let (socket, mut sent) = (&self.socket, 0);
            let read = self.capsules.read(data.readable(), &mut |datagram| {
                sent += u64::try_from(datagram.len()).unwrap_or(u64::MAX);
                // Asks the kernel; the runtime knows nothing of a new socket yet, and would not try.
                let _lost_if_there_is_no_room = send(socket, datagram, datagram.len());
            });
            self.bytes_sent += sent;
            if read.is_err() {
                self.fault = Some(NO_CAPSULE);
            }
        }
        data.clear();
        if end_stream && !self.is_request_complete {
            self.end_request();
        }
        Poll::Ready(())
    }

    pub(crate) fn poll_send_off(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    pub(crate) fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// The answer that stands for the socket.
    pub(crate) fn poll_read_head(
        &mut self,
        _cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        headers.reset(MapKind::Response);
        headers.set(Known::Status, b"200");
        headers.append_from_wire(b"capsule-protocol", b"?1");
        Poll::Ready(Ok(ResponseHead {
            head_len: 0,
            header_bytes: 0,
            version: Version::Http11,
            status: 200,
            framing: BodyFraming::Tunnel,
            keep_alive: false,
        }))
    }

    pub(crate) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        _trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Err(UpstreamError {
                transport_failure_reason: Some(fault.into()),
                response_started: true,
                request_sent: true,
                ..UpstreamError::new(UpstreamErrorKind::ProtocolError)
            }));
        }
        let _asked_again_with_each_datagram = ready!(self.socket.poll_recv_ready(cx));
        let mut datagram = Vec::with_capacity(MOST_DATAGRAM_BYTES);
        let before = data.len();
        let mut errors = 0;
        while data.len() - before < MOST_READ_BYTES && errors < MOST_ERRORS {
            let mut read = ReadBuf::uninit(datagram.spare_capacity_mut());
            match self.socket.poll_recv(cx, &mut read) {
                Poll::Pending if data.len() > before => break,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => errors += 1,
                Poll::Ready(Ok(())) => {
                    let mut capsule = Vec::new();
                    encode_datagram(read.filled(), &mut capsule);
                    self.bytes_received += u64::try_from(capsule.len()).unwrap_or(u64::MAX);
                    data.extend(&capsule);
                }
            }
        }
        if data.len() == before {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(BodyEvent::Data))
    }

    pub(crate) fn is_response_complete(&self) -> bool {
        false
    }

    pub(crate) fn is_request_complete(&self) -> bool {
        self.is_request_complete
    }

    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    pub(crate) fn header_bytes(&self) -> HeaderBytes {
        HeaderBytes::default()
    }

    pub(crate) fn connection_request_count(&self) -> u32 {
        1
    }

    pub(crate) fn connection_id(&self) -> u64 {
        0
    }

    pub(crate) fn is_behind_proxy(&self) -> bool {
        false
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }
}
