//! A client's connection: commands in, answers out, in the order of the commands.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_codec::resp::{Decoder, Limits, Value, encode};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::StreamInfo;
use nuncio_net::transport::Transport;
use tokio::sync::oneshot;

use crate::commands::{Kind, Words, kind, word};
use crate::on_worker::{Counts, OnWorker};
use crate::splitter::{self, Begun, Login, Outcome, Said, answer, not_within};
use crate::transaction::Transaction;

/// A client with so many commands that are not answered is not read.
const MAX_PENDING: usize = 1024;
/// The same for a client that does not read so many bytes of answers.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// What a client may send.
const LIMITS: Limits = Limits {
    max_value_bytes: 512 << 20,
    max_elements: 1 << 20,
    allows_lines: true,
};

/// A command that is not answered yet.
enum Pending {
    Ready(Value),
    Waits(LocalFuture<Value>),
}

/// A connection.
pub(crate) struct Session<'a> {
    proxy: &'a OnWorker,
    transport: &'a mut Transport,
    info: &'a StreamInfo,
    login: Login<'a>,
    transaction: Transaction,
    decoder: Decoder,
    input: Buffer,
    pending: VecDeque<Pending>,
    /// Answers that are to be sent, and how much of them has gone.
    out: Vec<u8>,
    sent: usize,
    /// Whether the client takes its leave, or cannot be understood any more.
    quits: bool,
    is_broken: bool,
    /// Whether it has been told so.
    is_told: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        proxy: &'a OnWorker,
        transport: &'a mut Transport,
        info: &'a StreamInfo,
    ) -> Self {
        Session {
            proxy,
            transport,
            info,
            login: Login::new(&proxy.config),
            transaction: Transaction::default(),
            decoder: Decoder::new(LIMITS),
            input: Buffer::new(),
            pending: VecDeque::new(),
            out: Vec::new(),
            sent: 0,
            quits: false,
            is_broken: false,
            is_told: false,
        }
    }

    /// Goes on until something ends it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<NetworkClose> {
        loop {
            let has_more = self.decode();
            self.take_answers(cx);
            if self.is_broken && !std::mem::replace(&mut self.is_told, true) {
                encode(&Value::error("downstream protocol error"), &mut self.out);
            }
            if self.poll_send(cx).is_err() {
                return Poll::Ready(NetworkClose::default());
            }
            if self.out.is_empty() && (self.is_broken || self.quits && self.pending.is_empty()) {
                return Poll::Ready(NetworkClose::after_flush(""));
            }
            let is_held = self.is_broken || self.quits || self.is_full();
            match (is_held, has_more) {
                // Whatever frees it wakes this.
                (true, _) => return Poll::Pending,
                (false, true) => continue,
                (false, false) => {}
            }
            let room = Buffer::HEAD_BYTES;
            match self.transport.poll_fill(cx, &mut self.input, room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count @ 1..)) => {
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    self.proxy.stats.downstream_cx_rx_bytes_total.add(count);
                    self.decoder.push(self.input.readable());
                    self.input.clear();
                }
                Poll::Ready(_) => return Poll::Ready(NetworkClose::default()),
            }
        }
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING || self.out.len() - self.sent >= MAX_UNREAD_BYTES
    }

    /// Begins what has come whole; whether there may be more of it.
    fn decode(&mut self) -> bool {
        while !self.quits && !self.is_broken {
            if self.is_full() {
                return true;
            }
            match self.decoder.next_value() {
                Ok(Some(value)) => {
                    self.proxy.stats.downstream_rq_total.inc();
                    self.proxy.stats.downstream_rq_active.inc();
                    let pending = self.begin(value);
                    self.pending.push_back(pending);
                }
                Ok(None) => break,
                Err(_) => {
                    self.proxy.stats.downstream_cx_protocol_error.inc();
                    self.is_broken = true;
                }
            }
        }
        false
    }

    /// Takes the answers that are there, in the order of the commands.
    fn take_answers(&mut self, cx: &mut Context<'_>) {
        while !self.is_told && self.out.len() - self.sent < MAX_UNREAD_BYTES {
            let value = match self.pending.front_mut() {
                Some(Pending::Waits(answer)) => match answer.as_mut().poll(cx) {
                    Poll::Ready(value) => value,
                    Poll::Pending => return,
                },
                Some(Pending::Ready(value)) => std::mem::replace(value, Value::Null),
                None => return,
            };
            encode(&value, &mut self.out);
            self.pending.pop_front();
            self.proxy.stats.downstream_rq_active.dec();
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        loop {
            let rest = self.out.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                self.out.clear();
                self.sent = 0;
                break;
            }
            match self.transport.poll_write(cx, rest) {
                Poll::Ready(Ok(count @ 1..)) => {
                    self.sent += count;
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    self.proxy.stats.downstream_cx_tx_bytes_total.add(count);
                }
                Poll::Ready(_) => return Err(()),
                Poll::Pending => return Ok(()),
            }
        }
        match self.transport.poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(()),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, value: Value) -> Pending {
        let Some(words) = words_of(value) else {
            return self.invalid();
        };
        let name = String::from_utf8_lossy(word(&words, 0)).to_ascii_lowercase();
        let services = &self.proxy.worker.services;
        let is_within = self.transaction.is_active;
        let said = answer(&name, &words, &mut self.login, is_within, || {
            services.wall()
        });
        match said {
            Said::Answer(value) => Pending::Ready(value),
            Said::Hello(begun) => {
                let begun = match self.transaction.is_active {
                    true => Begun::error(not_within(name.as_bytes())),
                    false => begun,
                };
                let counts = self.proxy.counts(&name);
                counts.stats.total.inc();
                let measured = Measured {
                    counts,
                    begun: services.now(),
                    delay: None,
                };
                self.measure(begun, measured)
            }
            Said::Invalid => self.invalid(),
            Said::Unknown(value) => {
                self.proxy.splitter_stats.unsupported_command.inc();
                Pending::Ready(value)
            }
            Said::Quit => {
                self.quits = true;
                Pending::Ready(Value::simple("OK"))
            }
            Said::Ask => self.ask(&name, &words),
        }
    }

    fn invalid(&self) -> Pending {
        self.proxy.splitter_stats.invalid_request.inc();
        Pending::Ready(Value::error("invalid request"))
    }

    fn ask(&mut self, name: &str, words: &Words) -> Pending {
        let services = &self.proxy.worker.services;
        let fault = self
            .proxy
            .config
            .faults
            .find(name, || services.random_u64());
        let counted_as = if self.transaction.is_active {
            "multi"
        } else {
            name
        };
        let measured = Measured {
            counts: self.proxy.counts(counted_as),
            begun: services.now(),
            delay: fault.and_then(|fault| fault.delay),
        };
        measured.counts.stats.total.inc();
        let around = self.proxy.around(self.info);
        // Commands of the configuration are simple ones.
        let kind = kind(name).unwrap_or(Kind::Simple);
        let begun = match fault {
            Some(fault) if fault.is_error => {
                measured.counts.stats.error_fault.inc();
                let outcome = Outcome::error("Fault Injected: Error");
                Begun::Asked(Box::pin(std::future::ready(outcome)))
            }
            _ if self.transaction.is_active || kind == Kind::Transaction => {
                self.transaction.take(name, words, &around)
            }
            _ => splitter::begin(kind, words, &around),
        };
        self.measure(begun, measured)
    }

    fn measure(&self, begun: Begun, measured: Measured) -> Pending {
        let value = match begun {
            Begun::Said(value) => value,
            Begun::Over(outcome) => {
                measured.count(outcome.is_success);
                outcome.value
            }
            Begun::Asked(answer) => {
                let services = Rc::clone(&self.proxy.worker.services);
                let delay = measured.delay;
                let whole = Box::pin(async move {
                    let outcome = answer.await;
                    measured.count(outcome.is_success);
                    if let Some(delay) = measured.delay {
                        services.sleep(delay).await;
                        measured.counts.stats.delay_fault.inc();
                    }
                    let took = services.now() - measured.begun;
                    measured.counts.latency.record(took);
                    outcome.value
                });
                return match delay {
                    Some(_) => Pending::Waits(by_itself(whole)),
                    None => Pending::Waits(whole),
                };
            }
        };
        let Some(delay) = measured.delay else {
            return Pending::Ready(value);
        };
        let services = Rc::clone(&self.proxy.worker.services);
        Pending::Waits(by_itself(Box::pin(async move {
            services.sleep(delay).await;
            measured.counts.stats.delay_fault.inc();
            value
        })))
    }
}

