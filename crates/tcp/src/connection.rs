//! A connection whose last filter is a room's: nothing but filters.
//!
//! A client that is to read what was written before the end has a second for it: more of what it sends is thrown away
//! meanwhile, as a socket that is closed with bytes unread resets the connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::network_filter::{NetworkClose, NetworkContext};
use nuncio_contract::stream_info::StreamInfo;
use nuncio_net::transport::Transport;

use crate::Worker;
use crate::client::Client;
use crate::filters::{Filters, Told, Watching, wait_for, write_all};

/// What Envoy waits for a client to close, of connections that carry no HTTP.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Serves a connection until a filter or the client ends it, or `drained` is over. Gives what is known of it then.
pub async fn serve(
    worker: Worker,
    mut filters: Filters,
    mut client: Client,
    mut info: StreamInfo,
    drained: impl Future<Output = ()>,
) -> StreamInfo {
    let served = async {
        let end = run(&worker, &mut filters, &mut client, &mut info).await;
        info.downstream_local_close_reason = end.reason.clone();
        if let Some(transport) = client.transport() {
            close(&worker, transport, &end).await;
        }
    };
    tokio::select! {
        biased;
        () = drained => {}
        () = served => {}
    }
    info
}

/// Opens a connection for a proxy of its own protocol: the filters before it begin, and watch what the client sends where
/// they care; those that do not are to live as long as the connection. None if it ended meanwhile, which `info` tells.
pub async fn open(
    worker: &Worker,
    mut filters: Filters,
    mut client: Client,
    info: &mut StreamInfo,
    drained: Pin<&mut impl Future<Output = ()>>,
) -> Option<(Transport, Option<Filters>)> {
    let services = Rc::clone(&worker.services);
    let begun = filters.begin_and_open(&mut client, info, &*services);
    let begun = tokio::select! {
        biased;
        () = drained => return None,
        begun = begun => begun,
    };
    if let Err(close) = &begun {
        info.downstream_local_close_reason = close.reason.clone();
    }
    let Client::Open(mut transport) = client else {
        return None;
    };
    if let Err(end) = begun {
        close(worker, &mut transport, &end).await;
        return None;
    }
    if !filters.see_data() {
        return Some((transport, Some(filters)));
    }
    let connection = Rc::clone(&info.connection);
    let seen = StreamInfo::new(connection, services.wall(), services.now());
    let watching = Watching::new(filters, seen, services);
    Some((transport.watched(Box::new(watching)), None))
}

async fn run(
    worker: &Worker,
    filters: &mut Filters,
    client: &mut Client,
    info: &mut StreamInfo,
) -> NetworkClose {
    if filters.is_empty() {
        return NetworkClose::default();
    }
    let services = &*worker.services;
    if let Err(close) = filters.begin_and_open(client, info, services).await {
        return close;
    }
    let Some(transport) = client.transport() else {
        return NetworkClose::default();
    };
    let mut data = Buffer::new();
    loop {
        let read = poll_fn(|cx| transport.poll_fill(cx, &mut data, Buffer::HEAD_BYTES)).await;
        let Ok(count) = read else {
            return NetworkClose::default();
        };
        let mut next = Some(0);
        while let Some(from) = next.take() {
            let mut out = Vec::new();
            let told = filters.data(
                from,
                data.readable(),
                count == 0,
                &mut NetworkContext {
                    stream_info: info,
                    out: &mut out,
                    services,
                },
            );
            if let Err(close) = write_all(transport, &out).await {
                return close;
            }
            match told {
                Told::Close(close) => return close,
                Told::Done(_) => {}
                // Filters that shape are before the TCP proxy alone.
                Told::Shape(..) => return NetworkClose::default(),
                Told::Wait(wait, place) => match wait_for(wait.await, info, services) {
                    Ok(()) => next = Some(place),
                    Err(close) => return close,
                },
            }
        }
        data.clear();
        if count == 0 {
            return NetworkClose::default();
        }
    }
}

/// Closes a connection as a filter wants it.
pub async fn close(worker: &Worker, transport: &mut Transport, how: &NetworkClose) {
    if how.resets {
        transport.reset_on_close();
    }
    if !how.flushes || poll_fn(|cx| transport.poll_shutdown(cx)).await.is_err() {
        return;
    }
    let mut over = worker.services.sleep(FLUSH_TIME);
    let mut unwanted = Buffer::new();
    poll_fn(|cx| {
        loop {
            if over.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            match transport.poll_fill(cx, &mut unwanted, Buffer::HEAD_BYTES) {
                std::task::Poll::Ready(Ok(1..)) => unwanted.clear(),
                std::task::Poll::Ready(_) => return std::task::Poll::Ready(()),
                std::task::Poll::Pending => return std::task::Poll::Pending,
            }
        }
    })
    .await;
}
