//! What the fault filter does to a stream: perhaps a delay, then perhaps an abort.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    DataStatus, FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, Late, PerRoute, Resume, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{Abort, ChainConfig, Delay, Faults, Rate};
use super::runtime::{ClusterKeys, DownstreamClusters};
use super::slow::Slow;

stat_group! {
    /// Injected faults, at `http.<stat_prefix>.`.
    pub struct FaultStats("fault.") {
        counters {
            aborts_injected,
            delays_injected,
            faults_overflow,
            response_rl_injected,
        }
        gauges {
            active_faults,
        }
    }
}

/// The headers by which a client chooses its fault.
struct Names {
    delay: HeaderName,
    delay_percentage: HeaderName,
    abort: HeaderName,
    abort_grpc: HeaderName,
    abort_percentage: HeaderName,
    rate: HeaderName,
    rate_percentage: HeaderName,
}

struct Shared {
    faults: Arc<Faults>,
    stats: Arc<FaultStats>,
    names: Names,
    /// The filter's name in the chain, under which it tells of faults.
    namespace: Box<str>,
    clusters: DownstreamClusters,
}

struct Factory(Rc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let name = |text: &'static str| {
            HeaderName::parse(text).unwrap_or_else(|_| HeaderName::from(Known::Path))
        };
        context.scope.register::<FaultStats>();
        Box::new(Factory(Rc::new(Shared {
            namespace: context.name.into(),
            clusters: DownstreamClusters::default(),
            faults: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            names: Names {
                delay: name("x-envoy-fault-delay-request"),
                delay_percentage: name("x-envoy-fault-delay-request-percentage"),
                abort: name("x-envoy-fault-abort-request"),
                abort_grpc: name("x-envoy-fault-abort-grpc-request"),
                abort_percentage: name("x-envoy-fault-abort-request-percentage"),
                rate: name("x-envoy-fault-throughput-response"),
                rate_percentage: name("x-envoy-fault-throughput-response-percentage"),
            },
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            response_body: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(FaultFilter {
            shared: Rc::clone(&self.0),
            is_active: false,
            slow: None,
        })
    }
}

struct FaultFilter {
    shared: Rc<Shared>,
    is_active: bool,
    /// The response's body, where it comes slowly.
    slow: Option<Box<Slow>>,
}

impl HttpFilter for FaultFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let shared = Rc::clone(&self.shared);
        let faults = context
            .route
            .most_specific::<Faults>()
            .unwrap_or(&shared.faults);
        if !faults.concern(context.request_headers, context.route) {
            return HeadersStatus::Continue;
        }
        let keys = &faults.runtime.keys;
        let cluster = shared.clusters.keys_of(context.request_headers, keys);
        if let Some(limit_kib) = faults.rate_of(context, &shared.names)
            && self.may_inject(faults)
        {
            shared.stats.response_rl_injected.inc();
            self.slow = Some(Box::new(Slow::new(limit_kib, context.services.now())));
        }
        let delay = faults
            .delay_of(context, &shared.names, cluster.as_deref())
            .filter(|_| self.may_inject(faults));
        let abort = faults
            .abort_of(context, &shared.names, cluster.as_deref())
            .filter(|_| self.may_inject(faults));
        drop(cluster);
        if delay.is_some() || abort.is_some() {
            let metadata = context.stream_info.dynamic_metadata_mut();
            metadata.merge(&shared.namespace, faults.metadata.clone());
        }
        let Some(delay) = delay else {
            return match abort {
                None => HeadersStatus::Continue,
                Some(reply) => {
                    shared.stats.aborts_injected.inc();
                    HeadersStatus::Reply(Box::new(reply))
                }
            };
        };
        shared.stats.delays_injected.inc();
        context.stream_info.response_flags |= ResponseFlags::DELAY_INJECTED;
        let sleep = context.services.sleep(delay);
        HeadersStatus::Wait(Box::pin(async move {
            sleep.await;
            match abort {
                None => Resume::Continue,
                Some(reply) => {
                    shared.stats.aborts_injected.inc();
                    Resume::Reply(Box::new(reply))
                }
            }
        }))
    }

    fn encode_data(
        &mut self,
        _context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        match &mut self.slow {
            None => DataStatus::Continue,
            Some(slow) => {
                slow.take(data, end_stream);
                DataStatus::Later
            }
        }
    }

    fn encode_trailers(
        &mut self,
        _context: &mut FilterContext<'_>,
        _trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        match &self.slow {
            Some(slow) if slow.has_more() => TrailersStatus::Later,
            _ => TrailersStatus::Continue,
        }
    }

    fn poll_encode_late(
        &mut self,
        context: &mut FilterContext<'_>,
        _response: &mut HeaderMap,
        cx: &mut Context<'_>,
    ) -> Poll<Late> {
        match &mut self.slow {
            None => Poll::Pending,
            Some(slow) => slow.poll(context.services, cx),
        }
    }

    fn on_destroy(&mut self) {
        if std::mem::take(&mut self.is_active) {
            self.shared.stats.active_faults.dec();
        }
    }
}

