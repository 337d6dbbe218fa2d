//! The Thrift proxy on one worker.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_tcp::client::Client;
use nuncio_tcp::filters::{Filters, Watching};
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
        mut filters: Filters,
        mut client: Client,
        mut info: StreamInfo,
        drained: impl Future<Output = ()>,
    ) -> StreamInfo {
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
                session.cut_short(false);
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
