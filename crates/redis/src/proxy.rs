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

/// A Redis proxy on one worker.
pub struct RedisProxy(OnWorker);

impl RedisProxy {
    /// The worker's instance.
    pub fn new(config: Arc<RedisProxyConfig>, worker: Worker) -> Self {
        RedisProxy(OnWorker::new(config, worker))
    }

    /// Serves a connection to its end, or until `drained` is over.
    pub async fn serve(
        self: Rc<Self>,
        mut filters: Filters,
        mut client: Client,
        mut info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) {
        let services = Rc::clone(&self.0.worker.services);
        let begun = filters.begin_and_open(&mut client, &mut info, &*services);
        let begun = begun.await;
        let Client::Open(mut transport) = client else {
            return;
        };
        if let Err(close) = begun {
            return connection::close(&self.0.worker, &mut transport, &close).await;
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
        let mut session = Session::new(&self.0, &mut transport, info);
        let close = {
            let mut drained = pin!(drained);
            poll_fn(|cx| match drained.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    self.0.stats.downstream_cx_drain_close.inc();
                    Poll::Ready(NetworkClose::default())
                }
                Poll::Pending => session.poll(cx),
            })
            .await
        };
        drop(session);
        connection::close(&self.0.worker, &mut transport, &close).await;
    }
}
