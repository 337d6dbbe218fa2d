//! A call of a client: from the first byte of its frame to its answer, and to the access log.

mod filtering;
mod mirroring;
mod outcome;
mod routing;
mod shown;

use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::thrift::{DecodeError, Head, MessageKind, ReplyKind};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::StreamInfo;

use crate::exchange::{Answer, Failure, Payload, Progress, spoken};
use crate::filters::{self, Verdict};
use crate::on_worker::OnWorker;
use crate::reply::Spoken;
use crate::routes::Choice;

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
        filters::see_head(&config.chain.filters, &mut head, &mut self.info);
        let random = self.proxy.worker.services.random_u64();
        let choice = config.routes.choose(&head, random);
        let cluster = choice.as_ref().and_then(|it| self.cluster(it));
        let can_pass = match &cluster {
            _ if !config.chain.has_router => routing::can_be_unread(speaks),
            Some(cluster) => routing::can_pass(speaks, spoken(cluster, speaks)),
            None => false,
        };
        self.told = Some(Told {
            speaks,
            head,
            choice,
            is_passable: !config.chain.has_router,
            response: None,
        });
        config.passes_payload && can_pass
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
        self.payload_bytes += self.told.as_ref().map_or(0, |told| told.head.bytes());
        self.show_values(&payload);
        self.filter(0, payload);
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
                .merge(shown::NAMESPACE, told.shown());
        }
        self.proxy.log(&self.info);
    }
}
