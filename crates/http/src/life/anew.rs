//! A request that begins anew: its stream ends and is logged, and the same head and body go through route and filters
//! once more, as another stream that the client does not see.
//!
//! Who wants it ends the flow with [`Stop::Anew`] before anything was answered, the whole request read; filters do on the
//! way down, by `LocalReply::anew`, of a response of a host or of our own. As in Envoy
//! what the connection manager makes of a request is not made twice, but its path and host are checked again; trailers
//! of the request are not sent again, and bytes of its body count again, unless the router answers before it has them. The route table stays the one of the first
//! stream. Different from Envoy: the limit of a filter that collects the body holds for the new stream too.

use std::pin::pin;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::AccessLogType;
use nuncio_contract::headers::MapKind;
use nuncio_contract::stream_info::Protocol;

use super::StreamEnd;
use crate::connection_manager::config::Terminal;
use crate::connection_manager::request;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, RequestBody, STREAM_DURATION, Stop};
use crate::filter_chain::Way;
use crate::router::Router;
use crate::stream::StreamRoute;

impl<D: Downstream> Exchange<'_, D> {
    /// Runs the request as another stream, and again as long as it is to begin anew; why the last one stopped.
    pub(super) async fn run_anew(&self, mut data: Buffer) -> Option<Stop> {
        loop {
            self.state.borrow_mut().info.response_code_details = Some("internal_redirect".into());
            self.finish(StreamEnd::Complete);
            self.renew();
            let raced = self.race(pin!(self.flow_anew(data))).await;
            match self.stop_of(raced) {
                Some(Stop::Anew(again)) => data = again,
                stop => return stop,
            }
        }
    }

    /// Makes the stream another one, of the same request.
    fn renew(&self) {
        let manager = self.manager;
        let stats = &manager.stats.http;
        stats.downstream_rq_total.inc();
        stats.downstream_rq_active.inc();
        self.account.borrow_mut().take();
        self.encoding_begun.set(false);
        self.is_request_cut.set(false);
        *self.body.borrow_mut() = RequestBody::default();
        let mut state = self.state.borrow_mut();
        match state.info.protocol {
            Some(Protocol::Http2) => stats.downstream_rq_http2_total.inc(),
            Some(Protocol::Http3) => stats.downstream_rq_http3_total.inc(),
            _ => stats.downstream_rq_http1_total.inc(),
        }
        state.response.reset(MapKind::Response);
        state.response_trailers.reset(MapKind::ResponseTrailers);
        state.info.begin_anew();
        state.operation = None;
        state.route = StreamRoute::none(std::rc::Rc::clone(&state.route.table));
        drop(state);
        if let Some(longest) = manager.config.timeouts.max_stream_duration {
            let end = manager.worker.now() + longest;
            self.deadlines.set(STREAM_DURATION, end);
        }
        self.renew_idle_timeout();
        self.touch_idle();
    }

    /// The connection manager's part: checks, route, filters.
    fn prepare_anew(&self) -> Result<(), Stop> {
        let manager = self.manager;
        let config = &manager.config;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let connection = std::rc::Rc::clone(&state.info.connection);
        let peer = request::Peer {
            is_tls: connection.tls.is_some(),
            remote: connection.remote_address.as_ref(),
            local: connection.local_address.as_ref(),
            direct_local: connection.direct_local_address.as_ref(),
        };
        let checked = request::check(&mut state.request, &config.request, &peer);
        manager.worker.find_route(state);
        checked.map_err(|refusal| self.refuse(refusal))?;
        if manager.tracer.is_some() {
            manager.begin_span(state);
        }
        self.limit_duration(state);
        self.create_filters(state);
        if config.log_moments.begin {
            manager.log(state, AccessLogType::DownstreamStart);
        }
        Ok(())
    }

    /// An answer that asks for no host is given by the head alone.
    fn forget_body_without_host(&self, bytes_before: u64) {
        let mut state = self.state.borrow_mut();
        // One that failed is forgotten as well.
        let is_asked_for = state.info.attempt_count.is_some_and(|tries| tries > 1);
        if state.info.upstream.chosen_host.is_none() && !is_asked_for {
            state.info.bytes_received = bytes_before;
        }
    }

    /// From the head to the complete response, with `data` for the whole body.
    async fn flow_anew(&self, data: Buffer) -> Result<(), Stop> {
        self.prepare_anew()?;
        let is_bare = data.is_empty();
        let bytes_before = self.state.borrow().info.bytes_received;
        let mut is_held = false;
        {
            let mut body = self.body.borrow_mut();
            body.done = is_bare;
            body.is_absent = is_bare;
        }
        if self.has_filters() {
            let up = self.run_filters(Way::Decode);
            // Who holds the head waits for the body, which is there.
            let _held_or_not = up.headers(0, is_bare).await?;
            is_held = self.state.borrow().filters.holds_headers(Way::Decode);
        }
        if !is_bare {
            self.take_again(data).await?;
        }
        if self.state.borrow().filters.holds_headers(Way::Decode) {
            self.read_until_released().await?;
        }
        match self.manager.terminal_of(self.upgrade_filters()) {
            Terminal::Router(config) => {
                let router = Router {
                    exchange: self,
                    config,
                };
                let done = Box::pin(router.run()).await;
                let is_own_answer = matches!(done, Err(Stop::Reply(_) | Stop::RouteReply(_)));
                if is_own_answer && !is_held {
                    self.forget_body_without_host(bytes_before);
                }
                done
            }
            Terminal::Service => Box::pin(self.serve()).await,
            Terminal::Nothing => std::future::pending().await,
        }
    }
}
