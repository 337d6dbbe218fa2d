//! Accepting connections on a worker.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::connection_ids;
use nuncio_contract::listener_filter::Inspected;
use nuncio_contract::overload::{Action, ScaledTimer, ShedPoint};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::{ConnectionInfo, FilterState, Metadata, StreamInfo};
use nuncio_http::connection_manager::ConnectionManager;
use nuncio_http::drain::DrainPolicy;
use nuncio_http::http1;
use nuncio_http::route::RouteTable;
use nuncio_http::service::Service;
use nuncio_net::bound::BoundSocket;
use nuncio_tcp::client::{Client, Handshake, Handshaken, note_handshake, note_unfinished};
use nuncio_tcp::connection;
use nuncio_tcp::filters::{Filters, Watching};
use tokio::net::TcpStream;

use super::door::{Door, Ends};
use super::gate::{ChainOnThread, End, Gate};
use super::inspect::{criteria, inspect, successor};
use super::transport_socket::Opening;
use super::{CompiledListener, OnThread, Routes, SocketEnd};

/// How long accepting rests when the process has no file descriptor left.
const EXHAUSTED_REST: Duration = Duration::from_millis(100);

/// Accepts for ever, for a listener that the process answers itself.
pub(crate) async fn serve(
    listener: Arc<CompiledListener>,
    socket: BoundSocket,
    thread: OnThread,
    service: Rc<dyn Service>,
) -> std::io::Result<()> {
    let routes = Routes::from([Arc::new(RouteTable::empty())]);
    let drain = DrainPolicy::default();
    let gate = Gate::new(listener, &routes, &thread, Some(&service), drain);
    accept(Rc::new(RefCell::new(Rc::new(gate))), socket, pending()).await
}

/// Accepts until `end` says what becomes of the socket. Each connection goes through the gate of its moment.
pub(super) async fn accept(
    gate: Rc<RefCell<Rc<Gate>>>,
    socket: BoundSocket,
    end: impl Future<Output = SocketEnd>,
) -> std::io::Result<()> {
    let chooses_congestion = gate.borrow().listener.chooses_congestion();
    let door = Door::of(socket, chooses_congestion)?;
    let mut end = std::pin::pin!(end);
    let admit = |stream: TcpStream, ends: Ends| {
        let gate = Rc::clone(&gate.borrow());
        let (stream, ends) = match &gate.seat {
            None => (stream, ends),
            Some(seat) => match seat.place(stream, ends) {
                Some(own) => own,
                None => return,
            },
        };
        begin(gate, stream, ends, Metadata::default());
    };
    let at_once = Cell::new(0);
    let end = loop {
        let accepted = tokio::select! {
            biased;
            end = &mut end => break end,
            accepted = poll_fn(|cx| poll_accept(&gate, &door, &at_once, cx)) => accepted,
        };
        match accepted {
            Ok((stream, ends)) => admit(stream, ends),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(EXHAUSTED_REST).await,
        }
    };
    match end {
        SocketEnd::Closed => door.close(admit),
        SocketEnd::HandedOver => Ok(()),
    }
}

