//! What the filters see of a call, and whether it may go.

use std::sync::Arc;

use nuncio_codec::thrift::{AppException, ExceptionKind, values_of};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::ResponseFlags;

use super::{Call, Stage};
use crate::exchange::Payload;
use crate::filters::{self, Filter, RateLimit, Verdict};

impl Call<'_> {
    /// Shows the filters what a call holds. As in Envoy only that of calls whose payloads go on unread.
    pub(super) fn show_values(&mut self, payload: &Payload) {
        let filters = &self.proxy.config.filters;
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
        let filters = config.filters.iter().enumerate().skip(from);
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
        self.stage = Stage::Waits(self.forward(payload), broken);
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
        let limit = match self.proxy.config.filters.get(filter) {
            Some(Filter::RateLimit(limit)) => limit,
            _ => return None,
        };
        let choice = self.told.as_ref().and_then(|told| told.choice.as_ref());
        let cluster = choice.and_then(|choice| self.cluster(choice));
        let count = |name: &str| {
            if let Some(cluster) = &cluster {
                let scope = cluster.shared().scope();
                scope.counter(&format!("ratelimit.{name}")).inc();
            }
        };
        let services = &*self.proxy.worker.services;
        let exception = |text| Some(AppException::new(ExceptionKind::InternalError, text));
        match verdict {
            Verdict::Ok => count("ok"),
            Verdict::OverLimit => {
                count("over_limit");
                if limit.is_enforced(services) {
                    self.info.response_flags |= ResponseFlags::RATE_LIMITED;
                    return exception("over limit");
                }
            }
            Verdict::Error => {
                count("error");
                if limit.denies_on_error {
                    self.info.response_flags |= ResponseFlags::RATE_LIMIT_SERVICE_ERROR;
                    return exception("limiter error");
                }
                count("failure_mode_allowed");
            }
        }
        None
    }
}
