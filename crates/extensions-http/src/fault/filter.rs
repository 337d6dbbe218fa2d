//! What the fault filter does to a stream: perhaps a delay, then perhaps an abort.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{Abort, ChainConfig, Delay, Faults};
use super::runtime::{ClusterKeys, DownstreamClusters};

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
}

struct Shared {
    faults: Arc<Faults>,
    stats: Arc<FaultStats>,
    names: Names,
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
            clusters: DownstreamClusters::default(),
            faults: Arc::clone(&self.0),
            stats: context.scope.worker_group(),
            names: Names {
                delay: name("x-envoy-fault-delay-request"),
                delay_percentage: name("x-envoy-fault-delay-request-percentage"),
                abort: name("x-envoy-fault-abort-request"),
                abort_grpc: name("x-envoy-fault-abort-grpc-request"),
                abort_percentage: name("x-envoy-fault-abort-request-percentage"),
            },
        })))
    }
}

impl HttpFilterFactory for Factory {
    fn interest(&self) -> Interest {
        Interest {
            request_headers: true,
            ..Interest::default()
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(FaultFilter {
            shared: Rc::clone(&self.0),
            is_active: false,
        })
    }
}

struct FaultFilter {
    shared: Rc<Shared>,
    is_active: bool,
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
        let delay = faults
            .delay_of(context, &shared.names, cluster.as_deref())
            .filter(|_| self.may_inject(faults));
        let abort = faults
            .abort_of(context, &shared.names, cluster.as_deref())
            .filter(|_| self.may_inject(faults));
        drop(cluster);
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
        let mut reply = LocalReply::new(
            status,
            b"fault filter abort".as_slice(),
            "fault_filter_abort",
        )
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
