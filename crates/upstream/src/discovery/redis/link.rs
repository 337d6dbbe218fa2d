//! The connections on which the hosts of a Redis cluster are asked who has which slots; one for each host that was asked.
//! They count as connections and commands of the cluster, the commands by their names too.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_codec::resp::{Decoder, Limits, Value, encode_command};
use nuncio_contract::buffer::Buffer;
use tokio::task::JoinSet;

use crate::cluster::Host;
use crate::outlier_detection::Outcome;
use crate::pool::{EndedBy, OwnConnection};
use crate::redis_counts::{CommandCounts, Named};
use crate::worker::WorkerHost;

/// What a host may answer.
const LIMITS: Limits = Limits {
    max_value_bytes: MAX_ANSWER_BYTES,
    max_elements: 1 << 16,
    allows_lines: false,
};
/// The same in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

const SLOTS: &[&[u8]] = &[b"CLUSTER", b"SLOTS"];
const INFO: &[&[u8]] = &[b"INFO"];

/// All of them.
#[derive(Default)]
pub(super) struct Links(HashMap<SocketAddr, Link>);

/// One of them.
struct Link {
    host: Rc<WorkerHost>,
    connection: OwnConnection,
    decoder: Decoder,
    input: Buffer,
    counts: CommandCounts,
    /// What is to be said before all else.
    introduction: Vec<u8>,
    /// Commands that are not answered.
    asked: VecDeque<Asked>,
}

struct Asked {
    begun: Instant,
    counts: Option<Rc<Named>>,
    _active: Active,
}

/// A command that counts as under way, for as long as this is there.
struct Active(Rc<WorkerHost>);

impl Active {
    fn begin(host: &Rc<WorkerHost>) -> Self {
        host.core.traffic.upstream_rq_active.inc();
        host.counters().rq_active.inc();
        Active(Rc::clone(host))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.core.traffic.upstream_rq_active.dec();
        self.0.counters().rq_active.dec();
    }
}

/// Why there is no answer.
enum Broken {
    /// The host has ended the connection.
    Gone,
    /// It takes too long.
    Late,
    /// What it says cannot be read.
    Garbled,
}

impl Links {
    /// Asks a host for the slots; none if it does not answer, which is counted.
    pub(super) async fn ask(&mut self, host: Rc<WorkerHost>, timeout: Duration) -> Option<Value> {
        let address = host.host().address;
        let known = self.0.remove(&address);
        let (link, value) = Link::exchange_on(known, host, SLOTS, timeout).await?;
        self.0.insert(address, link);
        Some(value)
    }

    /// Asks all these hosts at once for what they say of themselves: the answers of those that do.
    pub(super) async fn ask_all(
        &mut self,
        hosts: Vec<Rc<WorkerHost>>,
        timeout: Duration,
    ) -> HashMap<SocketAddr, Value> {
        let mut asked = JoinSet::new();
        for host in hosts {
            let address = host.host().address;
            let known = self.0.remove(&address);
            asked.spawn_local(async move {
                let exchanged = Link::exchange_on(known, host, INFO, timeout).await;
                exchanged.map(|(link, value)| (address, link, value))
            });
        }
        let mut answers = HashMap::new();
        while let Some(answered) = asked.join_next().await {
            if let Ok(Some((address, link, value))) = answered {
                self.0.insert(address, link);
                answers.insert(address, value);
            }
        }
        answers
    }

    /// Ends those to hosts that are none of these.
    pub(super) fn keep(&mut self, hosts: &[Arc<Host>]) {
        let kept: HashSet<_> = hosts.iter().map(|host| host.address).collect();
        let gone: Vec<_> = self
            .0
            .keys()
            .filter(|at| !kept.contains(at))
            .copied()
            .collect();
        for link in gone.iter().filter_map(|address| self.0.remove(address)) {
            link.connection.close(EndedBy::Us, false);
        }
    }

    /// Ready when one has ended, which nobody asks.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut links = self.0.iter_mut();
        let Some(ended) = links.find_map(|(address, link)| link.has_ended(cx).then_some(*address))
        else {
            return Poll::Pending;
        };
        if let Some(link) = self.0.remove(&ended) {
            link.connection.close(EndedBy::Host, false);
        }
        Poll::Ready(())
    }
}

impl Link {
    /// Asks on a connection, which is opened if there is none yet; none if no answer comes.
    async fn exchange_on(
        known: Option<Link>,
        host: Rc<WorkerHost>,
        words: &[&[u8]],
        timeout: Duration,
    ) -> Option<(Self, Value)> {
        let mut link = match known {
            Some(link) => link,
            None => Link::open(host).await?,
        };
        match link.ask(words, timeout).await {
            Ok(value) => Some((link, value)),
            Err(broken) => {
                link.close(&broken);
                None
            }
        }
    }

    async fn open(host: Rc<WorkerHost>) -> Option<Self> {
        let connection = match host.open_own().await {
            Ok(connection) => connection,
            Err(_) => {
                // As in Envoy a command was under way on it.
                host.core.traffic.upstream_rq_total.inc();
                host.counters().rq_total.inc();
                return None;
            }
        };
        let scope = host.core.shared.scope().clone();
        let mut link = Link {
            host,
            connection,
            decoder: Decoder::new(LIMITS),
            input: Buffer::new(),
            counts: CommandCounts::new(&scope, Some(|name| matches!(name, "cluster" | "info"))),
            introduction: Vec::new(),
            asked: VecDeque::new(),
        };
        link.introduce();
        Some(link)
    }

