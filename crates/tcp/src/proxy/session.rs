//! A connection through the TCP proxy: both directions at once, until both have ended or one is broken.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::formatter::AccessLogType;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::network_filter::{LookingOn, NetworkClose, NetworkContext, Shaped};
use nuncio_contract::services::{LocalFuture, stream_id};
use nuncio_contract::stats::Counter;
use nuncio_contract::stream_info::{
    CloseType, ResponseFlags, StreamInfo, TCP_PROXY_IDLE_TIMEOUT_MS,
};
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::{BodyEvent, UpstreamErrorKind, UpstreamStream, WorkerCluster};

use super::early::Early;
use super::tunnel_bytes::TunnelBytes;
use super::{TcpProxy, quietly};
use crate::client::Client;
use crate::connection;
use crate::filters::{Filters, Passage, Told, over, wait_for};

const IDLE: usize = 0;
const DURATION: usize = 1;
const LOG: usize = 2;
const HANDSHAKE: usize = 3;
const DEADLINES: usize = 4;

/// From so many bytes on a direction reads more at once.
const A_LOT_BYTES: u64 = 0x4000;

/// A connection.
pub(super) struct Session<'a> {
    pub(super) proxy: &'a Rc<TcpProxy>,
    filters: RefCell<Filters>,
    pub(super) down: RefCell<Client>,
    pub(super) info: RefCell<StreamInfo>,
    deadlines: Deadlines<DEADLINES>,
    idle_timeout: Option<Duration>,
    bytes: [Cell<u64>; 2],
    /// Those of the client's that no filter has taken or turned away.
    passed: Cell<u64>,
    /// The bytes of a tunnel, if the host is reached by one.
    tunnel: Cell<Option<TunnelBytes>>,
    /// Whether bytes in a direction are half written.
    writing: [Cell<bool>; 2],
    /// Whether the connection ends as soon as no direction has half written bytes, as the listener drains.
    ends_draining: Cell<bool>,
    cluster: RefCell<Option<Rc<WorkerCluster>>>,
    /// Whether the host will send no more, and whether it was the client then that ended the connection.
    host_ended: Cell<bool>,
    client_ended: Cell<bool>,
    client_said_all: Cell<bool>,
    /// Whether all of a direction was read and has gone on but for its end, which a filter keeps.
    ends_kept: [Cell<bool>; 2],
    /// The places of filters that keep more of what has come, in each direction.
    keepers: [RefCell<BTreeSet<usize>>; 2],
    /// Whether bytes in a direction are held by a filter that decides what goes on of them.
    shaping: [Cell<bool>; 2],
    /// Whether the connection ends as soon as the client has been given what was read for it.
    ends_given: Cell<bool>,
}

/// The client's bytes, and the host's, in [`Session::bytes`].
pub(super) const UP: usize = 0;
const DOWN: usize = 1;

impl<'a> Session<'a> {
    pub(super) fn new(
        proxy: &'a Rc<TcpProxy>,
        filters: Filters,
        client: Client,
        mut info: StreamInfo,
    ) -> Self {
        if proxy.logs() || info.connection.tally.is_some() {
            info.stream_id = Some(stream_id(&*proxy.worker.services));
        }
        // As in Envoy, there is an upstream side whether a host is found or not.
        info.upstream.is_set = true;
        Session {
            proxy,
            filters: RefCell::new(filters),
            down: RefCell::new(client),
            info: RefCell::new(info),
            deadlines: Deadlines::default(),
            idle_timeout: proxy.config.idle_timeout,
            bytes: Default::default(),
            passed: Cell::new(0),
            tunnel: Cell::new(None),
            writing: Default::default(),
            ends_draining: Cell::new(false),
            cluster: RefCell::default(),
            host_ended: Cell::new(false),
            client_ended: Cell::new(false),
            client_said_all: Cell::new(false),
            ends_kept: Default::default(),
            keepers: Default::default(),
            shaping: Default::default(),
            ends_given: Cell::new(false),
        }
    }

