//! A call of a client: from the first byte of its frame to its answer, and to the access log.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use nuncio_codec::thrift::{
    AppException, DecodeError, ExceptionKind, Head, MessageKind, Protocol, ReplyKind, Transport,
    values_of,
};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::metadata::{Struct, Value};
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::{PickContext, UpstreamErrorKind, WorkerCluster};

use crate::cluster_stats::ClusterStats;
use crate::exchange::{Answer, Asked, Failure, Payload, Progress, ask, spoken, strict};
use crate::filters::{self, Filter, RateLimit, Verdict};
use crate::on_worker::OnWorker;
use crate::reply::{self, Spoken};
use crate::routes::Choice;

/// Where Envoy tells of calls in their metadata.
const NAMESPACE: &str = "thrift.proxy";

/// A call.
pub(crate) struct Call<'a> {
    proxy: &'a OnWorker,
    info: StreamInfo,
    progress: Rc<Progress>,
    told: Option<Told>,
    stage: Stage,
    /// Whether it was counted as a call that has come whole.
    is_counted: bool,
    /// Whether a service was asked about it: Envoy shows it as one whose payload could not be taken unread then.
    was_asked_about: bool,
    /// How large its payload was.
    pub(crate) payload_bytes: usize,
}

/// What is known of a call once its head is there.
struct Told {
    speaks: Spoken,
    head: Head,
    choice: Option<Choice>,
    /// Whether its payload could be taken unread, as logs show it.
    is_passable: bool,
    /// What its client was told.
    response: Option<(MessageKind, Option<ReplyKind>, Spoken)>,
}

enum Stage {
    /// Some of it is missing.
    Receives,
    /// A service is asked; the filters behind that are asked next.
    Asks {
        verdict: LocalFuture<Verdict>,
        filter: usize,
        payload: Payload,
    },
    /// Its host has it.
    Waits(
        LocalFuture<Result<Option<Answer>, Failure>>,
        Option<DecodeError>,
    ),
    Over,
}

/// What becomes of a call, and of its connection.
#[derive(Default)]
pub(crate) struct Done {
    /// What the client is told.
    pub(crate) bytes: Vec<u8>,
    /// Whether its connection is closed then.
    pub(crate) closes: bool,
    /// Whether the call counts as one that was cut short by that.
    pub(crate) is_cut_short: bool,
}

impl<'a> Call<'a> {
    /// A call whose frame begins.
    pub(crate) fn new(proxy: &'a OnWorker, of: &StreamInfo) -> Self {
        let services = &proxy.worker.services;
        let connection = Rc::clone(&of.connection);
        proxy.stats.request_active.inc();
        Call {
            proxy,
            info: StreamInfo::new(connection, services.wall(), services.now()),
            progress: Rc::default(),
            told: None,
            stage: Stage::Receives,
            is_counted: false,
            was_asked_about: false,
            payload_bytes: 0,
        }
    }

    /// Its head is there; whether its payload is to be taken unread.
    pub(crate) fn begin(&mut self, mut head: Head, speaks: Spoken) -> bool {
        let config = &self.proxy.config;
        filters::see_head(&config.filters, &mut head, &mut self.info);
        let random = self.proxy.worker.services.random_u64();
        let choice = config.routes.choose(&head, random);
        let cluster = choice.as_ref().and_then(|it| self.cluster(it));
        let can_pass = cluster.is_some_and(|cluster| can_pass(speaks, spoken(&cluster, speaks)));
        self.told = Some(Told {
            speaks,
            head,
            choice,
            is_passable: false,
            response: None,
        });
        config.passes_payload && can_pass
    }

    fn cluster(&self, choice: &Choice) -> Option<Rc<WorkerCluster>> {
        let worker = &self.proxy.worker;
        let id = choice.id.or_else(|| worker.manager.find(&choice.cluster))?;
        worker.clusters.get(id)
    }

    /// Whether the client wants no answer, and all of the call is there.
    pub(crate) fn is_oneway_under_way(&self) -> bool {
        let kind = self.told.as_ref().map(|told| told.head.kind);
        kind == Some(MessageKind::Oneway) && !matches!(self.stage, Stage::Receives)
    }

