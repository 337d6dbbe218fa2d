//! Checks of Redis: `PING`, or `EXISTS` of a key that is there as long as the host is to be left alone.
//!
//! As in Envoy: a connection tells first who asks, where the cluster has credentials; a redirection is a success, and
//! `CLUSTERDOWN` a failure of the network; connections and commands count as traffic of the cluster.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::resp::{Decoder, Limits, Value, encode_command};
use nuncio_contract::stat_group;
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_net::transport::Transport;

use super::flags::CheckFlags;
use super::link::{Dialer, Gone};
use crate::health_check::session::{Failure, Outcome};
use crate::health_check::settings::RedisProbe;
use crate::host::Host;

const PASSED: Outcome = Outcome::Passed { is_degraded: false };
const FAILED: Outcome = Outcome::Failed(Failure::Network);
const REFUSED: Outcome = Outcome::Failed(Failure::Active {
    status: 0,
    is_retriable: false,
});

/// What a host may answer.
const LIMITS: Limits = Limits {
    max_value_bytes: 1 << 16,
    max_elements: 1 << 10,
    allows_lines: false,
};

stat_group! {
    /// Checks of Redis, at `cluster.<name>.health_check.redis.`.
    pub struct RedisCheckStats("health_check.redis.") {
        counters { exists_failure }
    }
}

/// One host's connection.
pub(super) struct RedisProber {
    dialer: Rc<Dialer>,
    host: Arc<Host>,
    flags: Rc<CheckFlags>,
    reuses: bool,
    stats: Arc<RedisCheckStats>,
    traffic: Arc<ClusterTrafficStats>,
    link: Option<Link>,
    /// A connection is being opened.
    is_dialling: bool,
}

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// The connection is gone.
    Gone,
    /// What came is no answer.
    Garbled,
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Broken::Gone
    }
}

/// A connection, and what it still has to say.
struct Link {
    transport: Transport,
    decoder: Decoder,
    input: Vec<u8>,
    /// Commands that are not answered.
    asked: usize,
}

impl RedisProber {
    pub(super) fn new(dialer: &Rc<Dialer>, flags: &Rc<CheckFlags>, reuses: bool) -> Self {
        let scope = dialer.cluster.scope();
        Self {
            dialer: Rc::clone(dialer),
            host: flags.host(),
            flags: Rc::clone(flags),
            reuses,
            stats: scope.worker_group(),
            traffic: scope.worker_group(),
            link: None,
            is_dialling: false,
        }
    }

    pub(super) async fn check(&mut self, probe: &RedisProbe) -> Outcome {
        self.follow_host();
        let answer = match self.exchange(probe).await {
            Ok(answer) => answer,
            Err(broken) => {
                if broken == Broken::Garbled {
                    self.traffic.upstream_cx_protocol_error.inc();
                }
                self.close(broken == Broken::Gone);
                return FAILED;
            }
        };
        if is_redirection(&answer) {
            return PASSED;
        }
        if matches!(&answer, Value::Error(text) if text.starts_with(b"CLUSTERDOWN")) {
            return FAILED;
        }
        if !self.reuses {
            self.close(false);
        }
        match (&answer, &probe.key) {
            (Value::Integer(0), Some(_)) => PASSED,
            (Value::Simple(text), None) if text == b"PONG" => PASSED,
            (_, Some(_)) => {
                self.stats.exists_failure.inc();
                REFUSED
            }
            (_, None) => REFUSED,
        }
    }

    /// What discovery says of the host now counts from the next check on.
    fn follow_host(&mut self) {
        let now = self.flags.host();
        if self.host.is_reached_otherwise(&now) {
            self.close(false);
        }
        self.host = now;
    }

    /// Sends the command, and waits for its answer.
    async fn exchange(&mut self, probe: &RedisProbe) -> Result<Value, Broken> {
        let mut out = Vec::new();
        self.drop_unasked();
        if self.link.is_none() {
            self.traffic.upstream_cx_total.inc();
            self.traffic.upstream_cx_active.inc();
            self.is_dialling = true;
            let opened = self.dialer.open(&self.host).await;
            self.is_dialling = false;
            let Ok(transport) = opened else {
                self.count_failed();
                return Err(Broken::Gone);
            };
            self.link = Some(Link {
                transport,
                decoder: Decoder::new(LIMITS),
                input: Vec::new(),
                asked: 0,
            });
            self.introduce(&mut out);
        }
        match &probe.key {
            Some(key) => encode_command(&[b"EXISTS", &**key], &mut out),
            None => encode_command(&[b"PING"], &mut out),
        }
        self.asked();
        let link = self.link.as_mut().ok_or(Gone)?;
        link.send(&out).await?;
        loop {
            let answer = link.next_value().await?;
            link.asked = link.asked.saturating_sub(1);
            self.traffic.upstream_rq_active.dec();
            if link.asked == 0 {
                return Ok(answer);
            }
        }
    }

