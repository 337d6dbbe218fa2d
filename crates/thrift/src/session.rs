//! A client's connection: calls in, answers out as they come.

use std::task::{Context, Poll};

use nuncio_codec::thrift::{
    AppException, DecodeError, Decoder, ExceptionKind, Head, MessageKind, Protocol,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_net::transport::Transport;

use crate::call::Call;
use crate::exchange::Payload;
use crate::on_worker::OnWorker;
use crate::reply;

/// With so many bytes that wait a client that may not go on is not read; up to there it is, so that its end shows.
const MAX_WAITING_BYTES: usize = 64 << 10;
/// A client with so many calls that are not answered begins no more.
const MAX_CALLS: usize = 256;
/// The same for one whose calls hold so many bytes.
const MAX_PAYLOAD_BYTES: usize = 16 << 20;
/// The same for a client that does not read so many bytes of answers.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// A connection.
pub(crate) struct Session<'a> {
    proxy: &'a OnWorker,
    transport: &'a mut Transport,
    info: &'a StreamInfo,
    decoder: Decoder,
    input: Buffer,
    /// The call of which some is missing.
    receiving: Option<Receiving<'a>>,
    calls: Vec<Call<'a>>,
    /// What the calls hold.
    payload_bytes: usize,
    calls_seen: u32,
    /// Answers that are to be sent, and how much of them has gone.
    out: Vec<u8>,
    sent: usize,
    /// Whether nothing more of what the client says is listened to.
    is_deaf: bool,
    /// Whether the client has said all, and a call that wants no answer is under way.
    is_half_closed: bool,
    /// Whether the connection ends once all is sent.
    closes: bool,
}