    /// It is there whole, or as far as it can be understood.
    pub(crate) fn start(&mut self, payload: Payload) {
        self.payload_bytes = match &payload {
            Payload::Values(bytes) | Payload::Unread(bytes) => bytes.len(),
            Payload::Broken(_) => 0,
        };
        self.show_values(&payload);
        self.filter(0, payload);
    }

    /// Shows the filters what a call holds. As in Envoy only that of calls whose payloads go on unread.
    fn show_values(&mut self, payload: &Payload) {
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
    fn filter(&mut self, from: usize, payload: Payload) {
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

    /// Finds the host, and sends the call there.
    fn forward(&mut self, payload: Payload) -> LocalFuture<Result<Option<Answer>, Failure>> {
        match self.find_host(payload) {
            Ok(asked) => Box::pin(ask(asked)),
            Err(exception) => Box::pin(std::future::ready(Err(Failure::Nowhere(exception)))),
        }
    }

    fn find_host(&mut self, payload: Payload) -> Result<Asked, AppException> {
        let stats = &self.proxy.stats;
        let internal = |text: String| AppException::new(ExceptionKind::InternalError, text);
        let Some(told) = &self.told else {
            return Err(internal(String::new()));
        };
        let method = String::from_utf8_lossy(&told.head.method).into_owned();
        let Some(choice) = &told.choice else {
            stats.route_missing.inc();
            let text = format!("no route for method '{method}'");
            return Err(AppException::new(ExceptionKind::UnknownMethod, text));
        };
        let name = choice.cluster.clone();
        let Some(cluster) = self.cluster(choice) else {
            stats.unknown_cluster.inc();
            return Err(internal(format!("unknown cluster '{name}'")));
        };
        let cluster_stats = ClusterStats(Rc::clone(&cluster));
        cluster_stats.called(told.head.kind);
        let services = &self.proxy.worker.services;
        let failed = || match told.head.kind {
            MessageKind::Oneway => {}
            _ => cluster_stats.failed(None),
        };
        if cluster.turns_away(|| services.random_u64()) {
            stats.upstream_rq_maintenance_mode.inc();
            failed();
            return Err(internal(format!("maintenance mode for cluster '{name}'")));
        }
        let metadata = self.wanted_metadata(choice);
        let destination = cluster.shared().destination_of(&self.info);
        let wishes = PickContext {
            metadata_match: metadata.as_ref(),
            destination: destination.as_ref(),
            ..PickContext::default()
        };
        let clusters = &self.proxy.worker.clusters;
        let host = clusters.choose_host(&cluster, &wishes);
        let Ok(host) = host else {
            stats.no_healthy_upstream.inc();
            failed();
            return Err(internal(format!("no healthy upstream for '{name}'")));
        };
        let speaks = spoken(&cluster, told.speaks);
        let head = self.stripped(choice, &told.head);
        self.mirror(choice, &head, told.speaks, &payload);
        // The cluster may be another by now than when the payload was taken.
        let payload = match &payload {
            Payload::Unread(bytes) if !can_pass(told.speaks, speaks) => read(told.speaks, bytes)
                .ok_or_else(|| internal(format!("no payload for cluster '{name}'")))?,
            _ => payload,
        };
        let asked = Asked {
            cluster,
            host,
            speaks,
            head: head.clone(),
            payload,
            keeps_case: self.proxy.config.decoder.keeps_case,
            services: Rc::clone(services),
            progress: Rc::clone(&self.progress),
            is_mirror: false,
        };
        if let Some(told) = &mut self.told {
            told.is_passable = !self.was_asked_about && can_pass(told.speaks, speaks);
            told.head = head;
        }
        Ok(asked)
    }

    /// What the host has to have: what the route says, and what filters say, which wins.
    fn wanted_metadata(&self, choice: &Choice) -> Option<Struct> {
        let own = self.proxy.config.routes.metadata(choice);
        let left = self.info.dynamic_metadata();
        let Some(left) = left.and_then(|metadata| metadata.namespace("envoy.lb")) else {
            return own.cloned();
        };
        let mut merged = own.cloned().unwrap_or_default();
        for (name, value) in left.fields() {
            merged.insert(name, value.clone());
        }
        Some(merged)
    }

    /// The head without its service, where the route wants that.
    fn stripped(&self, choice: &Choice, head: &Head) -> Head {
        let route = self.proxy.config.routes.route(choice);
        let mut head = head.clone();
        if route.is_some_and(|route| route.strips_service)
            && let Some(colon) = head.method.iter().position(|byte| *byte == b':')
        {
            head.method.drain(..=colon);
        }
        head
    }

    /// Sends the call to others as well, whose answers nobody waits for.
    fn mirror(&self, choice: &Choice, head: &Head, speaks: Spoken, payload: &Payload) {
        let Some(route) = self.proxy.config.routes.route(choice) else {
            return;
        };
        let worker = &self.proxy.worker;
        for mirror in &route.mirrors {
            if !mirror.chooses(worker.services.random_u64()) {
                continue;
            }
            let Some(cluster) = worker.clusters.get(mirror.id) else {
                continue;
            };
            let client = speaks;
            let speaks = spoken(&cluster, client);
            let payload = match payload {
                Payload::Values(values) => Some(Payload::Values(values.clone())),
                Payload::Unread(bytes) if can_pass(client, speaks) => {
                    Some(Payload::Unread(bytes.clone()))
                }
                Payload::Unread(bytes) => read(client, bytes),
                Payload::Broken(_) => None,
            };
            let Some(payload) = payload else {
                continue;
            };
            let stats = ClusterStats(Rc::clone(&cluster));
            stats.called(head.kind);
            let destination = cluster.shared().destination_of(&self.info);
            let wishes = PickContext {
                destination: destination.as_ref(),
                ..PickContext::default()
            };
            let Ok(host) = worker.clusters.choose_host(&cluster, &wishes) else {
                self.proxy.stats.shadow_request_submit_failure.inc();
                continue;
            };
            let asked = Asked {
                cluster,
                host,
                speaks,
                head: head.clone(),
                payload,
                keeps_case: self.proxy.config.decoder.keeps_case,
                services: Rc::clone(&worker.services),
                progress: Rc::default(),
                is_mirror: true,
            };
            drop(spawn_seldom(async move {
                if let Err(Failure::Connection { kind, .. }) = ask(asked).await {
                    stats.failed(Some(kind));
                }
            }));
        }
    }

    /// Goes on until there is nothing more to do for it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Receives => {
                    self.stage = Stage::Receives;
                    return Poll::Pending;
                }
                Stage::Asks {
                    mut verdict,
                    filter,
                    payload,
                } => {
                    let Poll::Ready(verdict) = verdict.as_mut().poll(cx) else {
                        self.stage = Stage::Asks {
                            verdict,
                            filter,
                            payload,
                        };
                        return Poll::Pending;
                    };
                    self.was_asked_about = true;
                    match self.judge(filter, verdict) {
                        None => self.filter(filter + 1, payload),
                        Some(exception) => {
                            let broken = match payload {
                                Payload::Broken(error) => Some(error),
                                _ => None,
                            };
                            let refused = Err(Failure::Refused(exception));
                            let answer = Box::pin(std::future::ready(refused));
                            self.stage = Stage::Waits(answer, broken);
                        }
                    }
                }
                Stage::Waits(mut answer, broken) => {
                    let polled = answer.as_mut().poll(cx);
                    if self.progress.is_sent.get() && !self.is_counted {
                        self.count_request();
                    }
                    let Poll::Ready(answer) = polled else {
                        self.stage = Stage::Waits(answer, broken);
                        return Poll::Pending;
                    };
                    return Poll::Ready(match answer {
                        Ok(answer) => self.answered(answer),
                        Err(failure) => self.failed(failure, broken),
                    });
                }
                Stage::Over => return Poll::Ready(Done::default()),
            }
        }
    }

    /// The exception of a call that may not go, by the verdict on it.
    fn judge(&mut self, filter: usize, verdict: Verdict) -> Option<AppException> {
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

    /// Counts a call that has come whole.
    fn count_request(&mut self) {
        self.is_counted = true;
        let stats = &self.proxy.stats;
        stats.request.inc();
        match self.told.as_ref().map(|told| told.head.kind) {
            Some(MessageKind::Call) => stats.request_call.inc(),
            Some(MessageKind::Oneway) => stats.request_oneway.inc(),
            _ => stats.request_invalid_type.inc(),
        }
    }

    fn answered(&mut self, answer: Option<Answer>) -> Done {
        let stats = &self.proxy.stats;
        let (Some(answer), Some(told)) = (answer, &mut self.told) else {
            return Done::default();
        };
        stats.response.inc();
        match answer.head.kind {
            MessageKind::Reply => stats.response_reply.inc(),
            MessageKind::Exception => stats.response_exception.inc(),
            MessageKind::Call | MessageKind::Oneway => stats.response_invalid_type.inc(),
        }
        match answer.reply {
            Some(ReplyKind::Success) => stats.response_success.inc(),
            Some(ReplyKind::Error) => stats.response_error.inc(),
            None => {}
        }
        if matches!(answer.payload, Payload::Unread(_)) {
            stats.request_passthrough.inc();
            stats.response_passthrough.inc();
        }
        let drains = (self.proxy.drains)();
        if drains {
            stats.downstream_response_drain_close.inc();
        }
        let sequence_id = told.head.sequence_id;
        match reply::answer(told.speaks, sequence_id, &answer, drains) {
            Ok(bytes) => {
                told.response = Some((answer.head.kind, answer.reply, told.speaks));
                Done {
                    bytes,
                    ..Done::default()
                }
            }
            Err(error) => self.failed(Failure::Answer(error), None),
        }
    }

    /// What the client is told of a call without an answer; `broken` says what is wrong with its payload, if something
    /// is.
    fn failed(&mut self, failure: Failure, broken: Option<DecodeError>) -> Done {
        let closes = self.proxy.config.closes_on_errors;
        let is_connected = self.progress.is_connected.get();
        let cluster = self.told.as_ref().and_then(|told| told.choice.as_ref());
        let cluster = cluster
            .and_then(|choice| self.cluster(choice))
            .map(ClusterStats);
        let lost = |kind| {
            if let Some(cluster) = &cluster {
                cluster.failed(Some(kind));
            }
        };
        let local = UpstreamErrorKind::LocalConnectionFailure;
        let protocol = |error: DecodeError| AppException::new(error.kind, error.text);
        match failure {
            Failure::Nowhere(exception) => self.refused(&exception, closes, broken),
            Failure::Refused(exception) => {
                // It counts as none that has come whole, as in Envoy.
                self.is_counted = true;
                self.refused(&exception, false, broken)
            }
            Failure::Connection { kind, is_started } => {
                lost(kind);
                if is_started && let Some(cluster) = &cluster {
                    cluster.count("downstream_cx_partial_response_close");
                }
                let (exception, closes) = self.connection_failure(kind, is_started, closes);
                if !is_connected {
                    return self.refused(&exception, closes, broken);
                }
                let kind = self.told.as_ref().map(|told| told.head.kind);
                let is_odd = !matches!(kind, Some(MessageKind::Call | MessageKind::Oneway));
                self.reply(&exception, closes, closes && !is_odd, !is_odd)
            }
            Failure::Call(error) => {
                lost(local);
                if broken.is_none() {
                    self.proxy.stats.request_decoding_error.inc();
                }
                // The connection's end is told as well, though nobody hears it.
                self.count_unheard(closes);
                self.reply(&protocol(error), true, closes, true)
            }
            Failure::Answer(error) => {
                lost(local);
                if let Some(cluster) = &cluster {
                    cluster.count("downstream_cx_partial_response_close");
                }
                self.count_unheard(closes);
                self.proxy.stats.response_decoding_error.inc();
                self.reply(&protocol(error), true, closes, true)
            }
        }
    }

    fn connection_failure(
        &self,
        kind: UpstreamErrorKind,
        is_started: bool,
        closes: bool,
    ) -> (AppException, bool) {
        let exception = |text: String| AppException::new(ExceptionKind::InternalError, text);
        let why = match kind {
            UpstreamErrorKind::Overflow => {
                let text = "thrift upstream request: too many connections";
                return (exception(text.to_owned()), false);
            }
            UpstreamErrorKind::LocalConnectionFailure => "local connection failure",
            UpstreamErrorKind::ConnectionTimeout => "timeout",
            _ => "remote connection failure",
        };
        let till = if is_started { "complete" } else { "start" };
        let address = self.progress.address.borrow();
        let text = format!("connection failure before response {till}: {why} '{address}'");
        (exception(text), closes)
    }

    /// Tells of a call that did not go to a host; what is wrong with its payload is told behind that.
    fn refused(
        &mut self,
        exception: &AppException,
        closes: bool,
        broken: Option<DecodeError>,
    ) -> Done {
        let mut done = self.reply(exception, closes, closes, true);
        if closes {
            return done;
        }
        let Some(error) = broken else {
            if !self.is_counted {
                self.count_request();
            }
            return done;
        };
        let second = self.reply(&AppException::new(error.kind, error.text), true, true, true);
        done.bytes.extend_from_slice(&second.bytes);
        Done {
            bytes: done.bytes,
            ..second
        }
    }

    /// The client has gone before its answer came: as in Envoy it is told of the end of its host's connection, though
    /// nobody hears it.
    fn count_given_up(&self) {
        let told = self.told.as_ref();
        let choice = told.and_then(|told| told.choice.as_ref());
        if let Some(cluster) = choice.and_then(|choice| self.cluster(choice)) {
            ClusterStats(cluster).failed(Some(UpstreamErrorKind::LocalConnectionFailure));
        }
        if self.proxy.config.closes_on_errors {
            self.proxy.stats.downstream_response_drain_close.inc();
        }
    }

    fn count_unheard(&self, closes: bool) {
        let stats = &self.proxy.stats;
        stats.response_exception.inc();
        if closes {
            stats.downstream_response_drain_close.inc();
        }
    }

    fn reply(
        &mut self,
        exception: &AppException,
        closes: bool,
        is_cut_short: bool,
        is_shown: bool,
    ) -> Done {
        self.count_unheard(closes);
        let mut done = Done {
            bytes: Vec::new(),
            closes,
            is_cut_short,
        };
        let Some(told) = &mut self.told else {
            return done;
        };
        if is_shown {
            told.response = Some((MessageKind::Exception, None, told.speaks));
        }
        if told.head.kind != MessageKind::Oneway
            && let Ok(bytes) = reply::exception(told.speaks, &told.head, exception, closes)
        {
            done.bytes = bytes;
        }
        done
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let stats = &self.proxy.stats;
        let now = self.proxy.worker.services.now();
        stats.request_active.dec();
        if matches!(self.stage, Stage::Waits(..)) && self.progress.is_connected.get() {
            self.count_given_up();
        }
        let took = now.saturating_duration_since(self.info.start);
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        stats.request_time_ms.record(took);
        self.info.end = Some(now);
        self.info.bytes_received = self.progress.bytes_sent.get();
        self.info.bytes_sent = self.progress.bytes_received.get();
        if let Some(told) = &self.told {
            self.info
                .dynamic_metadata_mut()
                .merge(NAMESPACE, told.shown());
        }
        self.proxy.log(&self.info);
    }
}

