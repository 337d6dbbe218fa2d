//! The begin of a request's life: the connection manager's checks and mutations, the route, the filters.

use nuncio_contract::formatter::AccessLogType;
use nuncio_contract::headers::{HeaderMap, Known};

use crate::connection_manager::request;
use crate::connection_manager::upgrades::{self, Verdict};
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Stop, Tunnel};
use crate::filter_chain::{FilterSlot, takes_part};
use crate::stream::StreamState;

impl<D: Downstream> Exchange<'_, D> {
    /// The connection manager's part: checks, mutations, route, filters.
    pub(super) fn prepare(&self) -> Result<(), Stop> {
        let manager = self.manager;
        let config = &manager.config;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Some(overload) = &manager.overload
            && let Some(reply) = manager.shed_request(overload)
        {
            // Without filters: what is too much is to cost little.
            state.filters.create(&[], &mut state.info, 0, |_, _| false);
            return Err(Stop::Reply(Box::new(reply)));
        }
        self.answer_expectation(state);
        let connection = std::rc::Rc::clone(&state.info.connection);
        let peer = request::Peer {
            is_tls: connection.tls.is_some(),
            remote: connection.remote_address.as_ref(),
            local: connection.local_address.as_ref(),
            direct_local: connection.direct_local_address.as_ref(),
        };
        request::check(&mut state.request, &config.request, &peer).map_err(|refusal| {
            // The route that it would have had has its part in the answer and in the log.
            manager.worker.find_route(state);
            state.info.refused_early = true;
            self.refuse(refusal)
        })?;
        for early in &config.early_mutations {
            early.mutate(&mut state.request, &state.info, &*manager.worker);
        }
        state.route.choose_scope(&state.request);
        request::mutate(
            &mut state.request,
            &mut state.info,
            &config.request,
            &state.route.table.internal_only_headers,
            &peer,
            &*manager.worker,
        )
        .map_err(|reply| {
            manager.worker.find_route(state);
            state.info.refused_early = true;
            self.refuse(request::Refusal::NoAddress(reply))
        })?;
        manager.worker.find_route(state);
        if let Some(tracing) = &config.tracing {
            manager.trace(tracing, state);
        }
        self.limit_duration(state);
        let verdict =
            upgrades::asked(&state.request).map(|kind| config.judge_upgrade(kind, &state.route));
        if let Some(Verdict::Allowed(filters)) = verdict {
            manager.stats.http.downstream_cx_upgrades_total.inc();
            manager.stats.http.downstream_cx_upgrades_active.inc();
            self.tunnel
                .set(Some(Tunnel::asked_by(&state.request, filters)));
        }
        self.create_filters(state);
        if config.log_moments.begin {
            manager.log(state, AccessLogType::DownstreamStart);
        }
        if verdict == Some(Verdict::Forbidden) && state.route.index.is_some() {
            manager.stats.http.downstream_rq_ws_on_non_ws_route.inc();
            self.down.close_after_response();
            if D::TELLS_OF_RESETS {
                self.down.drain();
            }
            return Err(Stop::Reply(Box::new(request::no_tunnel())));
        }
        self.touch_idle();
        Ok(())
    }

    /// Makes the filters that take part in the stream.
    pub(super) fn create_filters(&self, state: &mut StreamState) {
        let levels = state.route.filter_levels();
        let is_on = |place: usize, slot: &FilterSlot| takes_part(&levels, place, slot.disabled);
        state.filters.create(
            self.manager.filters_of(self.upgrade_filters()),
            &mut state.info,
            self.manager.config.buffer_limit_bytes,
            is_on,
        );
        if !state.filters.is_empty() {
            state.note_grpc();
        }
    }

    fn answer_expectation(&self, state: &mut StreamState) {
        let is_left_to_upstream = self.manager.config.proxy_100_continue;
        if request::take_expectation(&mut state.request, is_left_to_upstream) {
            let mut head = HeaderMap::response();
            head.set(Known::Status, b"100");
            state.info.response_code = Some(100);
            if self.manager.config.tracing.is_some() {
                self.charge_tracing(&state.info);
            }
            self.charge(100);
            self.down.write_informational(&head);
        }
    }

    pub(super) fn refuse(&self, refusal: request::Refusal) -> Stop {
        let stats = &self.manager.stats.http;
        let reply = match refusal {
            request::Refusal::Reply(reply) => reply,
            request::Refusal::PathNormalization(reply) => {
                stats.downstream_rq_failed_path_normalization.inc();
                reply
            }
            request::Refusal::Redirect(reply) => {
                stats.downstream_rq_redirected_with_normalized_path.inc();
                reply
            }
            request::Refusal::NoAddress(reply) => {
                stats.downstream_rq_rejected_via_ip_detection.inc();
                reply
            }
            request::Refusal::NonRelativePath(reply) => {
                stats.downstream_rq_non_relative_path.inc();
                reply
            }
        };
        Stop::Reply(Box::new(reply))
    }
}
