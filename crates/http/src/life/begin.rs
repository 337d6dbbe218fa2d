//! The begin of a request's life: the connection manager's checks and mutations, the route, the filters.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;

use crate::connection_manager::request;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Stop};
use crate::filter_chain::{FilterSlot, takes_part};
use crate::stream::StreamState;

impl<D: Downstream> Exchange<'_, D> {
    /// The connection manager's part: checks, mutations, route, filters.
    pub(super) fn prepare(&self) -> Result<(), Stop> {
        let manager = self.manager;
        let config = &manager.config;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        self.answer_expectation(&mut state.request);
        let connection = std::sync::Arc::clone(&state.info.connection);
        let peer = request::Peer {
            is_tls: connection.tls.is_some(),
            remote: connection.remote_address.as_ref(),
            local: connection.local_address.as_ref(),
        };
        request::check(&mut state.request, &config.request, &peer)
            .map_err(|refusal| self.refuse(refusal))?;
        for early in &config.early_mutations {
            early.mutate(&mut state.request, &state.info, &*manager.worker);
        }
        request::mutate(
            &mut state.request,
            &mut state.info,
            &config.request,
            &state.route.table.internal_only_headers,
            &peer,
            &*manager.worker,
        );
        state.find_route(manager.worker.random_u64());
        self.create_filters(state);
        if request::wants_tunnel(&state.request) && state.route.index.is_some() {
            manager.stats.http.downstream_rq_ws_on_non_ws_route.inc();
            self.down.close_after_response();
            return Err(Stop::Reply(Box::new(request::no_tunnel())));
        }
        self.touch_idle();
        Ok(())
    }

    fn create_filters(&self, state: &mut StreamState) {
        let levels = state.route.filter_levels();
        let is_on = |place: usize, slot: &FilterSlot| takes_part(&levels, place, slot.disabled);
        state.filters.create(
            &self.manager.filters,
            self.manager.config.buffer_limit_bytes,
            is_on,
        );
    }

    fn answer_expectation(&self, headers: &mut HeaderMap) {
        if request::take_expectation(headers, self.manager.config.proxy_100_continue) {
            let mut head = HeaderMap::response();
            head.set(Known::Status, b"100");
            self.charge(100);
            self.down.write_informational(&head);
        }
    }

    fn refuse(&self, refusal: request::Refusal) -> Stop {
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
            request::Refusal::NonRelativePath(reply) => {
                stats.downstream_rq_non_relative_path.inc();
                reply
            }
        };
        Stop::Reply(Box::new(reply))
    }
}