/// A connection, while connections are accepted; others stay in the kernel's queue. `at_once` counts those that are
/// there at once.
fn poll_accept(
    gate: &RefCell<Rc<Gate>>,
    door: &Door,
    at_once: &Cell<u64>,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<(TcpStream, Ends)>> {
    if let Some(overload) = &gate.borrow().overload {
        ready!(overload.poll_accepting(cx));
    }
    let accepted = door.poll_accept(cx);
    match &accepted {
        Poll::Ready(Ok(_)) => at_once.set(at_once.get() + 1),
        Poll::Ready(Err(_)) => {}
        Poll::Pending => {
            let before = at_once.take();
            if before > 0 {
                let stats = &gate.borrow().stats;
                stats.connections_accepted_per_socket_event.record(before);
            }
        }
    }
    accepted
}

/// Errors that concern the connection that was to be accepted, not the socket.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Begins a connection, which brings along what its client has passed on.
pub(super) fn begin(gate: Rc<Gate>, stream: TcpStream, (peer, local): Ends, metadata: Metadata) {
    if is_turned_away(&gate, true) {
        gate.went_early();
        return;
    }
    let begin = gate.worker.now();
    let info = ConnectionInfo {
        id: connection_ids::next(),
        begin: Some(begin),
        direct_remote_address: Some(peer.clone()),
        remote_address: Some(peer),
        direct_local_address: local.clone(),
        local_address: local,
        listener: Some(Arc::clone(&gate.listener.description)),
        tally: gate.log.as_ref().map(|_| Rc::default()),
        ..ConnectionInfo::default()
    };
    if gate.listener_filters.is_empty() && gate.directory.is_none() {
        let known = Inspected {
            metadata,
            ..Inspected::default()
        };
        return open(gate, stream, info, known);
    }
    drop(tokio::task::spawn_local(async move {
        let mut info = info;
        let looked = std::pin::pin!(inspect(&gate, stream, &mut info)).await;
        if let Some((stream, mut inspected)) = looked {
            for (name, fields) in metadata.namespaces() {
                inspected.metadata.merge(name, fields.clone());
            }
            match successor(&gate, &stream, &mut info) {
                None => open(gate, stream, info, inspected),
                Some(other) => {
                    gate.went_early();
                    Box::pin(take_over(other, stream, info, inspected)).await;
                }
            }
        } else {
            went_early(&gate, info);
        }
    }));
}

/// Goes on with a connection that another listener accepted. What that one's filters left for others stays behind, as
/// in Envoy; what they found out does not.
async fn take_over(gate: Rc<Gate>, stream: TcpStream, mut info: ConnectionInfo, found: Inspected) {
    if is_turned_away(&gate, false) {
        return;
    }
    if let Some(seat) = &gate.seat {
        seat.came();
    }
    info.listener = Some(Arc::clone(&gate.listener.description));
    let looked = match gate.listener_filters.is_empty() {
        true => Some((stream, Inspected::default())),
        false => inspect(&gate, stream, &mut info).await,
    };
    let Some((stream, mut inspected)) = looked else {
        return went_early(&gate, info);
    };
    if inspected.transport_protocol.is_empty() {
        inspected.transport_protocol = found.transport_protocol;
    }
    if inspected.application_protocols.is_empty() {
        inspected.application_protocols = found.application_protocols;
    }
    open(gate, stream, info, inspected);
}

/// A connection ended before it had a filter chain.
fn went_early(gate: &Gate, info: ConnectionInfo) {
    gate.went_early();
    if let Some(log) = &gate.log {
        log.connection(Rc::new(info));
    }
}

/// Whether there may be no more connections, which is counted. One that was accepted by another listener has been let
/// through by the overload manager.
pub(super) fn is_turned_away(gate: &Gate, is_new: bool) -> bool {
    let (limits, stats) = (&gate.listener.limits, &gate.stats);
    let overload = gate.overload.as_ref();
    if limits.is_process_full(gate.watched_limit) {
        stats.downstream_global_cx_overflow.inc();
        return true;
    }
    let is_shed = is_new
        && overload
            .is_some_and(|it| it.sheds(ShedPoint::Accept) || it.takes(Action::RejectConnections));
    if is_shed {
        stats.downstream_cx_overload_reject.inc();
        return true;
    }
    if limits.is_full() {
        stats.downstream_cx_overflow.inc();
        return true;
    }
    false
}

/// What comes of `future`; none once the limit has passed.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
    }
}

/// What comes of `future`; none if the connections that are left are closed before.
pub(super) async fn or_drained<T>(
    gate: &Gate,
    id: u64,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = gate.drained(id) => None,
    }
}