    /// Begins, and runs until something ends it.
    pub(super) async fn run(&mut self) -> NetworkClose {
        let services = Rc::clone(&self.proxy.worker.services);
        let limit = self.down.get_mut().limit();
        if let Some(limit) = limit {
            self.deadlines.set(HANDSHAKE, services.now() + limit);
        }
        let begun =
            self.filters
                .get_mut()
                .begin(self.down.get_mut(), self.info.get_mut(), &*services);
        // Counted whatever the filters before it say, as in Envoy.
        self.proxy.stats.downstream_cx_total.inc();
        let begun = tokio::select! {
            biased;
            begun = begun => begun,
            () = over(limit, &*services) => {
                Err(self.down.get_mut().late(self.info.get_mut()))
            }
        };
        if let Err(close) = begun {
            return close;
        }
        if let Some(own) = own_idle_timeout(self.info.get_mut()) {
            self.idle_timeout = Some(own);
        }
        self.begin_deadlines();
        if self.proxy.config.logs_start {
            self.log(AccessLogType::TcpConnectionStart);
        }
        let this = &*self;
        let mut joined = pin!(this.join());
        poll_fn(|cx| {
            if let Poll::Ready(close) = joined.as_mut().poll(cx) {
                return Poll::Ready(close);
            }
            this.poll_expired(cx)
        })
        .await
    }

    fn begin_deadlines(&self) {
        let config = &self.proxy.config;
        let now = self.proxy.worker.services.now();
        self.touch();
        if let Some(most) = config.max_duration {
            self.deadlines.set(DURATION, now + self.jittered(most));
        }
        if let Some(interval) = config.log_interval.filter(|_| self.proxy.logs()) {
            self.deadlines.set(LOG, now + interval);
        }
    }

