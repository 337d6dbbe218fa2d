//! A stream that may become a tunnel: an upgrade, or CONNECT, which goes on to the host or ends here.
//!
//! What the client sends waits for the host's agreement (101, or 2xx to CONNECT), as in Envoy 1.40. In each direction
//! nothing more is read while 64 KiB are held, before and after; where another try may follow as much is held as of
//! other requests. A tunnel has no timeout but those of streams: idle
//! (`stream_idle_timeout`, the route's `idle_timeout`) and `max_stream_duration`, that of the cluster too. The route's
//! timeout, and those of single tries, are for the answer to a WebSocket handshake alone.
//!
//! Stricter than Envoy: only 101 opens an upgrade. Envoy makes a tunnel of any answer with upgrade headers, such as
//! 426, and then passes on to the host what the host reads as requests.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use nuncio_codec::http1::{BodyFraming, ResponseHead};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::{Address, ResponseFlags};
use nuncio_upstream::UpstreamStream;
use nuncio_upstream::proxy_protocol::{self, ProxyVersion};

use super::Router;
use super::attempt::is_http2;
use super::forward::Failure;
use super::reply::make_handshake_reply;
use super::tries::Reading;
use super::up::Up;
use crate::config::route::ProxyProtocolVersion;
use crate::downstream::Downstream;
use crate::exchange::{Stop, TunnelKind};
use crate::route::{Forward, is_connect};

/// What of the client's bytes is held at most before more is read.
pub(super) const HELD_BYTES: usize = 64 * 1024;

impl<D: Downstream> Router<'_, '_, D> {
    /// Whether the request's bytes go to the host without HTTP around them.
    #[inline]
    pub(super) fn ends_here(&self, forward: &Forward) -> bool {
        let upgrades = forward.upgrades.as_ref();
        upgrades.is_some_and(|it| it.ends_here(&self.exchange.state.borrow().request))
    }

    /// Whether the request's capsules go to the host as datagrams.
    #[inline]
    pub(super) fn ends_as_datagrams(&self, forward: &Forward) -> bool {
        let upgrades = forward.upgrades.as_ref();
        upgrades.is_some_and(|it| it.ends_as_datagrams(&self.exchange.state.borrow().request))
    }

    /// Puts the PROXY header before the bytes of a request that ends here, if the route wants one.
    #[cold]
    pub(super) fn write_prologue(&self, up: &mut UpstreamStream, forward: &Forward) {
        let upgrades = forward.upgrades.as_ref();
        let Some(version) = upgrades.and_then(|upgrades| upgrades.proxy_protocol) else {
            return;
        };
        let state = self.exchange.state.borrow();
        let connection = &state.info.connection;
        let of = |address: Option<&Address>| match address {
            Some(Address::Ip(address)) => Some(*address),
            _ => None,
        };
        let remote = of(connection.remote_address.as_ref());
        if let (Some(remote), Some(local)) = (remote, of(connection.local_address.as_ref())) {
            let version = match version {
                ProxyProtocolVersion::V1 => ProxyVersion::V1,
                ProxyProtocolVersion::V2 => ProxyVersion::V2,
            };
            up.write_prologue(proxy_protocol::header(version, remote, local, &[]));
        }
    }

    /// Whether the answer to a WebSocket handshake is waited for, which has the route's timeout from the begin on.
    #[inline]
    pub(super) fn awaits_handshake(&self) -> bool {
        let tunnel = self.exchange.tunnel.get();
        tunnel.is_some_and(|tunnel| tunnel.kind == TunnelKind::WebSocket)
    }

    /// Sends the head, and both directions once the host has agreed.
    pub(super) async fn tunnel(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        self.refuse_path(up)?;
        self.refuse_end(up)?;
        self.write_tunnel_head(up);
        // What we have to say ourselves, `100 Continue`, waits for nobody.
        self.exchange.down.flush().await?;
        let download = async {
            let head = pin!(self.read_final_head(up)).await?;
            self.pass_down(up, head).await
        };
        self.pass_both(up, self.pass_up(up, None), download).await
    }

    /// The same once the host has answered; more of the request may be being read.
    pub(super) async fn tunnel_on(
        &self,
        up: &RefCell<Up<'_>>,
        head: ResponseHead,
        reading: Option<Reading<'_>>,
    ) -> Result<(), Failure> {
        let download = self.pass_down(up, head);
        self.pass_both(up, self.pass_up(up, reading), download)
            .await
    }

    /// What comes before the head of one of several tries, or the reason why there can be none.
    #[cold]
    pub(super) fn prepare_tunnel(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        self.refuse_path(up)?;
        self.refuse_end(up)
    }

    fn write_tunnel_head(&self, up: &RefCell<Up<'_>>) {
        let mut state = self.exchange.state.borrow_mut();
        if state.span.is_some() {
            self.begin_try_span(&mut state);
        }
        up.borrow_mut().write_head(&state.request, false);
    }

    /// Both directions, until the answer has ended.
    async fn pass_both(
        &self,
        up: &RefCell<Up<'_>>,
        upload: impl Future<Output = Result<Infallible, Failure>>,
        download: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let mut upload = pin!(upload);
        let mut download = pin!(download);
        poll_fn(|cx| {
            let was_open = self.exchange.is_tunnel_open();
            if let Poll::Ready(Err(failure)) = upload.as_mut().poll(cx) {
                return Poll::Ready(Err(failure));
            }
            let done = download.as_mut().poll(cx);
            // What was held back may go now, and nobody else would wake us for it.
            if done.is_pending()
                && !was_open
                && self.exchange.is_tunnel_open()
                && let Poll::Ready(Err(failure)) = upload.as_mut().poll(cx)
            {
                return Poll::Ready(Err(failure));
            }
            self.note_unread(up);
            done
        })
        .await
    }