/// Finds the filter chain of a connection and makes its transport.
fn open(gate: Rc<Gate>, stream: TcpStream, mut info: ConnectionInfo, inspected: Inspected) {
    let selection = &gate.listener.selection;
    let found = match selection.matcher() {
        None => selection.find(&criteria(&info, &inspected)),
        Some(matcher) => matcher.find(&info, &inspected, &gate.worker),
    };
    let found = found.and_then(|place| {
        let compiled = gate.listener.chains.get(place)?;
        Some((compiled, Rc::clone(gate.chains.get(place)?)))
    });
    let Some((compiled, chain)) = found else {
        gate.stats.no_filter_chain_match.inc();
        gate.went_early();
        if let Some(log) = &gate.log {
            log.without_chain(info);
        }
        return;
    };
    info.filter_chain = Some(Arc::clone(&compiled.description));
    gate.opened();
    match chain.socket.open(stream, &info) {
        Opening::Done(transport) => {
            serve_chain(gate, &chain, Client::Open(transport), (info, inspected));
        }
        Opening::Handshake(done) => {
            let limit = compiled.connect_timeout.map(|limit| match &gate.overload {
                Some(overload) => overload.scaled(ScaledTimer::TransportConnect, limit),
                None => limit,
            });
            let begins_before =
                !chain.filters.is_empty() || matches!(chain.end, End::Tcp(_) | End::Redis(_));
            if begins_before {
                let stats = Arc::clone(&gate.stats);
                let client = Client::Handshake(Handshake { done, limit, stats });
                serve_chain(gate, &chain, client, (info, inspected));
            } else {
                drop(tokio::task::spawn_local(async move {
                    let handshake = or_drained(&gate, info.id, within(limit, done)).await;
                    behind_handshake(gate, &chain, handshake, (info, inspected));
                }));
            }
        }
    }
}

/// Goes on where nothing was to begin before the handshake; one that did not end has reached its limit, if there is an
/// outcome at all.
fn behind_handshake(
    gate: Rc<Gate>,
    chain: &Rc<ChainOnThread>,
    handshake: Option<Option<Handshaken>>,
    (mut info, inspected): (ConnectionInfo, Inspected),
) {
    let ended = match handshake {
        Some(Some(Ok(transport))) => {
            note_handshake(&mut info, &transport);
            return serve_chain(gate, chain, Client::Open(transport), (info, inspected));
        }
        ended => ended,
    };
    let begin = info.begin.unwrap_or_else(|| gate.worker.now());
    let is_late = matches!(ended, Some(None));
    if is_late {
        let stats = &gate.stats;
        stats.downstream_cx_transport_socket_connect_timeout.inc();
    }
    if let End::Http(manager) = &chain.end {
        manager.ended_in_handshake(begin, is_late);
    }
    if let Some(log) = &gate.log {
        if let Some(Some(Err(unfinished))) = ended {
            note_unfinished(&mut info, unfinished);
        }
        log.connection(Rc::new(info));
    }
    gate.closed(begin);
}

/// Has the chain's filters serve a connection to its end. What is common has a future of its own, so that nothing is
/// kept for what is not.
fn serve_chain(
    gate: Rc<Gate>,
    chain: &Rc<ChainOnThread>,
    client: Client,
    (mut info, inspected): (ConnectionInfo, Inspected),
) {
    let begin = info.begin.unwrap_or_else(|| gate.worker.now());
    if matches!(chain.end, End::Http(_)) && !info.transport_failure_reason.is_empty() {
        let reason = std::mem::take(&mut info.transport_failure_reason);
        let _first = info.tally.as_ref().map(|tally| tally.failure.set(reason));
    }
    let Inspected {
        metadata,
        filter_state,
        ..
    } = inspected;
    if !filter_state.is_empty() {
        info.filter_state = Some(Arc::new(filter_state));
    }
    let info = Rc::new(info);
    match (&chain.end, client) {
        (End::Http(manager), Client::Open(transport))
            if chain.filters.is_empty() && gate.log.is_none() =>
        {
            let manager = Rc::clone(manager);
            let closed = Box::new(move || gate.closed(begin));
            http1::spawn(manager, transport, info, closed);
        }
        (_, client) => {
            let chain = Rc::clone(chain);
            drop(tokio::task::spawn_local(async move {
                Box::pin(filtered(&gate, &chain, client, (info, metadata))).await;
                gate.closed(begin);
            }));
        }
    }
}