struct Receiving<'a> {
    call: Call<'a>,
    has_head: bool,
    unread: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        proxy: &'a OnWorker,
        transport: &'a mut Transport,
        info: &'a StreamInfo,
    ) -> Self {
        Session {
            proxy,
            transport,
            info,
            decoder: Decoder::new(proxy.config.decoder),
            input: Buffer::new(),
            receiving: None,
            calls: Vec::new(),
            payload_bytes: 0,
            calls_seen: 0,
            out: Vec::new(),
            sent: 0,
            is_deaf: false,
            is_half_closed: false,
            closes: false,
        }
    }

    /// Goes on until something ends it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NetworkClose> {
        loop {
            let has_more = match self.decode() {
                Ok(has_more) => has_more,
                Err(()) => {
                    // As in Envoy, what has no head is no call that is cut short.
                    self.receiving = None;
                    self.cut_short(false);
                    return Poll::Ready(NetworkClose::default());
                }
            };
            let has_stopped = self.poll_calls(cx);
            if self.poll_send(cx).is_err() {
                self.cut_short(true);
                return Poll::Ready(NetworkClose::default());
            }
            if has_stopped && !self.is_unread() {
                // Nothing wakes the calls that were not polled.
                continue;
            }
            let is_over = self.closes || self.calls.is_empty() && self.is_at_its_end();
            if is_over && self.out.is_empty() {
                self.cut_short(false);
                return Poll::Ready(NetworkClose::after_flush(""));
            }
            if has_more && !self.is_full() {
                continue;
            }
            let is_stuck = self.is_full() && self.decoder.waiting_bytes() >= MAX_WAITING_BYTES;
            let waits = is_stuck && (self.proxy.config.chain.has_router || self.is_unread());
            if self.closes || self.is_half_closed || waits {
                // Whatever frees it wakes this.
                return Poll::Pending;
            }
            // Without a router nothing ever frees it: what comes is read for the client's end alone.
            let throws_away = self.is_deaf || self.is_at_its_end() || is_stuck;
            let room = match self.decoder.waiting_bytes() {
                0..=0x4000 => Buffer::HEAD_BYTES,
                _ => Buffer::BODY_BYTES,
            };
            match self.transport.poll_fill(cx, &mut self.input, room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {
                    if !throws_away {
                        self.decoder.push(self.input.readable());
                    }
                    self.input.clear();
                }
                Poll::Ready(Ok(0)) if self.waits_for_a_oneway() => self.is_half_closed = true,
                Poll::Ready(_) => {
                    self.cut_short(true);
                    return Poll::Ready(NetworkClose::default());
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.calls.len() >= MAX_CALLS || self.payload_bytes >= MAX_PAYLOAD_BYTES || self.is_unread()
    }

    /// Whether the client has to read before more is told it.
    fn is_unread(&self) -> bool {
        self.out.len() - self.sent >= MAX_UNREAD_BYTES
    }

    /// Whether nothing more is to come of the client.
    fn is_at_its_end(&self) -> bool {
        let most = self.proxy.config.most_requests;
        self.is_half_closed || most.is_some_and(|most| self.calls_seen >= most)
    }

    fn waits_for_a_oneway(&self) -> bool {
        self.receiving.is_none() && matches!(&*self.calls, [call] if call.is_oneway_under_way())
    }

    /// Begins what has come whole; whether there may be more of it.
    ///
    /// # Errors
    /// The client cannot be understood and cannot be told so.
    fn decode(&mut self) -> Result<bool, ()> {
        while !self.closes && !self.is_deaf && !self.is_at_its_end() {
            if self.is_full() {
                return Ok(true);
            }
            match self.decode_one() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return self.misunderstood(error).map(|()| false),
            }
        }
        Ok(false)
    }

    /// Whether a call has come whole.
    fn decode_one(&mut self) -> Result<bool, DecodeError> {
        if !self.receiving.as_ref().is_some_and(|it| it.has_head) {
            let head = self.decoder.head();
            if self.receiving.is_none() && self.decoder.is_receiving() {
                self.receiving = Some(Receiving {
                    call: Call::new(self.proxy, self.info),
                    has_head: false,
                    unread: false,
                });
            }
            let Some(head) = head? else {
                return Ok(false);
            };
            self.begin(head);
        }
        let unread = self.receiving.as_ref().is_some_and(|it| it.unread);
        match self.decoder.payload(unread)? {
            Some(payload) => {
                self.start(match unread {
                    true => Payload::Unread(payload),
                    false => Payload::Values(payload),
                });
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn begin(&mut self, head: Head) {
        let (Some(transport), Some(protocol)) = (self.decoder.transport(), self.decoder.protocol())
        else {
            return;
        };
        if let Some(receiving) = &mut self.receiving {
            receiving.has_head = true;
            receiving.unread = receiving.call.begin(head, (transport, protocol));
        }
    }

    fn start(&mut self, payload: Payload) {
        let Some(Receiving { mut call, .. }) = self.receiving.take() else {
            return;
        };
        self.calls_seen = self.calls_seen.saturating_add(1);
        if self.is_at_its_end() {
            self.proxy.stats.downstream_cx_max_requests.inc();
        }
        call.start(payload);
        self.payload_bytes += call.payload_bytes;
        self.calls.push(call);
    }

    fn misunderstood(&mut self, error: DecodeError) -> Result<(), ()> {
        self.is_deaf = true;
        if self.receiving.as_ref().is_some_and(|it| it.has_head) {
            self.proxy.stats.request_decoding_error.inc();
            self.start(Payload::Broken(error));
            return Ok(());
        }
        self.proxy.stats.request_decoding_error.inc();
        if error.kind != ExceptionKind::InvalidTransform {
            return Err(());
        }
        self.proxy.stats.response_exception.inc();
        let Some(transport) = self.decoder.transport() else {
            return Err(());
        };
        let nobody = Head::new(b"", MessageKind::Call, 0);
        let exception = AppException::new(error.kind, error.text);
        let protocol = self.decoder.protocol().unwrap_or(Protocol::Binary);
        let told = reply::exception((transport, protocol), &nobody, &exception, false);
        self.out.extend(told.unwrap_or_default());
        self.closes = true;
        Ok(())
    }

    /// Takes what calls come to; whether it stopped at a client that has to read first.
    fn poll_calls(&mut self, cx: &mut Context<'_>) -> bool {
        let mut at = 0;
        while !self.closes {
            let Some(call) = self.calls.get_mut(at) else {
                break;
            };
            if self.out.len() - self.sent >= MAX_UNREAD_BYTES {
                return true;
            }
            let Poll::Ready(done) = call.poll(cx) else {
                at += 1;
                continue;
            };
            let call = self.calls.remove(at);
            self.payload_bytes = self.payload_bytes.saturating_sub(call.payload_bytes);
            drop(call);
            self.out.extend_from_slice(&done.bytes);
            if done.closes {
                self.closes = true;
                if done.is_cut_short {
                    self.proxy.stats.cx_destroy_local_with_active_rq.inc();
                }
            }
        }
        false
    }

    /// The calls that are left have no answers any more.
    pub(crate) fn cut_short(&mut self, by_client: bool) {
        let stats = &self.proxy.stats;
        let left = self.calls.len() + usize::from(self.receiving.is_some());
        for _ in 0..left {
            match by_client {
                true => stats.cx_destroy_remote_with_active_rq.inc(),
                false => stats.cx_destroy_local_with_active_rq.inc(),
            }
        }
        self.calls.clear();
        self.payload_bytes = 0;
        self.receiving = None;
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        loop {
            let rest = self.out.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                self.out.clear();
                self.out.shrink_to(MAX_WAITING_BYTES);
                self.sent = 0;
                break;
            }
            match self.transport.poll_write(cx, rest) {
                Poll::Ready(Ok(count @ 1..)) => self.sent += count,
                Poll::Ready(_) => return Err(()),
                Poll::Pending => {
                    self.give_back();
                    return Ok(());
                }
            }
        }
        match self.transport.poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(()),
            _ => Ok(()),
        }
    }

    /// Lets go of what has been sent, once that is much and no less than what would have to be moved for it.
    fn give_back(&mut self) {
        if self.sent >= MAX_WAITING_BYTES && self.sent >= self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.out
                .shrink_to(self.out.len().max(MAX_WAITING_BYTES) * 2);
            self.sent = 0;
        }
    }
}
