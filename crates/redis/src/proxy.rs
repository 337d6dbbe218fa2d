//! The Redis proxy on one worker.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::client::Client;
use nuncio_tcp::filters::Filters;
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
        filters: Filters,
        client: Client,
        mut info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) -> StreamInfo {
        // Whatever comes of the handshake and says the filters before it, as in Envoy.
        let _counted = Counted::new(&self.0.stats);
        let mut drained = pin!(drained);
        let worker = &self.0.worker;
        let opened = connection::open(worker, filters, client, &mut info, drained.as_mut()).await;
        let Some((mut transport, _kept)) = opened else {
            return info;
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
        connection::close(worker, &mut transport, &close).await;
        info
    }
}