    /// CONNECT has no path; a route that gives it one asks for something that HTTP/1 cannot say.
    fn refuse_path(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        match path_refusal(&self.exchange.state.borrow().request) {
            Some(reply) if !up.borrow().stream().is_tcp() => {
                Err(Failure::Stopped(Stop::Reply(Box::new(reply))))
            }
            _ => Ok(()),
        }
    }

    /// As in Envoy CONNECT-UDP that ends here has to stay open.
    fn refuse_end(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        if !up.borrow().stream().is_udp() || !self.exchange.body.borrow().done {
            return Ok(());
        }
        self.with_account(|account| account.charge(400));
        let details = "upstream_reset_before_response_started{remote_error_with_CONNECT_request}";
        let reply = LocalReply::new(400, b"".as_slice(), details);
        let reply = reply.with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR);
        Err(Failure::Stopped(Stop::Reply(Box::new(reply))))
    }

    /// The client's bytes, until it goes. A client of HTTP/2 may end its side before.
    async fn pass_up(
        &self,
        up: &RefCell<Up<'_>>,
        reading: Option<Reading<'_>>,
    ) -> Result<Infallible, Failure> {
        if let Some(reading) = reading {
            self.read_beside(up, reading).await?;
        }
        while !self.exchange.body.borrow().done {
            self.read_beside(up, self.exchange.read_request_now())
                .await?;
        }
        poll_fn(|cx| {
            // The head has to leave also where the client ended its side with it.
            let sent = self.poll_send_held(cx, up);
            match self.exchange.is_tunnel_open() {
                true => sent,
                false => Poll::Pending,
            }
        })
        .await;
        std::future::pending().await
    }

    /// Reads once, while what is held is sent.
    async fn read_beside(
        &self,
        up: &RefCell<Up<'_>>,
        reading: impl Future<Output = Result<bool, Stop>>,
    ) -> Result<(), Failure> {
        let mut reading = pin!(reading);
        poll_fn(|cx| {
            let _goes_on_whenever_we_are_polled = self.poll_send_held(cx, up);
            if self.exchange.body.borrow().data.len() >= HELD_BYTES {
                return Poll::Pending;
            }
            reading.as_mut().poll(cx)
        })
        .await?;
        Ok(())
    }

    /// Sends the head, and what has come from the client if the host has agreed.
    fn poll_send_held(&self, cx: &mut Context<'_>, up: &RefCell<Up<'_>>) -> Poll<()> {
        let mut body = self.exchange.body.borrow_mut();
        let body = &mut *body;
        let mut up = up.borrow_mut();
        let is_some_there = !body.data.is_empty() || body.done;
        match self.exchange.is_tunnel_open() && is_some_there {
            true => up.poll_write_data(cx, &mut body.data, body.done),
            false => up.poll_flush(cx),
        }
    }

    /// The host's answer, and its bytes until it ends.
    async fn pass_down(&self, up: &RefCell<Up<'_>>, head: ResponseHead) -> Result<(), Failure> {
        let is_open = head.framing == BodyFraming::Tunnel;
        self.exchange.tunnel_answered(is_open);
        let is_failed_handshake = !is_open
            && self.awaits_handshake()
            && has_no_say(head.status)
            && !is_http2(up.borrow().stream());
        self.strip(is_open);
        let end_stream = is_failed_handshake || up.borrow().is_response_complete();
        if is_failed_handshake {
            up.borrow_mut().note_answered();
            Box::pin(self.fail_handshake(head.status)).await?;
        } else {
            self.begin_response(up, head.status, true);
            pin!(self.exchange.send_head(end_stream)).await?;
        }
        self.pass_body(up, end_stream).await?;
        self.exchange.down.flush().await?;
        self.end_response();
        Ok(())
    }

    /// The head of an answer that grants no WebSocket is all that is passed on, as an answer of our own: the route's
    /// headers come first, the connection manager words it, and it does not count as the cluster's.
    async fn fail_handshake(&self, status: u16) -> Result<(), Failure> {
        let manager = self.exchange.manager;
        let body = {
            let worker = &*manager.worker;
            let mut state = self.exchange.state.borrow_mut();
            let state = &mut *state;
            state.info.upstream.timing.first_rx_byte = Some(worker.now());
            make_handshake_reply(state, status, &manager.config, worker)
        };
        pin!(self.exchange.send_head(body.is_empty())).await?;
        if !body.is_empty() {
            let mut chunk = Buffer::default();
            chunk.extend(&body);
            pin!(self.exchange.send_data(chunk, true)).await?;
        }
        Ok(())
    }

    /// Takes away what would let a client take the answer for another one: upgrade headers of an answer that is no
    /// upgrade, the length of a body that there is not.
    fn strip(&self, is_open: bool) {
        let response = &mut self.exchange.state.borrow_mut().response;
        if !is_open {
            response.remove(Known::Connection);
            response.remove(Known::Upgrade);
        }
        if is_open {
            response.remove(Known::ContentLength);
        }
    }
}

/// The answer to CONNECT where a path is to go with it.
pub(crate) fn path_refusal(request: &HeaderMap) -> Option<LocalReply> {
    let has_path = is_connect(request) && request.contains(Known::Path);
    has_path.then(|| {
        LocalReply::new(
            503,
            b"missing required header: :protocol".as_slice(),
            "filter_removed_required_request_headers{missing_required_header:_:protocol}",
        )
        .with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
    })
}

/// Whether an answer other than 101 of HTTP/1 to a WebSocket handshake comes without its body: all but errors, whose
/// bodies are for people. (101 that is no upgrade has none.)
pub(super) fn has_no_say(status: u16) -> bool {
    status < 400 && status != 101
}
