//! What the fault filter does to a stream: perhaps a delay, then perhaps an abort.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};
use nuncio_contract::http_filter::{
    FilterContext, FilterWorkerContext, HeadersStatus, HttpFilter, HttpFilterConfig,
    HttpFilterFactory, Interest, PerRoute, Resume,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::matching::FractionalPercent;
use nuncio_contract::stat_group;
use nuncio_contract::stream_info::ResponseFlags;

use super::config::{Abort, ChainConfig, Delay, Faults};

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
}

struct Factory(Arc<Shared>);

impl HttpFilterConfig for ChainConfig {
    fn for_worker(&self, context: &FilterWorkerContext<'_>) -> Box<dyn HttpFilterFactory> {
        let name = |text: &'static str| {
            HeaderName::parse(text).unwrap_or_else(|_| HeaderName::from(Known::Path))
        };
        context.scope.register::<FaultStats>();
        Box::new(Factory(Arc::new(Shared {
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
            shared: Arc::clone(&self.0),
            is_active: false,
        })
    }
}

struct FaultFilter {
    shared: Arc<Shared>,
    is_active: bool,
}

impl HttpFilter for FaultFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        _end_stream: bool,
    ) -> HeadersStatus {
        let shared = Arc::clone(&self.shared);
        let faults = context
            .route
            .most_specific::<Faults>()
            .unwrap_or(&shared.faults);
        if !faults.concern(context.request_headers, context.route) {
            return HeadersStatus::Continue;
        }
        let delay = faults
            .delay_of(context, &shared.names)
            .filter(|_| self.may_inject(faults));
        let abort = faults
            .abort_of(context, &shared.names)
            .filter(|_| self.may_inject(faults));
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
        if active >= faults.max_active {
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

    fn delay_of(&self, context: &FilterContext<'_>, names: &Names) -> Option<Duration> {
        let (delay, percentage) = self.delay.as_ref()?;
        let (duration, asked) = match delay {
            Delay::Fixed(duration) => (*duration, None),
            Delay::FromHeader => (
                Duration::from_millis(number(context.request_headers, &names.delay)?),
                number(context.request_headers, &names.delay_percentage),
            ),
        };
        (!duration.is_zero() && chosen(percentage.as_ref(), asked, context)).then_some(duration)
    }

    fn abort_of(&self, context: &FilterContext<'_>, names: &Names) -> Option<LocalReply> {
        let (abort, percentage) = self.abort.as_ref()?;
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
        if !chosen(percentage.as_ref(), asked, context) {
            return None;
        }
        let mut reply = LocalReply::new(
            status,
            b"fault filter abort".as_slice(),
            "fault_filter_abort",
        )
        .with_flags(ResponseFlags::FAULT_INJECTED);
        reply.grpc_status = grpc_status;
        Some(reply)
    }
}

/// Whether the request is among the chosen ones; a client may ask for a lower percentage. None means none.
fn chosen(
    percentage: Option<&FractionalPercent>,
    asked: Option<u64>,
    context: &FilterContext<'_>,
) -> bool {
    let random = context.services.random_u64();
    percentage.is_some_and(|percentage| match asked {
        Some(asked) => percentage
            .lowered_to(u32::try_from(asked).unwrap_or(u32::MAX))
            .chooses(random),
        None => percentage.chooses(random),
    })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    std::str::from_utf8(headers.get(name)?).ok()?.parse().ok()
}