/// Whether what this client says can go to this host as it is.
fn can_pass(client: Spoken, host: Spoken) -> bool {
    let framed = |it| matches!(it, Transport::Framed | Transport::Header);
    framed(client.0) && framed(host.0) && host.1 == strict(client.1)
}

/// A payload that was not looked at, as values; none if it holds none.
fn read((_, protocol): Spoken, bytes: &[u8]) -> Option<Payload> {
    values_of(protocol, bytes).map(Payload::Values)
}

fn text(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

fn spoken_fields((transport, protocol): (Transport, Protocol), kind: MessageKind) -> Struct {
    let fields = [
        ("message_type", text(kind.name())),
        ("protocol_type", text(strict(protocol).name())),
        ("transport_type", text(transport.name())),
    ];
    fields.into_iter().collect()
}

impl Told {
    /// What logs show of the call.
    fn shown(&self) -> Struct {
        let cluster = self.choice.as_ref().map_or("-", |it| &it.cluster);
        let request = spoken_fields(self.speaks, self.head.kind);
        let mut shown: Struct = [
            ("cluster", text(cluster)),
            ("method", text(String::from_utf8_lossy(&self.head.method))),
            ("passthrough", text(self.is_passable.to_string())),
            ("request", Value::Struct(request)),
        ]
        .into_iter()
        .collect();
        if let Some((kind, reply, speaks)) = self.response {
            let mut response = spoken_fields(speaks, kind);
            let reply = match reply {
                Some(ReplyKind::Success) => "success",
                Some(ReplyKind::Error) => "error",
                None => "-",
            };
            response.insert("reply_type", text(reply));
            shown.insert("response", Value::Struct(response));
        }
        shown
    }
}
