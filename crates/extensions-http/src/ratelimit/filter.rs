//! What the rate limit filter does to a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::rate_limit::{Asked, Descriptor};
use nuncio_contract::service_values::fields_of;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_contract::stream_info::{ClusterDescription, ResponseFlags};
use nuncio_service_messages::Message;
use nuncio_service_messages::rate_limit::{Code, RateLimitResponse, SHOULD_RATE_LIMIT};

use super::config::{ChainConfig, Level, RequestType, Settings, TOO_MANY_REQUESTS};
use super::service;
use crate::cluster_verdicts::{ClusterVerdicts, prefix};

struct Worker {
    settings: Arc<Settings>,
    stats: ClusterVerdicts,
    service_cluster: Box<str>,
}

struct Factory(Rc<Worker>);

/// Headers that a response is given.
type Given = Rc<RefCell<Vec<(HeaderName, Vec<u8>)>>>;

/// A stream's.
struct Filter {
    worker: Rc<Worker>,
    given: Given,
}

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        Box::new(Factory(Rc::new(Worker {
            settings: Arc::clone(&self.0),
            stats: ClusterVerdicts::new(context, prefix("ratelimit", &self.0.stat_prefix)),
            service_cluster: context.service_cluster.into(),
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            given: Given::default(),
        })
    }
}

impl HttpFilter for Filter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let settings = &*self.worker.settings;
        if !settings.is_enabled(|| context.services.random_u64()) {
            return HeadersStatus::Continue;
        }
        let internal = context.request_headers.get(Known::XEnvoyInternal) == Some(b"true");
        let is_counted = match settings.request_type {
            RequestType::Both => true,
            RequestType::Internal => internal,
            RequestType::External => !internal,
        };
        let Some(cluster) = context.stream_info.upstream_cluster.clone() else {
            return HeadersStatus::Continue;
        };
        let descriptors = match is_counted {
            true => self.worker.describe(context),
            false => Vec::new(),
        };
        match descriptors.is_empty() {
            true => HeadersStatus::Continue,
            false => HeadersStatus::Wait(self.ask(context, descriptors, cluster)),
        }
    }

    fn encode_headers(
        &mut self,
        _context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        _end_stream: bool,
    ) -> HeadersStatus {
        service::append(&self.given.borrow(), response);
        HeadersStatus::Continue
    }
}

/// What the service said.
type Answer = Result<RateLimitResponse, GrpcEnd>;

impl Filter {
    fn ask(
        &self,
        context: &FilterContext<'_>,
        descriptors: Vec<Descriptor>,
        cluster: Rc<ClusterDescription>,
    ) -> LocalFuture<Resume> {
        let settings = &*self.worker.settings;
        let tells = descriptors.iter().find_map(|it| it.tells_of_limit);
        let level = context.route.most_specific::<Level>();
        let domain = level.and_then(|level| level.domain.as_deref());
        let message = service::request(domain.unwrap_or(&settings.domain), descriptors);
        let mut of = FormatContext::new(context.stream_info, context.services);
        of.request_headers = Some(context.request_headers);
        let call = context.services.calls().map(|calls| {
            let timeout = Some(settings.timeout).filter(|timeout| !timeout.is_zero());
            let target = &settings.target;
            target.unary(&*calls, SHOULD_RATE_LIMIT, &message, timeout, Some(&of))
        });
        let concluding = Concluding {
            worker: Rc::clone(&self.worker),
            given: Rc::clone(&self.given),
            cluster,
            tells_of_limit: tells.unwrap_or(settings.tells_of_limit),
        };
        Box::pin(async move {
            let answer = match call {
                Some(call) => call.await.and_then(|message| {
                    RateLimitResponse::decode(&*message)
                        .map_err(|error| GrpcEnd::new(13, error.to_string()))
                }),
                None => Err(GrpcEnd::new(14, "")),
            };
            Resume::Then(Box::new(Applied(Box::new(move |context| {
                concluding.conclude(answer, context)
            }))))
        })
    }
}

impl Worker {
    fn describe(&self, context: &FilterContext<'_>) -> Vec<Descriptor> {
        let asked = Asked {
            request: context.request_headers,
            info: context.stream_info,
            service_cluster: &self.service_cluster,
            destination: context.route.cluster_name(),
            services: context.services,
        };
        let level = context.route.most_specific::<Level>();
        let of_route = context.route.rate_limits();
        self.settings.describe(level, &asked, &of_route)
    }
}

/// What is needed once the service has spoken.
struct Concluding {
    worker: Rc<Worker>,
    given: Given,
    cluster: Rc<ClusterDescription>,
    tells_of_limit: bool,
}

impl Concluding {
    fn conclude(self, answer: Answer, context: &mut FilterContext<'_>) -> Option<Box<LocalReply>> {
        let stats = &self.worker.stats;
        let Ok(answer) = answer else {
            stats.count(&self.cluster, "error");
            return self.fail(context);
        };
        if let Some(fields) = answer.dynamic_metadata.clone().map(fields_of) {
            self.take_metadata(fields, context);
        }
        let mut given = service::headers(&answer.response_headers_to_add);
        let is_over = answer.overall_code() == Code::OverLimit;
        stats.count(&self.cluster, if is_over { "over_limit" } else { "ok" });
        let settings = &*self.worker.settings;
        if is_over {
            stats.charge(&self.cluster, settings.status);
            if settings.tells_that_limited {
                given.push((HeaderName::from(Known::XEnvoyRatelimited), b"true".to_vec()));
            }
        }
        if self.tells_of_limit {
            given.extend(service::limit_headers(&answer.statuses));
        }
        if is_over && settings.is_enforced(|| context.services.random_u64()) {
            if settings.tells_when_again && settings.status == TOO_MANY_REQUESTS {
                service::tell_when_again(&answer.statuses, &mut given);
            }
            let details = "request_rate_limited";
            let reply = LocalReply::new(settings.status, answer.raw_body, details);
            let mut reply = reply.with_flags(ResponseFlags::RATE_LIMITED);
            reply.headers = given;
            reply.repeats_names = true;
            reply.grpc_status = settings.grpc_status;
            reply.mutations.clone_from(&settings.response_headers);
            return Some(Box::new(reply));
        }
        *self.given.borrow_mut() = given;
        let added = service::headers(&answer.request_headers_to_add);
        service::append(&added, context.request_headers);
        None
    }

    fn fail(&self, context: &FilterContext<'_>) -> Option<Box<LocalReply>> {
        let settings = &*self.worker.settings;
        if !settings.denies_on_error(|| context.services.random_u64()) {
            self.worker
                .stats
                .count(&self.cluster, "failure_mode_allowed");
            return None;
        }
        let reply = LocalReply::new(
            settings.status_on_error,
            b"".as_slice(),
            "rate_limiter_error",
        );
        Some(Box::new(
            reply.with_flags(ResponseFlags::RATE_LIMIT_SERVICE_ERROR),
        ))
    }

    fn take_metadata(&self, fields: Struct, context: &mut FilterContext<'_>) {
        let namespace = &self.worker.settings.namespace;
        let all = context.stream_info.dynamic_metadata_mut();
        all.merge(namespace, fields);
    }
}
