//! The Thrift proxy on one worker.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::client::Client;
use nuncio_tcp::filters::Filters;
use nuncio_tcp::proxy::Drains;
use nuncio_tcp::{Worker, connection};

use crate::config::ThriftProxyConfig;
use crate::on_worker::OnWorker;
use crate::session::Session;

/// A Thrift proxy on one worker.
pub struct ThriftProxy(OnWorker);

impl ThriftProxy {
    /// The worker's instance.
    pub fn new(config: Arc<ThriftProxyConfig>, worker: Worker, drains: Drains) -> Self {
        ThriftProxy(OnWorker::new(config, worker, drains))
    }

    /// Serves a connection to its end, or until `drained` is over. Gives what is known of it then.
    pub async fn serve(
        self: Rc<Self>,
        filters: Filters,
        client: Client,
        mut info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) -> StreamInfo {
        let mut drained = pin!(drained);
        let worker = &self.0.worker;
        let opened = connection::open(worker, filters, client, &mut info, drained.as_mut()).await;
        let Some((mut transport, _kept)) = opened else {
            return info;
        };
        let mut session = Session::new(&self.0, &mut transport, &info);
        let close = poll_fn(|cx| match drained.as_mut().poll(cx) {
            Poll::Ready(()) => {
                session.cut_short(false);
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