/// Goes on without being asked, so that delays of commands run side by side.
fn by_itself(whole: LocalFuture<Value>) -> LocalFuture<Value> {
    let (mut sender, receiver) = oneshot::channel();
    drop(tokio::task::spawn_local(async move {
        tokio::select! {
            value = whole => {
                let _the_client_may_be_gone = sender.send(value);
            }
            () = sender.closed() => {}
        }
    }));
    Box::pin(async move { receiver.await.unwrap_or(Value::Null) })
}

/// A command under way.
struct Measured {
    counts: Rc<Counts>,
    begun: Instant,
    delay: Option<Duration>,
}

impl Measured {
    fn count(&self, is_success: bool) {
        match is_success {
            true => self.counts.stats.success.inc(),
            false => self.counts.stats.error.inc(),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let stats = &self.proxy.stats;
        self.pending
            .iter()
            .for_each(|_| stats.downstream_rq_active.dec());
    }
}

/// The words of a command, if it is one: an array of bytes that is not empty.
fn words_of(value: Value) -> Option<Words> {
    let Value::Array(values) = value else {
        return None;
    };
    let words = values.into_iter().map(|value| match value {
        Value::Bulk(word) => Some(word),
        _ => None,
    });
    let words: Option<Vec<_>> = words.collect();
    words.filter(|words| !words.is_empty()).map(Rc::new)
}
