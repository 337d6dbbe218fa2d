//! Requests that come together and are answered without waiting for anything. Their answers would pile up before the
//! client reads the first, so Envoy lets two wait: the next request ends the connection, unanswered.

use std::pin::pin;

use nuncio_contract::stream_info::{Protocol, ResponseFlags};

use super::connection::{Close, Connection};
use crate::exchange::Exchange;
use crate::life::Start;

impl Connection {
    /// Ends the connection at a request that nobody looks at; it is logged and counted.
    #[cold]
    pub(super) async fn end_flood(&self) -> Close {
        self.begin_stream();
        let manager = &*self.manager;
        let mut state = manager.worker.begin_stream(&self.info, manager.routes());
        let info = &mut state.info;
        info.protocol = Some(Protocol::Http11);
        info.response_flags |= ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR;
        info.response_code_details = Some("codec_error:Too_many_responses_queued.".into());
        self.io.begin_refused();
        let exchange = Exchange::new(manager, &self.io, state, &self.deadlines);
        let _it_is_broken = pin!(exchange.run(Start::Unanswered)).await;
        manager.worker.end_stream(exchange.into_state());
        manager.stats.http1.response_flood.inc();
        let stats = &manager.stats.http;
        stats.downstream_cx_destroy_active_rq.inc();
        stats.downstream_cx_destroy_local_active_rq.inc();
        Close::Delayed
    }
}