/// The same where there are other filters than the connection manager, or where connections are logged.
async fn filtered(
    gate: &Gate,
    chain: &ChainOnThread,
    mut client: Client,
    (connection, metadata): (Rc<ConnectionInfo>, Metadata),
) {
    let worker = &gate.worker;
    let id = connection.id;
    let filters = Filters::new(&chain.filters);
    let mut info = StreamInfo::new(Rc::clone(&connection), worker.wall(), worker.now());
    if !metadata.is_empty() {
        *info.dynamic_metadata_mut() = metadata;
    }
    if let (End::Http(_) | End::Filter(_) | End::Redis(_) | End::Thrift(_), Some(tally)) =
        (&chain.end, &connection.tally)
    {
        client = client.counted(Rc::clone(tally));
    }
    let known = match &chain.end {
        End::Http(manager) => serve_http(gate, manager, (filters, info), client).await,
        End::Tcp(proxy) => {
            let proxy = Rc::clone(proxy);
            let mut served = std::pin::pin!(proxy.serve(filters, client, info, chain.drained(id)));
            let info = poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
            Known::Stream(Box::new(info))
        }
        End::Redis(proxy) => {
            let proxy = Rc::clone(proxy);
            let mut served = std::pin::pin!(proxy.serve(filters, client, info, chain.drained(id)));
            let info = poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
            Known::Stream(Box::new(info))
        }
        End::Thrift(proxy) => {
            let proxy = Rc::clone(proxy);
            let mut served = std::pin::pin!(proxy.serve(filters, client, info, chain.drained(id)));
            let info = poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
            Known::Stream(Box::new(info))
        }
        End::Filter(around) => {
            let drained = chain.drained(id);
            let served = connection::serve(around.clone(), filters, client, info, drained);
            let mut served = std::pin::pin!(served);
            let info = poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
            Known::Stream(Box::new(info))
        }
    };
    match (&gate.log, known) {
        (Some(log), Known::Stream(info)) => log.stream(*info),
        (Some(log), Known::Connection(connection)) => log.connection(connection),
        (None, _) => {}
    }
}

/// The filters before the connection manager, then that one.
async fn serve_http(
    gate: &Gate,
    manager: &Rc<ConnectionManager>,
    (mut filters, mut info): (Filters, StreamInfo),
    mut client: Client,
) -> Known {
    let worker = &gate.worker;
    let id = info.connection.id;
    let begun = filters.begin_and_open(&mut client, &mut info, &**worker);
    let begun = or_drained(gate, id, begun).await;
    let transport = match (client, begun) {
        (Client::Open(transport), Some(Ok(()))) => transport,
        (client, begun) => {
            let close = begun.and_then(Result::err).unwrap_or_default();
            let begin = info.connection.begin.unwrap_or(info.start);
            match client.is_open() {
                true => manager.count_refused_connection(),
                // What this side closes has a reason.
                false => manager.ended_in_handshake(begin, !close.reason.is_empty()),
            }
            info.downstream_local_close_reason = close.reason;
            return Known::Stream(Box::new(info));
        }
    };
    leave_to_streams(&mut info);
    let connection = Rc::clone(&info.connection);
    let logged = Rc::clone(&connection);
    let transport = if filters.see_data() {
        let services = Rc::clone(worker) as Rc<dyn WorkerServices>;
        let watching = Watching::new(filters, info, services);
        transport.watched(Box::new(watching))
    } else {
        if let Some(tally) = &connection.tally {
            tally.keep(&mut info);
        }
        transport
    };
    let mut served = std::pin::pin!(http1::serve(Rc::clone(manager), transport, connection));
    poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
    Known::Connection(logged)
}

/// What is known of a connection in the end.
enum Known {
    /// All that its filters know.
    Stream(Box<StreamInfo>),
    /// What its streams do not hold.
    Connection(Rc<ConnectionInfo>),
}

/// What filters have left on a connection is its streams'; of two objects of one name the later one counts.
fn leave_to_streams(info: &mut StreamInfo) {
    if info.filter_state().is_none_or(FilterState::is_empty) {
        return;
    }
    let mut left = std::mem::take(info.filter_state_mut());
    let connection = Rc::make_mut(&mut info.connection);
    left.put_before(connection.filter_state.take());
    connection.filter_state = Some(Arc::new(left));
}