    /// What came after an answer is for nobody; where it is not whole, its rest would be taken for the next answer.
    fn drop_unasked(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        let is_between_values = loop {
            match link.decoder.next_value() {
                Ok(Some(_)) => {}
                Ok(None) => break link.decoder.is_between_values(),
                Err(_) => break false,
            }
        };
        if !is_between_values {
            self.close(false);
        }
    }

    /// As in Envoy a command that finds no connection was under way on one that its host has closed.
    fn count_failed(&self) {
        let traffic = &self.traffic;
        traffic.upstream_cx_active.dec();
        traffic.upstream_cx_connect_fail.inc();
        traffic.upstream_rq_total.inc();
        count_end(traffic, true, true);
    }

    /// Says who asks, if that is configured. The answer is for nobody.
    fn introduce(&mut self, out: &mut Vec<u8>) {
        let cluster = Arc::clone(&self.dialer.cluster);
        let options = cluster.settings.redis.as_deref();
        let Some(own) = options.and_then(|of| of.of(self.host.address)) else {
            return;
        };
        encode_command(&own.words(), out);
        self.asked();
    }

    fn asked(&mut self) {
        self.traffic.upstream_rq_total.inc();
        self.traffic.upstream_rq_active.inc();
        if let Some(link) = &mut self.link {
            link.asked += 1;
        }
    }

    /// A host that ends a connection between two checks has failed none.
    pub(super) async fn between(&mut self) -> Outcome {
        if let Some(link) = &mut self.link {
            link.end().await;
            self.close(true);
        }
        pending().await
    }

    /// Nothing came in time.
    pub(super) fn give_up(&mut self) {
        let asked = self.link.as_ref().map_or(0, |link| link.asked);
        if asked > 0 || self.is_dialling {
            self.traffic.upstream_rq_cancelled.inc();
        }
        self.close(false);
    }

    fn close(&mut self, is_by_host: bool) {
        // The command waits for the connection.
        if std::mem::take(&mut self.is_dialling) {
            self.traffic.upstream_cx_active.dec();
            self.traffic.upstream_rq_total.inc();
            count_end(&self.traffic, is_by_host, true);
        }
        let Some(link) = self.link.take() else {
            return;
        };
        self.traffic.upstream_cx_active.dec();
        count_end(&self.traffic, is_by_host, link.asked > 0);
        (0..link.asked).for_each(|_| self.traffic.upstream_rq_active.dec());
    }
}

fn count_end(traffic: &ClusterTrafficStats, is_by_host: bool, has_requests: bool) {
    traffic.upstream_cx_destroy.inc();
    match is_by_host {
        true => traffic.upstream_cx_destroy_remote.inc(),
        false => traffic.upstream_cx_destroy_local.inc(),
    }
    if !has_requests {
        return;
    }
    traffic.upstream_cx_destroy_with_active_rq.inc();
    match is_by_host {
        true => traffic.upstream_cx_destroy_remote_with_active_rq.inc(),
        false => traffic.upstream_cx_destroy_local_with_active_rq.inc(),
    }
}

impl Drop for RedisProber {
    fn drop(&mut self) {
        self.close(false);
    }
}

impl Link {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let transport = &mut self.transport;
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = poll_fn(|cx| transport.poll_write(cx, rest)).await;
            let count = count.ok().filter(|count| *count > 0).ok_or(Gone)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        let flushed = poll_fn(|cx| transport.poll_flush(cx)).await;
        flushed.map_err(|_| Gone)
    }

    async fn next_value(&mut self) -> Result<Value, Broken> {
        loop {
            let next = self.decoder.next_value().map_err(|_| Broken::Garbled)?;
            if let Some(value) = next {
                return Ok(value);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Gone> {
        let (transport, input) = (&mut self.transport, &mut self.input);
        input.clear();
        let read = poll_fn(|cx| transport.poll_read(cx, input)).await;
        if read.map_err(|_| Gone)? == 0 {
            return Err(Gone);
        }
        self.decoder.push(&self.input);
        Ok(())
    }

    /// Waits for its end. What nobody has asked for is dropped, as in Envoy.
    async fn end(&mut self) {
        while self.read().await.is_ok() {
            loop {
                match self.decoder.next_value() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }
}

/// `MOVED SLOT ADDRESS`, or the same with `ASK`.
fn is_redirection(value: &Value) -> bool {
    let Value::Error(text) = value else {
        return false;
    };
    let words: Vec<_> = text
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    words.len() == 3 && matches!(words.first(), Some(&b"MOVED" | &b"ASK"))
}