impl FaultFilter {
    /// Takes one of the places for active faults, once a stream.
    fn may_inject(&mut self, faults: &Faults) -> bool {
        if self.is_active {
            return true;
        }
        let active = u64::try_from(self.shared.stats.active_faults.share()).unwrap_or(0);
        if active >= faults.runtime.max_active.integer(faults.max_active) {
            self.shared.stats.faults_overflow.inc();
            return false;
        }
        self.shared.stats.active_faults.inc();
        self.is_active = true;
        true
    }
}

impl Faults {
    fn concern(&self, request: &HeaderMap, route: PerRoute<'_>) -> bool {
        let is_for_cluster = self.upstream_cluster.is_empty()
            || route.cluster_name() == Some(self.upstream_cluster.as_bytes());
        let node = || {
            request
                .get(Known::XEnvoyDownstreamServiceNode)
                .unwrap_or_default()
        };
        is_for_cluster
            && (self.downstream_nodes.is_empty()
                || self
                    .downstream_nodes
                    .iter()
                    .any(|name| name.as_bytes() == node()))
            && self.headers.iter().all(|matcher| matcher.matches(request))
    }

    /// How many KiB of the response pass in a second; none if it is not slowed down.
    fn rate_of(&self, context: &FilterContext<'_>, names: &Names) -> Option<u64> {
        let (rate, share) = self.rate.as_ref()?;
        let headers = &*context.request_headers;
        let (limit_kib, asked) = match rate {
            Rate::FixedKib(limit_kib) => (*limit_kib, None),
            Rate::FromHeader => (
                number(headers, &names.rate).filter(|limit_kib| *limit_kib > 0)?,
                number(headers, &names.rate_percentage),
            ),
        };
        let share = self.runtime.rate_percent.fraction(lowered(*share, asked));
        let is_chosen = share.chooses(context.services.random_u64());
        is_chosen.then_some(limit_kib)
    }

    fn delay_of(
        &self,
        context: &FilterContext<'_>,
        names: &Names,
        cluster: Option<&ClusterKeys>,
    ) -> Option<Duration> {
        let (delay, share) = self.delay.as_ref()?;
        let headers = &*context.request_headers;
        let (mut duration_ms, asked) = match delay {
            Delay::Fixed(duration) => {
                let fixed_ms = duration.as_millis();
                (u64::try_from(fixed_ms).unwrap_or(u64::MAX), None)
            }
            Delay::FromHeader => (
                number(headers, &names.delay)?,
                number(headers, &names.delay_percentage),
            ),
        };
        let percent = cluster.map_or(&self.runtime.delay_percent, |keys| &keys.delay_percent);
        let share = percent.fraction(lowered(*share, asked));
        if !share.chooses(context.services.random_u64()) {
            return None;
        }
        duration_ms = self.runtime.delay_duration.integer(duration_ms);
        if let Some(keys) = cluster {
            duration_ms = keys.delay_duration.integer(duration_ms);
        }
        (duration_ms > 0).then(|| Duration::from_millis(duration_ms))
    }

    fn abort_of(
        &self,
        context: &FilterContext<'_>,
        names: &Names,
        cluster: Option<&ClusterKeys>,
    ) -> Option<LocalReply> {
        let (abort, share) = self.abort.as_ref()?;
        let headers = &*context.request_headers;
        let (status, grpc_status, asked) = match abort {
            Abort::Http(status) => (*status, None, None),
            Abort::Grpc(status) => (200, Some(*status), None),
            Abort::FromHeader => {
                let asked = number(headers, &names.abort_percentage);
                match number(headers, &names.abort).filter(|status| (200..600).contains(status)) {
                    Some(status) => (u16::try_from(status).ok()?, None, asked),
                    None => (
                        200,
                        Some(u32::try_from(number(headers, &names.abort_grpc)?).ok()?),
                        asked,
                    ),
                }
            }
        };
        let percent = cluster.map_or(&self.runtime.abort_percent, |keys| &keys.abort_percent);
        let share = percent.fraction(lowered(*share, asked));
        if !share.chooses(context.services.random_u64()) {
            return None;
        }
        let status = match grpc_status {
            None => {
                let general = &self.runtime.abort_http_status;
                let key = cluster.map_or(general, |keys| &keys.abort_http_status);
                abort_status(status, key)
            }
            Some(_) => status,
        };
        let mut reply = LocalReply::new(status, self.abort_body.to_vec(), "fault_filter_abort")
            .with_flags(ResponseFlags::FAULT_INJECTED);
        reply.grpc_status = grpc_status.map(|status| {
            let status = self.runtime.abort_grpc_status.integer(status.into());
            u32::try_from(status).unwrap_or(u32::MAX)
        });
        Some(reply)
    }
}

/// A status of runtime that no answer can have does not count.
fn abort_status(configured: u16, key: &RuntimeKey) -> u16 {
    let status = u16::try_from(key.integer(configured.into())).ok();
    status
        .filter(|status| (200..1000).contains(status))
        .unwrap_or(configured)
}

/// A client may ask for a lower share.
fn lowered(share: Fraction, asked: Option<u64>) -> Fraction {
    let limit = asked.map_or(u32::MAX, |asked| u32::try_from(asked).unwrap_or(u32::MAX));
    Fraction {
        numerator: share.numerator.min(limit),
        ..share
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    std::str::from_utf8(headers.get(name)?).ok()?.parse().ok()
}
