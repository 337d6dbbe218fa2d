//! The Redis proxy on one worker.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::client::Client;
use nuncio_tcp::filters::{Filters, Watching};
use nuncio_tcp::{Worker, connection};

use crate::config::RedisProxyConfig;
use crate::on_worker::OnWorker;
use crate::session::Session;
use crate::stats::ProxyStats;

/// A Redis proxy on one worker.
pub struct RedisProxy(OnWorker);

/// A connection that is counted.
struct Counted<'a>(&'a ProxyStats);

impl<'a> Counted<'a> {
    fn new(stats: &'a ProxyStats) -> Self {
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.inc();
        Counted(stats)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.downstream_cx_active.dec();
    }
}

impl RedisProxy {
    /// The worker's instance.
    pub fn new(config: Arc<RedisProxyConfig>, worker: Worker) -> Self {
        RedisProxy(OnWorker::new(config, worker))
    }

    /// Serves a connection to its end, or until `drained` is over. Gives what is known of it then.
    pub async fn serve(
        self: Rc<Self>,
        mut filters: Filters,
        mut client: Client,
        mut info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) -> StreamInfo {
        // Whatever comes of the handshake and says the filters before it, as in Envoy.
        let _counted = Counted::new(&self.0.stats);
        let services = Rc::clone(&self.0.worker.services);
        let begun = filters.begin_and_open(&mut client, &mut info, &*services);
        let mut drained = pin!(drained);
        let begun = tokio::select! {
            biased;
            () = &mut drained => return info,
            begun = begun => begun,
        };
        if let Err(close) = &begun {
            info.downstream_local_close_reason = close.reason.clone();
        }
        let Client::Open(mut transport) = client else {
            return info;
        };
        if let Err(close) = begun {
            connection::close(&self.0.worker, &mut transport, &close).await;
            return info;
        }
        // They live as long as the connection does.
        let _kept = if filters.see_data() {
            let connection = Rc::clone(&info.connection);
            let seen = StreamInfo::new(connection, services.wall(), services.now());
            transport = transport.watched(Box::new(Watching::new(filters, seen, services)));
            None
        } else {
            Some(filters)
        };
        let mut session = Session::new(&self.0, &mut transport, &info);
        let close = poll_fn(|cx| match drained.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.0.stats.downstream_cx_drain_close.inc();
                Poll::Ready(NetworkClose::default())
            }
            Poll::Pending => session.poll(cx),
        })
        .await;
        drop(session);
        info.downstream_local_close_reason = close.reason.clone();
        connection::close(&self.0.worker, &mut transport, &close).await;
        info
    }
}