    /// Up to so much longer.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits of chance are as many as anybody needs"
    )]
    fn jittered(&self, duration: Duration) -> Duration {
        let share = self.proxy.config.jitter_percent / 100.0;
        if share <= 0.0 {
            return duration;
        }
        let drawn = self.proxy.worker.services.random_u64() as f64 / u64::MAX as f64;
        duration.mul_f64(1.0 + share * drawn)
    }

    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<NetworkClose> {
        let stats = &self.proxy.stats;
        loop {
            let services = &*self.proxy.worker.services;
            match std::task::ready!(self.deadlines.poll_expired(cx, services)) {
                IDLE => {
                    stats.idle_timeout.inc();
                    return Poll::Ready(NetworkClose::now("tcp_session_idle_timeout"));
                }
                DURATION => {
                    stats.max_downstream_connection_duration.inc();
                    let mut info = self.info.borrow_mut();
                    info.add_flags(ResponseFlags::DURATION_TIMEOUT);
                    return Poll::Ready(NetworkClose::now("max_connection_duration_reached"));
                }
                HANDSHAKE if self.down.borrow().is_open() => {}
                HANDSHAKE => {
                    let late = self.down.borrow().late(&mut self.info.borrow_mut());
                    return Poll::Ready(late);
                }
                _ => {
                    self.log(AccessLogType::TcpPeriodic);
                    if let Some(interval) = self.proxy.config.log_interval {
                        self.deadlines.set(LOG, services.now() + interval);
                    }
                }
            }
        }
    }

    /// Something has come or gone.
    fn touch(&self) {
        if let Some(idle) = self.idle_timeout {
            self.deadlines
                .set(IDLE, self.proxy.worker.services.now() + idle);
        }
    }

    /// Connects to a host and passes both directions on.
    async fn join(&self) -> NetworkClose {
        let mut early = Early::default();
        let connected = match self.proxy.config.early {
            None => pin!(self.connect_shaking_hands()).await,
            Some(how) => Box::pin(self.connect_reading(how, &mut early)).await,
        };
        let (up, cluster) = match connected {
            Ok(connected) => connected,
            Err(close) => return close,
        };
        *self.cluster.borrow_mut() = Some(cluster);
        let before = self.info.borrow().upstream.bytes;
        self.tunnel.set(TunnelBytes::of(&up, before));
        if self.proxy.config.logs_connected {
            self.log(AccessLogType::TcpUpstreamConnected);
        }
        self.touch();
        if self.proxy.config.tunnel.is_some() {
            // In Envoy the host's agreement is something that passes.
            if self.proxy.is_draining() {
                return self.proxy.drain_close();
            }
        }
        self.pass(&RefCell::new(up), early).await
    }

    /// Connects to a host; the client's handshake goes on meanwhile, and one that fails is the end of both. What filters
    /// have written leaves as soon as it is over.
    async fn connect_shaking_hands(
        &self,
    ) -> Result<(UpstreamStream, Rc<WorkerCluster>), NetworkClose> {
        let mut connecting = pin!(self.proxy.connect(&self.info));
        if self.down.borrow().is_open() {
            return connecting.await;
        }
        let mut opening = pin!(self.open());
        let (mut connected, mut is_opened) = (None, false);
        poll_fn(|cx| {
            if connected.is_none()
                && let Poll::Ready(outcome) = connecting.as_mut().poll(cx)
            {
                connected = Some(outcome?);
            }
            // A handshake may go on behind that; what is half written is written first.
            let is_open = || self.down.borrow().is_open();
            if !is_opened
                && (connected.is_none() || is_open())
                && let Poll::Ready(opened) = opening.as_mut().poll(cx)
            {
                if opened.is_err() && connected.is_none() {
                    // Nobody has been connected to.
                    self.info.borrow_mut().upstream.chosen_host = None;
                }
                opened?;
                is_opened = true;
            }
            match connected.take() {
                Some(host) if is_opened || !is_open() => Poll::Ready(Ok(host)),
                not_yet => {
                    connected = not_yet;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Does the client's handshake, and sends what filters have written before.
    async fn open(&self) -> Result<(), NetworkClose> {
        let was_pending = poll_fn(|cx| self.poll_open(cx)).await?;
        self.opened(was_pending).await
    }

    async fn pass(&self, up: &RefCell<UpstreamStream>, early: Early) -> NetworkClose {
        let mut upload = pin!(self.pass_up(up, early));
        let mut download = pin!(self.pass_down(up));
        let (mut is_sent, mut is_received) = (false, false);
        let mut closing = None;
        poll_fn(|cx| {
            if !is_sent && let Poll::Ready(sent) = upload.as_mut().poll(cx) {
                match sent {
                    Err(close) if !close.flushes || is_received || !self.is_giving() => {
                        return Poll::Ready(close);
                    }
                    Err(close) => {
                        self.ends_given.set(true);
                        closing = Some(close);
                    }
                    Ok(()) => {}
                }
                is_sent = true;
            }
            if !is_received && let Poll::Ready(received) = download.as_mut().poll(cx) {
                match received {
                    Ok(()) => is_received = true,
                    Err(close) => return Poll::Ready(closing.take().unwrap_or(close)),
                }
            }
            if (is_received || !self.is_giving())
                && let Some(close) = closing.take()
            {
                return Poll::Ready(close);
            }
            let is_over = |is_over: bool, direction: &Cell<bool>| is_over || direction.get();
            let [up, down] = &self.ends_kept;
            match is_over(is_sent, up) && is_over(is_received, down) {
                true => Poll::Ready(quietly()),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Waits until the client's handshake is over; a failure of it ends the connection.
    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<bool, NetworkClose>> {
        let mut info = self.info.borrow_mut();
        self.down.borrow_mut().poll_open(cx, &mut info)
    }

    /// The client's handshake is over, if it `was_pending`.
    pub(super) async fn opened(&self, was_pending: bool) -> Result<(), NetworkClose> {
        if !was_pending {
            return Ok(());
        }
        let out = self.note_handshake();
        self.write_down(&out).await
    }

    fn note_handshake(&self) -> Vec<u8> {
        let services = &*self.proxy.worker.services;
        let info = &mut self.info.borrow_mut();
        self.filters.borrow_mut().note_handshake(info, services)
    }

    /// The client's bytes to the host.
    async fn pass_up(
        &self,
        up: &RefCell<UpstreamStream>,
        early: Early,
    ) -> Result<(), NetworkClose> {
        self.open().await?;
        let Early {
            mut data,
            mut has_ended,
        } = early;
        loop {
            if !data.is_empty() || has_ended {
                let stats = &self.proxy.stats;
                let mut held = Held::default();
                self.writing[UP].set(true);
                poll_fn(|cx| {
                    let written = up.borrow_mut().poll_write_data(cx, &mut data, has_ended);
                    held.note(
                        &written,
                        &stats.downstream_flow_control_paused_reading_total,
                    );
                    written
                })
                .await;
                held.end(&stats.downstream_flow_control_resumed_reading_total);
                self.note_tunnel(|it| it.count(&up.borrow()));
                self.touch();
                self.writing[UP].set(false);
                self.end_draining(UP).await?;
            } else if self.ends_draining.get() {
                self.end_draining(UP).await?;
            }
            if has_ended {
                return self.ended_up(up, data).await;
            }
            if self.keeps_more(UP) {
                if self.show(&mut data, &mut has_ended).await? == Passage::Taken {
                    data.clear();
                }
                self.passed(data.len());
                continue;
            }
            if self.has_client_said_all() {
                self.end_is_kept(UP).await;
                continue;
            }
            let Some(count) = self.read_client(up, &mut data).await? else {
                continue;
            };
            has_ended = count == 0;
            self.client_ended.set(has_ended && self.host_ended.get());
            self.received(count);
            if self.filters.borrow().see_data()
                && self.show(&mut data, &mut has_ended).await? == Passage::Taken
            {
                data.clear();
            }
            self.passed(data.len());
        }
    }

    /// What comes next from the client, 0 at its end; none if a filter has something to go on before.
    async fn read_client(
        &self,
        up: &RefCell<UpstreamStream>,
        data: &mut Buffer,
    ) -> Result<Option<usize>, NetworkClose> {
        let room = self.room(UP);
        let read = poll_fn(|cx| match self.has_unasked(UP, cx) {
            true => Poll::Ready(Ok(None)),
            false => self
                .down
                .borrow_mut()
                .poll_fill(cx, data, room)
                .map_ok(Some),
        });
        read.await.map_err(|_| {
            self.client_ended.set(true);
            // As the client ended, the host's connection does.
            up.borrow().reset_on_close();
            self.info.borrow_mut().downstream_detected_close_type = CloseType::RemoteReset;
            quietly()
        })
    }

    /// Whether a filter has something to go on in a direction though nothing new has come.
    fn has_unasked(&self, direction: usize, cx: &mut Context<'_>) -> bool {
        let place = self.filters.borrow_mut().unasked(direction == DOWN, cx);
        if let (Some(place), Some(keepers)) = (place, self.keepers.get(direction)) {
            keepers.borrow_mut().insert(place);
        }
        place.is_some()
    }

    /// Waits until the filter that keeps the end of a direction has something to go on. The connection is over once both
    /// ends are kept, or one is and the other has gone on.
    async fn end_is_kept(&self, direction: usize) {
        let is_kept = self.ends_kept.get(direction);
        is_kept.inspect(|it| it.set(true));
        poll_fn(|cx| match self.has_unasked(direction, cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        is_kept.inspect(|it| it.set(false));
    }

    /// The client has said all. What filters still keep is of no use behind its end, but that they close is.
    async fn ended_up(
        &self,
        up: &RefCell<UpstreamStream>,
        mut data: Buffer,
    ) -> Result<(), NetworkClose> {
        if self.keeps_more(UP) {
            self.show(&mut data, &mut false).await?;
            self.keepers[UP].borrow_mut().clear();
        }
        let tunnel = self.proxy.config.tunnel.as_deref();
        if !tunnel.is_some_and(|tunnel| tunnel.ends_together(&up.borrow())) {
            return Ok(());
        }
        poll_fn(|cx| up.borrow_mut().poll_flush(cx)).await;
        Err(NetworkClose::after_flush(""))
    }

    /// The host's bytes to the client.
    async fn pass_down(&self, up: &RefCell<UpstreamStream>) -> Result<(), NetworkClose> {
        up.borrow_mut()
            .read_at_most(self.proxy.config.most_read_bytes);
        let mut data = Buffer::new();
        let mut trailers = HeaderMap::request();
        loop {
            let room = self.room(DOWN);
            data.make_room(room);
            let read = poll_fn(|cx| match self.has_unasked(DOWN, cx) {
                true => Poll::Ready(None),
                false => up
                    .borrow_mut()
                    .poll_read_body(cx, &mut data, &mut trailers)
                    .map(Some),
            });
            let read = read.await;
            self.note_tunnel(|it| {
                if !matches!(read, None | Some(Ok(BodyEvent::Data))) {
                    it.ended();
                }
                it.count(&up.borrow());
            });
            match read {
                None => data.clear(),
                Some(Ok(BodyEvent::Data | BodyEvent::LastData)) => {
                    let count = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.bytes[DOWN].set(self.bytes[DOWN].get() + count);
                    self.touch();
                }
                Some(Ok(event)) => {
                    if event == BodyEvent::Trailers {
                        self.keep_trailers(&trailers);
                    }
                    self.host_ended.set(true);
                    data.clear();
                    return self.end_down(&mut data).await;
                }
                Some(Err(error)) => return Err(self.host_failed(&up.borrow(), error.kind)),
            }
            let has_ended = self.pass_answer(&mut data, false).await?;
            if self.ends_given.get() {
                return Ok(());
            }
            self.end_draining(DOWN).await?;
            data.clear();
            if has_ended {
                return self.shut_down().await;
            }
        }
    }

    /// How the connection ends with the host's; what came before that is with the client's system already.
    #[cold]
    fn host_failed(&self, up: &UpstreamStream, kind: UpstreamErrorKind) -> NetworkClose {
        let mut info = self.info.borrow_mut();
        // A connection that ends is the end of what it carries; that of a stream alone is not.
        if up.is_tcp() || kind == UpstreamErrorKind::RemoteReset {
            info.add_flags(ResponseFlags::UPSTREAM_REMOTE_RESET);
        }
        if !up.was_reset() {
            return NetworkClose::after_flush("");
        }
        // As the host ended, the client's connection does.
        info.upstream.detected_close_type = CloseType::RemoteReset;
        info.downstream_detected_close_type = CloseType::LocalReset;
        self.down.borrow().reset_on_close();
        quietly()
    }

    /// The host has said all.
    async fn end_down(&self, data: &mut Buffer) -> Result<(), NetworkClose> {
        let mut has_ended = self.pass_answer(data, true).await?;
        if self.ends_draining.get() {
            self.end_draining(DOWN).await?;
        }
        while !has_ended && !self.ends_given.get() {
            self.end_is_kept(DOWN).await;
            data.clear();
            has_ended = self.pass_answer(data, false).await?;
        }
        self.shut_down().await
    }

    /// Tells the client that no more comes.
    async fn shut_down(&self) -> Result<(), NetworkClose> {
        let shut = poll_fn(|cx| self.down.borrow_mut().poll_shutdown(cx));
        shut.await.map_err(|_| quietly())
    }

    /// Ends the connection once the listener drains, behind what is under way in either direction. The other direction
    /// ends it if that is half written there, and this one waits; what filters hold does not stop this one.
    async fn end_draining(&self, this: usize) -> Result<(), NetworkClose> {
        if !self.ends_draining.get() && !self.proxy.is_draining() {
            return Ok(());
        }
        self.ends_draining.set(true);
        let other = 1 - this;
        if self.keeps_more(this) {
            return Ok(());
        }
        let is_set = |of: &[Cell<bool>; 2]| of.get(other).is_some_and(Cell::get);
        if is_set(&self.shaping) || self.keeps_more(other) {
            return Ok(());
        }
        if is_set(&self.writing) {
            return pending().await;
        }
        Err(self.proxy.drain_close())
    }

    /// Whether the client has not been given yet all that was read for it.
    fn is_giving(&self) -> bool {
        self.writing[DOWN].get() || self.shaping[DOWN].get() || self.keeps_more(DOWN)
    }

    /// Gives the client what the host has answered, as filters let it pass. Whether no more follows.
    async fn pass_answer(&self, data: &mut Buffer, end_stream: bool) -> Result<bool, NetworkClose> {
        let mut has_ended = self.show_answer(data, end_stream).await?;
        loop {
            self.writing[DOWN].set(true);
            self.write_down(data.readable()).await?;
            self.writing[DOWN].set(false);
            if !self.keeps_more(DOWN) {
                return Ok(has_ended);
            }
            data.clear();
            has_ended = self.show_answer(data, false).await?;
        }
    }

    /// Shows the filters what the host has answered, which may become other bytes. Whether no more follows.
    async fn show_answer(&self, data: &mut Buffer, end_stream: bool) -> Result<bool, NetworkClose> {
        let mut has_ended = end_stream;
        if !self.filters.borrow().see_answers() {
            return Ok(has_ended);
        }
        // Nearest to the client first: what it keeps came before what others do.
        let keeper = self.keepers[DOWN].borrow_mut().pop_first();
        let mut before = keeper.map_or(usize::MAX, |place| place + 1);
        loop {
            let shaping = self.filters.borrow_mut().answer(
                before,
                data.readable(),
                has_ended,
                &mut LookingOn {
                    stream_info: &mut self.info.borrow_mut(),
                    services: &*self.proxy.worker.services,
                },
            );
            let Some((shaping, place)) = shaping else {
                return Ok(has_ended);
            };
            let shaped = self.shaped(DOWN, shaping).await;
            self.take_shape(shaped, (DOWN, place), data, &mut has_ended)?;
            if data.is_empty() && !has_ended {
                return Ok(false);
            }
            before = place;
        }
    }

    /// Waits for what a filter makes of what it holds.
    async fn shaped(&self, direction: usize, shaping: LocalFuture<Shaped>) -> Shaped {
        let is_shaping = self.shaping.get(direction);
        is_shaping.inspect(|it| it.set(true));
        let shaped = shaping.await;
        is_shaping.inspect(|it| it.set(false));
        shaped
    }

    /// What goes on of bytes that a filter has held.
    fn take_shape(
        &self,
        shaped: Shaped,
        (direction, place): (usize, usize),
        data: &mut Buffer,
        has_ended: &mut bool,
    ) -> Result<(), NetworkClose> {
        if let Some(conclude) = shaped.conclusion {
            let services = &*self.proxy.worker.services;
            let close = conclude(&mut self.info.borrow_mut(), services);
            close.map_or(Ok(()), Err)?;
        }
        if let Some(instead) = shaped.instead {
            data.clear();
            data.extend(&instead);
        }
        *has_ended = shaped.end_stream;
        if shaped.is_part
            && let Some(keeper) = self.keepers.get(direction)
        {
            keeper.borrow_mut().insert(place);
        }
        Ok(())
    }

    /// Whether a filter keeps more of what has come in a direction.
    pub(super) fn keeps_more(&self, direction: usize) -> bool {
        self.keepers
            .get(direction)
            .is_some_and(|it| !it.borrow().is_empty())
    }

    /// Whether the client's end was read, whatever filters made of it.
    pub(super) fn has_client_said_all(&self) -> bool {
        self.client_said_all.get()
    }

    #[cold]
    fn keep_trailers(&self, trailers: &HeaderMap) {
        if let Some(tunnel) = &self.proxy.config.tunnel {
            tunnel.keep_trailers(trailers, &mut self.info.borrow_mut());
        }
    }

    /// How much is read at once in a direction.
    fn room(&self, direction: usize) -> usize {
        match self.bytes.get(direction).map_or(0, Cell::get) {
            0..=A_LOT_BYTES => Buffer::HEAD_BYTES,
            _ => self.proxy.config.most_read_bytes,
        }
    }

    /// No filter has kept so many bytes of the client's.
    pub(super) fn passed(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.passed.set(self.passed.get().saturating_add(count));
    }

    pub(super) fn received(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes[UP].set(self.bytes[UP].get() + count);
        self.proxy.stats.downstream_cx_rx_bytes_total.add(count);
        self.touch();
    }

    /// Shows the filters what the client has sent, and the client what they write.
    pub(super) async fn show(
        &self,
        data: &mut Buffer,
        has_ended: &mut bool,
    ) -> Result<Passage, NetworkClose> {
        if *has_ended {
            self.client_said_all.set(true);
        }
        // Nearest to the host first: what it keeps came before what others do.
        let mut from = self.keepers[UP].borrow_mut().pop_last().unwrap_or_default();
        loop {
            let mut out = Vec::new();
            let told = self.filters.borrow_mut().data(
                from,
                data.readable(),
                *has_ended,
                &mut NetworkContext {
                    stream_info: &mut self.info.borrow_mut(),
                    out: &mut out,
                    services: &*self.proxy.worker.services,
                },
            );
            if !out.is_empty() {
                self.write_down(&out).await?;
            }
            match told {
                Told::Done(passage) => return Ok(passage),
                Told::Close(close) => return Err(close),
                Told::Wait(wait, place) => {
                    let resume = wait.await;
                    let services = &*self.proxy.worker.services;
                    wait_for(resume, &mut self.info.borrow_mut(), services)?;
                    from = place;
                }
                Told::Shape(shaping, place) => {
                    let keeper = (UP, place.saturating_sub(1));
                    let shaped = self.shaped(UP, shaping).await;
                    self.take_shape(shaped, keeper, data, has_ended)?;
                    if data.is_empty() && !*has_ended {
                        return Ok(Passage::Taken);
                    }
                    from = place;
                }
            }
        }
    }

    /// Writes to the client, whole: TLS may still hold what the socket has no room for.
    async fn write_down(&self, mut bytes: &[u8]) -> Result<(), NetworkClose> {
        let mut held = Held::default();
        let cluster = self.cluster.borrow().clone();
        let stats = cluster.as_ref().map(|cluster| cluster.traffic_stats());
        // Whoever reads the client moves the handshake on, in the same task.
        poll_fn(|_| match self.down.borrow().is_open() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        while !bytes.is_empty() {
            let written = poll_fn(|cx| {
                let written = self.down.borrow_mut().poll_write(cx, bytes);
                if let Some(stats) = stats {
                    held.note(&written, &stats.upstream_flow_control_paused_reading_total);
                }
                written
            });
            let Ok(count @ 1..) = written.await else {
                return Err(quietly());
            };
            let sent = u64::try_from(count).unwrap_or(u64::MAX);
            self.proxy.stats.downstream_cx_tx_bytes_total.add(sent);
            self.touch();
            bytes = bytes.get(count..).unwrap_or_default();
        }
        let flushed = poll_fn(|cx| self.down.borrow_mut().poll_flush(cx)).await;
        if let Some(stats) = stats {
            held.end(&stats.upstream_flow_control_resumed_reading_total);
        }
        flushed.map_err(|_| quietly())
    }

    /// Brings the stream info up to date and logs.
    fn log(&self, moment: AccessLogType) {
        let mut info = self.info.borrow_mut();
        info.bytes_received = self.bytes[UP].get();
        info.bytes_sent = self.bytes[DOWN].get();
        // Nothing is added to them on the way; what filters have kept counts for nobody.
        let (received, sent) = (self.passed.get(), info.bytes_sent);
        info.downstream_bytes.wire_bytes_received = received;
        info.downstream_bytes.wire_bytes_sent = sent;
        if let Some(tunnel) = self.tunnel.get() {
            info.upstream.bytes = tunnel.with(received, sent);
        } else if info.upstream.local_address.is_some() {
            info.upstream.bytes.wire_bytes_sent = received;
            info.upstream.bytes.wire_bytes_received = sent;
        }
        self.proxy.log(&info, moment);
    }

    /// Changes what is known of the bytes of a tunnel, if there is one.
    fn note_tunnel(&self, note: impl FnOnce(&mut TunnelBytes)) {
        let mut tunnel = self.tunnel.get();
        if let Some(bytes) = &mut tunnel {
            note(bytes);
            self.tunnel.set(tunnel);
        }
    }

    /// What is known of the connection in the end.
    pub(super) fn into_info(self) -> StreamInfo {
        self.info.into_inner()
    }

    /// Closes the client's connection and logs the end.
    pub(super) async fn end(&mut self, close: &NetworkClose) {
        if !close.reason.is_empty() {
            let info = self.info.get_mut();
            info.downstream_local_close_reason = close.reason.clone();
            if info.upstream.local_address.is_some() {
                info.upstream.local_close_reason = close.reason.clone();
            }
        }
        self.filters.get_mut().end(self.client_ended.get());
        if let Some(transport) = self.down.get_mut().transport() {
            connection::close(&self.proxy.worker, transport, close).await;
        }
        self.info.get_mut().end = Some(self.proxy.worker.services.now());
        self.note_tunnel(TunnelBytes::given_up);
        self.log(AccessLogType::TcpConnectionEnd);
    }
}

/// Whether one side was not read because the other did not read.
#[derive(Default)]
struct Held(bool);

impl Held {
    fn note<T>(&mut self, written: &Poll<T>, paused: &Counter) {
        if written.is_pending() && !std::mem::replace(&mut self.0, true) {
            paused.inc();
        }
    }

    fn end(self, resumed: &Counter) {
        if self.0 {
            resumed.inc();
        }
    }
}

/// What a filter has left of how long this connection may idle.
fn own_idle_timeout(info: &StreamInfo) -> Option<Duration> {
    let own = info.object(TCP_PROXY_IDLE_TIMEOUT_MS)?;
    let milliseconds = own.serialize_as_string()?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}
