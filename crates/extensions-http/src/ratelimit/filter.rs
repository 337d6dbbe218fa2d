//! What the rate limit filter does to a stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::call_span::CallSpan;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::grpc_client::GrpcEnd;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    Applied, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::rate_limit::{Asked, Descriptor, HITS_ADDEND, Moment};
use nuncio_contract::service_values::fields_of;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_contract::stream_info::{ClusterDescription, ResponseFlags, StreamInfo};
use nuncio_service_messages::Message;
use nuncio_service_messages::rate_limit::{Code, RateLimitResponse, SHOULD_RATE_LIMIT};

use super::config::{ChainConfig, KeptLimits, Level, RequestType, Settings, TOO_MANY_REQUESTS};
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
    /// What is counted once the stream is over.
    done: Option<Box<Done>>,
    /// Whether the service has not spoken yet; a stream that ends meanwhile is not counted at its end.
    is_asking: Rc<Cell<bool>>,
}

/// What a stream's end is counted by.
struct Done {
    limits: KeptLimits,
    domain: Option<Box<str>>,
    destination: Option<Box<[u8]>>,
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
            log: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(Filter {
            worker: Rc::clone(&self.0),
            given: Given::default(),
            done: None,
            is_asking: Rc::default(),
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
        if !is_counted {
            return HeadersStatus::Continue;
        }
        let descriptors = self.describe(context);
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

    fn on_log(&mut self, context: &FormatContext<'_>) {
        match self.done.take() {
            Some(done) if !self.is_asking.get() => self.worker.report(&done, context),
            _ => {}
        }
    }
}

/// What the service said.
type Answer = Result<RateLimitResponse, GrpcEnd>;

impl Filter {
    /// What the request is counted by; keeps what its end will be.
    fn describe(&mut self, context: &FilterContext<'_>) -> Vec<Descriptor> {
        let level = context.route.most_specific::<Level>();
        let of_route = context.route.rate_limits();
        let limits = self.worker.settings.limits(level, &of_route);
        let destination = context.route.cluster_name();
        self.done = limits.kept_for_done().map(|limits| {
            Box::new(Done {
                limits,
                domain: level.and_then(|level| level.domain.clone()),
                destination: destination.map(Into::into),
            })
        });
        let asked = Asked {
            request: context.request_headers,
            response: None,
            info: context.stream_info,
            service_cluster: &self.worker.service_cluster,
            destination,
            services: context.services,
        };
        limits.describe(Moment::Request, &asked)
    }

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
        let domain = domain.unwrap_or(&settings.domain);
        let message = service::request(domain, descriptors, hits(context.stream_info));
        let mut of = FormatContext::new(context.stream_info, context.services);
        of.request_headers = Some(context.request_headers);
        let call = context.services.calls().map(|calls| {
            let timeout = Some(settings.timeout).filter(|timeout| !timeout.is_zero());
            let target = &settings.target;
            target.unary_with_span(&*calls, SHOULD_RATE_LIMIT, &message, timeout, Some(&of))
        });
        let concluding = Concluding {
            worker: Rc::clone(&self.worker),
            given: Rc::clone(&self.given),
            cluster,
            tells_of_limit: tells.unwrap_or(settings.tells_of_limit),
        };
        let is_asking = Rc::clone(&self.is_asking);
        is_asking.set(true);
        Box::pin(async move {
            let answer = match call {
                Some(call) => {
                    let (answer, span) = call.await;
                    let answer = answer.and_then(|message| {
                        RateLimitResponse::decode(&*message)
                            .map_err(|error| GrpcEnd::new(13, error.to_string()))
                    });
                    if let Some(span) = span {
                        end_span(span, &answer);
                    }
                    answer
                }
                None => Err(GrpcEnd::new(14, "")),
            };
            is_asking.set(false);
            Resume::Then(Box::new(Applied(Box::new(move |context| {
                concluding.conclude(answer, context)
            }))))
        })
    }
}

/// Says what the service has said, if it has said anything.
fn end_span(mut span: CallSpan, answer: &Answer) {
    if let Ok(answer) = answer {
        let is_over = answer.overall_code() == Code::OverLimit;
        span.set_tag(
            "ratelimit_status",
            if is_over { "over_limit" } else { "ok" },
        );
    }
    span.end();
}

/// How many hits filters have said that a stream stands for; 0 if none has.
fn hits(info: &StreamInfo) -> u32 {
    let said = info
        .object(HITS_ADDEND)
        .and_then(|it| it.serialize_as_string());
    said.and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Worker {
    /// Tells the service of a stream that is over; what it answers changes nothing.
    fn report(&self, done: &Done, context: &FormatContext<'_>) {
        let (Some(request), Some(calls)) = (context.request_headers, context.services.calls())
        else {
            return;
        };
        let descriptors = done.limits.describe(&Asked {
            request,
            response: context.response_headers,
            info: context.stream_info,
            service_cluster: &self.service_cluster,
            destination: done.destination.as_deref(),
            services: context.services,
        });
        if descriptors.is_empty() {
            return;
        }
        let settings = &*self.settings;
        let domain = done.domain.as_deref().unwrap_or(&settings.domain);
        let message = service::request(domain, descriptors, hits(context.stream_info));
        let timeout = Some(settings.timeout).filter(|timeout| !timeout.is_zero());
        let target = &settings.target;
        let call = target.unary(&*calls, SHOULD_RATE_LIMIT, &message, timeout, Some(context));
        calls.spawn(Box::pin(async move {
            let _what_is_said_of_a_stream_that_is_over_changes_nothing = call.await;
        }));
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
