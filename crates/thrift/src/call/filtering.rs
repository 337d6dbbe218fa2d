//! What the filters see of a call, and whether it may go.

use std::future::{pending, ready};
use std::sync::Arc;

use nuncio_codec::thrift::{AppException, ExceptionKind, MessageKind, values_of};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::ResponseFlags;

use super::{Call, Stage};
use crate::cluster_stats::ClusterStats;
use crate::exchange::{Answer, Failure, Payload};
use crate::filters::{self, Filter, RateLimit, Verdict};

impl Call<'_> {
    /// Shows the filters what a call holds. As in Envoy only that of calls whose payloads go on unread.
    pub(super) fn show_values(&mut self, payload: &Payload) {
        let filters = &self.proxy.config.chain.filters;
        let (Payload::Unread(bytes), Some(told)) = (payload, &self.told) else {
            return;
        };
        if !filters::want_values(filters, &told.head.method) {
            return;
        }
        // What cannot be read has no fields.
        let values = values_of(told.speaks.1, bytes).unwrap_or_else(|| vec![0]);
        filters::see_values(filters, &told.head.method, &values, &mut self.info);
    }

    /// Goes through the filters from here on, and to its host.
    pub(super) fn filter(&mut self, from: usize, payload: Payload) {
        let config = &self.proxy.config;
        let filters = config.chain.filters.iter().enumerate().skip(from);
        for (place, filter) in filters {
            let Filter::RateLimit(limit) = filter else {
                continue;
            };
            if let Some(verdict) = self.limit(limit) {
                self.stage = Stage::Asks {
                    verdict,
                    filter: place,
                    payload,
                };
                return;
            }
        }
        let broken = match &payload {
            Payload::Broken(error) => Some(error.clone()),
            Payload::Values(_) | Payload::Unread(_) => None,
        };
        let answer = match config.chain.has_router {
            true => self.forward(payload),
            false => self.keep(payload),
        };
        self.stage = Stage::Waits(answer, broken);
    }

    /// What becomes of a call where no router takes it: nobody answers, and it is over with its connection. Calls that
    /// want no answer are over at once, those that cannot be read are told so.
    fn keep(&mut self, payload: Payload) -> LocalFuture<Result<Option<Answer>, Failure>> {
        let kind = self.told.as_ref().map(|told| told.head.kind);
        match payload {
            Payload::Broken(error) => return Box::pin(ready(Err(Failure::Unread(error)))),
            Payload::Unread(_) => self.proxy.stats.request_passthrough.inc(),
            Payload::Values(_) => {}
        }
        self.progress.is_sent.set(true);
        match kind {
            Some(MessageKind::Call) => Box::pin(pending()),
            _ => Box::pin(ready(Ok(None))),
        }
    }

    fn limit(&self, limit: &Arc<RateLimit>) -> Option<LocalFuture<Verdict>> {
        let (told, config) = (self.told.as_ref()?, &self.proxy.config);
        let choice = told.choice.as_ref()?;
        let route = config.routes.route(choice)?;
        let services = &*self.proxy.worker.services;
        limit.ask(
            route,
            (&told.head, &choice.cluster),
            &self.info,
            (services, &config.service_cluster),
        )
    }

    /// The exception of a call that may not go, by the verdict on it.
    pub(super) fn judge(&mut self, filter: usize, verdict: Verdict) -> Option<AppException> {
        let limit = match self.proxy.config.chain.filters.get(filter) {
            Some(Filter::RateLimit(limit)) => limit,
            _ => return None,
        };
        let choice = self.told.as_ref().and_then(|told| told.choice.as_ref());
        let cluster = choice.and_then(|choice| self.cluster(choice));
        let stats = cluster.map(|cluster| ClusterStats::of(&cluster));
        let count = |count: fn(&ClusterStats)| {
            if let Some(stats) = &stats {
                count(stats);
            }
        };
        let services = &*self.proxy.worker.services;
        let exception = |text| Some(AppException::new(ExceptionKind::InternalError, text));
        match verdict {
            Verdict::Ok => count(ClusterStats::rate_limit_ok),
            Verdict::OverLimit => {
                count(ClusterStats::rate_limit_over_limit);
                if limit.is_enforced(services) {
                    self.info.response_flags |= ResponseFlags::RATE_LIMITED;
                    return exception("over limit");
                }
            }
            Verdict::Error => {
                count(ClusterStats::rate_limit_error);
                if limit.denies_on_error {
                    self.info.response_flags |= ResponseFlags::RATE_LIMIT_SERVICE_ERROR;
                    return exception("limiter error");
                }
                count(ClusterStats::rate_limit_failure_mode_allowed);
            }
        }
        None
    }
}