    /// It is told who asks, where that is configured; that counts as a command.
    fn introduce(&mut self) {
        let core = Rc::clone(&self.host.core);
        let options = core.settings().redis.as_deref();
        if let Some(own) = options.and_then(|of| of.of(self.host.host().address)) {
            let mut out = Vec::new();
            self.command(&own.words(), &mut out);
            self.introduction = out;
        }
    }

    fn command(&mut self, words: &[Vec<u8>], out: &mut Vec<u8>) {
        encode_command(words, out);
        let (traffic, host) = (&self.host.core.traffic, self.host.counters());
        traffic.upstream_rq_total.inc();
        host.rq_total.inc();
        self.asked.push_back(Asked {
            begun: self.host.core.clock.now(),
            counts: self.counts.begin(words),
            _active: Active::begin(&self.host),
        });
    }

    async fn ask(&mut self, words: &[&[u8]], timeout: Duration) -> Result<Value, Broken> {
        let mut out = std::mem::take(&mut self.introduction);
        let words: Vec<_> = words.iter().map(|word| word.to_vec()).collect();
        self.command(&words, &mut out);
        let exchanged = tokio::time::timeout(timeout, self.exchange(&out)).await;
        exchanged.unwrap_or(Err(Broken::Late))
    }

    async fn exchange(&mut self, out: &[u8]) -> Result<Value, Broken> {
        let connection = &mut self.connection;
        let mut rest = out;
        while !rest.is_empty() {
            let written = poll_fn(|cx| connection.poll_write(cx, rest)).await;
            let count = written
                .ok()
                .filter(|count| *count > 0)
                .ok_or(Broken::Gone)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        let flushed = poll_fn(|cx| connection.poll_flush(cx)).await;
        flushed.map_err(|_| Broken::Gone)?;
        let mut left = MAX_ANSWER_BYTES;
        loop {
            match self.decoder.next_value() {
                Ok(Some(value)) => {
                    self.answered(&value);
                    if self.asked.is_empty() {
                        return Ok(value);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => return Err(Broken::Garbled),
            }
            let (connection, input) = (&mut self.connection, &mut self.input);
            let read = poll_fn(|cx| connection.poll_read(cx, input, Buffer::BODY_BYTES)).await;
            let count = read.ok().filter(|count| *count > 0).ok_or(Broken::Gone)?;
            left = left.checked_sub(count).ok_or(Broken::Garbled)?;
            self.decoder.push(self.input.readable());
            self.input.clear();
        }
    }

    fn answered(&mut self, value: &Value) {
        let Some(asked) = self.asked.pop_front() else {
            return;
        };
        let took = self
            .host
            .core
            .clock
            .now()
            .saturating_duration_since(asked.begun);
        self.counts
            .answered(asked.counts.as_deref(), took, value, false);
        self.host.report(Outcome::Answered(200));
    }

    /// What comes unasked is dropped.
    fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let (connection, input) = (&mut self.connection, &mut self.input);
            match connection.poll_read(cx, input, Buffer::HEAD_BYTES) {
                Poll::Pending => return false,
                Poll::Ready(Ok(1..)) => self.input.clear(),
                Poll::Ready(_) => return true,
            }
        }
    }

    fn close(self, why: &Broken) {
        let (traffic, counters) = (&self.host.core.traffic, self.host.counters());
        let by = match why {
            Broken::Gone => {
                self.host.report(Outcome::Failed);
                EndedBy::Host
            }
            Broken::Late => {
                traffic.upstream_rq_timeout.inc();
                counters.rq_timeout.inc();
                self.host.report(Outcome::TimedOut(504));
                EndedBy::Us
            }
            Broken::Garbled => {
                traffic.upstream_cx_protocol_error.inc();
                counters.rq_error.inc();
                self.host.report(Outcome::Answered(500));
                EndedBy::Us
            }
        };
        self.connection.close(by, !self.asked.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::clock::SystemClock;
    use nuncio_contract::stats::StatsStore;

    use super::*;
    use crate::cluster::{ClusterSettings, HealthFlags};
    use crate::cluster_core::ClusterCore;
    use crate::{ClusterManager, TransportSocket};

    #[test]
    fn a_question_that_is_given_up_is_not_under_way() {
        let manager = ClusterManager::new(StatsStore::default());
        let settings = ClusterSettings::named("c");
        let shared = manager.prepare(settings, TransportSocket::RawBuffer, false);
        let core = Rc::new(ClusterCore::new(shared, Rc::new(SystemClock)));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let healthy = HealthFlags::HEALTHY;
        let host = Host::new(address, "", 1, 0, Arc::default(), healthy);
        let host = Rc::new(WorkerHost::new(core, Arc::new(host)));
        let active = || host.host().totals().rq_active;
        let asked = VecDeque::from([Active::begin(&host), Active::begin(&host)]);
        assert_eq!(active(), 2);
        drop(asked);
        assert_eq!(active(), 0);
    }

    #[test]
    fn answers_about_many_slots_are_read() {
        let range = "*3\r\n:1\r\n:2\r\n*3\r\n$9\r\n127.0.0.1\r\n:6379\r\n$2\r\nid\r\n";
        let mut decoder = Decoder::new(LIMITS);
        decoder.push(format!("*5000\r\n{}", range.repeat(5000)).as_bytes());
        let value = decoder.next_value();
        assert!(matches!(value, Ok(Some(Value::Array(ranges))) if ranges.len() == 5000));
    }
}
