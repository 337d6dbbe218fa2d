//! What the filter does to a connection.

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::network_filter::{
    LookingOn, NetworkContext, NetworkFilter, NetworkFilterConfig, NetworkFilterFactory,
    NetworkStatus, Shaped,
};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Gauge, Scope};

use super::config::{Config, Settings};

/// From the client.
const READ: usize = 0;
/// To the client.
const WRITE: usize = 1;
/// The rate is told of so much time or more.
const RATE_TIME: Duration = Duration::from_secs(1);

stat_group! {
    /// What passes and waits, at `<stat_prefix>.tcp_bandwidth_limit.`.
    pub struct TcpBandwidthLimitStats("") {
        counters {
            read_enabled, read_throttled, read_total_bytes, write_enabled, write_throttled, write_total_bytes
        }
        gauges { read_bytes_buffered, read_rate_bps, write_bytes_buffered, write_rate_bps }
    }
}

/// Those of one direction.
struct OfDirection<'a> {
    enabled: &'a Counter,
    throttled: &'a Counter,
    total_bytes: &'a Counter,
    bytes_buffered: &'a Gauge,
    rate_bps: &'a Gauge,
}

impl TcpBandwidthLimitStats {
    fn of(&self, direction: usize) -> OfDirection<'_> {
        match direction {
            READ => OfDirection {
                enabled: &self.read_enabled,
                throttled: &self.read_throttled,
                total_bytes: &self.read_total_bytes,
                bytes_buffered: &self.read_bytes_buffered,
                rate_bps: &self.read_rate_bps,
            },
            _ => OfDirection {
                enabled: &self.write_enabled,
                throttled: &self.write_throttled,
                total_bytes: &self.write_total_bytes,
                bytes_buffered: &self.write_bytes_buffered,
                rate_bps: &self.write_rate_bps,
            },
        }
    }
}

struct Shared {
    settings: Arc<Settings>,
    stats: Arc<TcpBandwidthLimitStats>,
}

impl NetworkFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn NetworkFilterFactory> {
        let scope = root.scope(&format!("{}.tcp_bandwidth_limit", self.0.stat_prefix));
        Box::new(Shared {
            settings: Arc::clone(&self.0),
            stats: scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        })
    }

    /// Whatever it limits: what waits passes in parts, which the TCP proxy alone knows how to take.
    fn sees_answers(&self) -> bool {
        true
    }
}

impl NetworkFilterFactory for Shared {
    fn wants_data(&self) -> bool {
        true
    }

    fn sees_answers(&self) -> bool {
        true
    }

    fn create(&self) -> Box<dyn NetworkFilter> {
        let flow = |direction| Flow {
            settings: Arc::clone(&self.settings),
            stats: Arc::clone(&self.stats),
            direction,
            held: Vec::new(),
            ends: false,
            has_waited: false,
            rate_bytes: 0,
            rate_since: None,
        };
        Box::new(Limiting([flow(READ), flow(WRITE)]))
    }
}

/// Both directions of a connection.
struct Limiting([Flow; 2]);

impl NetworkFilter for Limiting {
    fn on_new_connection(&mut self, context: &mut NetworkContext<'_>) -> NetworkStatus {
        let now = context.services.now();
        let flows = self.0.iter_mut();
        flows.for_each(|flow| flow.rate_since = Some(now));
        NetworkStatus::Continue
    }

    fn on_data(
        &mut self,
        context: &mut NetworkContext<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> NetworkStatus {
        let [flow, _] = &mut self.0;
        let held = flow.pass(&context.looking_on(), data, end_stream);
        held.map_or(NetworkStatus::Continue, NetworkStatus::Shape)
    }

    fn shape_answer(
        &mut self,
        context: &mut LookingOn<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Option<LocalFuture<Shaped>> {
        let [_, flow] = &mut self.0;
        flow.pass(context, data, end_stream)
    }
}

/// A direction of a connection.
struct Flow {
    settings: Arc<Settings>,
    stats: Arc<TcpBandwidthLimitStats>,
    direction: usize,
    /// What waits, and whether nothing follows it.
    held: Vec<u8>,
    ends: bool,
    has_waited: bool,
    rate_bytes: u64,
    rate_since: Option<Instant>,
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.note_held(0, self.held.len());
    }
}

impl Flow {
    /// What may pass of what has come or waits; none if all that has come does.
    fn pass(
        &mut self,
        context: &LookingOn<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Option<LocalFuture<Shaped>> {
        if !self.held.is_empty() {
            self.held.extend_from_slice(data);
            self.note_held(data.len(), 0);
            self.ends |= end_stream;
            return Some(self.pass_held(context));
        }
        let enabled = self.settings.enabled.as_ref();
        let bucket = self.settings.buckets.get(self.direction)?.as_ref()?;
        if enabled.is_some_and(|flag| !flag.is_on()) {
            return None;
        }
        let stats = self.stats.of(self.direction);
        stats.enabled.inc();
        let now = context.services.now();
        let count = bucket.take_up_to(bytes(data.len()), now);
        let (passing, waiting) = data.split_at_checked(usize::try_from(count).ok()?)?;
        if waiting.is_empty() {
            self.note_passed(count, now);
            return None;
        }
        stats.throttled.inc();
        self.held = waiting.to_vec();
        self.ends = end_stream;
        self.has_waited = false;
        self.note_held(waiting.len(), 0);
        if passing.is_empty() {
            return Some(self.pass_held(context));
        }
        let passing = passing.to_vec();
        self.note_passed(count, now);
        Some(Box::pin(ready(Shaped::part(passing))))
    }

    /// What may pass of what waits, at the end of a wait; or a wait.
    fn pass_held(&mut self, context: &LookingOn<'_>) -> LocalFuture<Shaped> {
        if !std::mem::replace(&mut self.has_waited, true) {
            let wait = context.services.sleep(self.settings.fill_interval);
            return Box::pin(async move {
                wait.await;
                Shaped::part(Vec::new())
            });
        }
        self.has_waited = false;
        let now = context.services.now();
        let bucket = self.settings.buckets.get(self.direction);
        let bucket = bucket.and_then(Option::as_ref);
        let waiting = bytes(self.held.len());
        let count = bucket.map_or(waiting, |bucket| bucket.take_up_to(waiting, now));
        let count_here =
            usize::try_from(count).map_or(self.held.len(), |it| it.min(self.held.len()));
        let rest = self.held.split_off(count_here);
        let passing = std::mem::replace(&mut self.held, rest);
        self.note_held(0, count_here);
        if count > 0 {
            self.note_passed(count, now);
        }
        Box::pin(ready(match self.held.is_empty() {
            true => Shaped {
                instead: Some(passing),
                end_stream: self.ends,
                is_part: false,
                conclusion: None,
            },
            false => Shaped::part(passing),
        }))
    }

    fn note_held(&self, more: usize, less: usize) {
        let gauge = self.stats.of(self.direction).bytes_buffered;
        gauge.add(bytes(more));
        gauge.sub(bytes(less));
    }

    fn note_passed(&mut self, count: u64, now: Instant) {
        let stats = self.stats.of(self.direction);
        stats.total_bytes.add(count);
        self.rate_bytes = self.rate_bytes.saturating_add(count);
        let since = *self.rate_since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= RATE_TIME {
            let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            let rate = self.rate_bytes.saturating_mul(1000) / elapsed_ms.max(1);
            stats.rate_bps.set(rate);
            self.rate_bytes = 0;
            self.rate_since = Some(now);
        }
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
