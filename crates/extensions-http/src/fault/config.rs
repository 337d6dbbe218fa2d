//! The messages of the fault filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::Fraction;
use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::{CompiledHeaderMatcher, FractionalPercent, HeaderMatcher};
use nuncio_contract::metadata_message::struct_of;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stream_info::metadata::Struct;

use super::runtime::Runtime;

message! {
    /// The filter's config, and a route's.
    pub(super) struct HttpFault: "envoy.extensions.filters.http.fault.v3.HTTPFault" {
        delay: Option<FaultDelay>,
        abort: Option<FaultAbort>,
        headers: Vec<HeaderMatcher>,
        downstream_nodes: Vec<String>,
        upstream_cluster: String,
        max_active_faults: Option<u32>,
        pub(super) delay_percent_runtime: String,
        pub(super) abort_percent_runtime: String,
        pub(super) delay_duration_runtime: String,
        pub(super) abort_http_status_runtime: String,
        pub(super) max_active_faults_runtime: String,
        pub(super) abort_grpc_status_runtime: String,
        response_rate_limit: Option<FaultRateLimit>,
        pub(super) response_rate_limit_percent_runtime: String,
        filter_metadata: Option<Arc<Json>>,
        inert disable_downstream_cluster_stats = "no counters are kept by downstream cluster";
    }
}

message! {
    /// How long some requests wait.
    pub(super) struct FaultDelay: "envoy.extensions.filters.common.fault.v3.FaultDelay" {
        oneof fault_delay_secifier: DelayKind,
        percentage: Option<FractionalPercent>,
    }
}

one_of! {
    /// Where the duration comes from.
    pub(super) enum DelayKind {
        fixed_delay => Fixed(Duration),
        header_delay => Header(HeaderDelay),
    }
}

message! {
    /// From `x-envoy-fault-delay-request`.
    pub(super) struct HeaderDelay: "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay" {}
}

message! {
    /// What some requests are answered with.
    pub(super) struct FaultAbort: "envoy.extensions.filters.http.fault.v3.FaultAbort" {
        oneof error_type: AbortKind,
        percentage: Option<FractionalPercent>,
        response_body: String,
    }
}

message! {
    /// How slow some responses are.
    pub(super) struct FaultRateLimit: "envoy.extensions.filters.common.fault.v3.FaultRateLimit" {
        oneof limit_type: LimitKind,
        percentage: Option<FractionalPercent>,
    }
}

one_of! {
    /// Where the speed comes from.
    pub(super) enum LimitKind {
        fixed_limit => Fixed(FixedLimit),
        header_limit => Header(HeaderLimit),
    }
}

message! {
    /// Always the same.
    pub(super) struct FixedLimit: "envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit" {
        limit_kbps: u64,
    }
}

message! {
    /// From `x-envoy-fault-throughput-response`.
    pub(super) struct HeaderLimit: "envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit" {}
}

one_of! {
    /// Where the status comes from.
    pub(super) enum AbortKind {
        http_status => Http(u32),
        grpc_status => Grpc(u32),
        header_abort => Header(HeaderAbort),
    }
}

message! {
    /// From `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request`.
    pub(super) struct HeaderAbort: "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort" {}
}

/// The compiled config of a chain or a route.
pub(super) struct Faults {
    pub(super) delay: Option<(Delay, Fraction)>,
    pub(super) abort: Option<(Abort, Fraction)>,
    /// What aborts say.
    pub(super) abort_body: Box<[u8]>,
    pub(super) rate: Option<(Rate, Fraction)>,
    /// What streams with a delay or an abort get as metadata.
    pub(super) metadata: Struct,
    pub(super) headers: Box<[CompiledHeaderMatcher]>,
    pub(super) downstream_nodes: Box<[String]>,
    /// Only requests to this cluster; empty for any.
    pub(super) upstream_cluster: Box<str>,
    pub(super) max_active: u64,
    pub(super) runtime: Runtime,
}

#[derive(Clone, Copy)]
pub(super) enum Delay {
    Fixed(Duration),
    FromHeader,
}

#[derive(Clone, Copy)]
pub(super) enum Abort {
    Http(u16),
    Grpc(u32),
    FromHeader,
}

/// How many KiB of a response pass in a second.
#[derive(Clone, Copy)]
pub(super) enum Rate {
    FixedKib(u64),
    FromHeader,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Faults>);

impl LevelConfig for Faults {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    Ok(Arc::new(ChainConfig(Arc::new(compile(
        &any.decode(ctx)?,
        ctx,
    )?))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(compile(&any.decode(ctx)?, ctx)?))
}

/// Without a percentage a fault never happens.
fn share(percentage: Option<&FractionalPercent>) -> Fraction {
    const NONE: Fraction = Fraction {
        numerator: 0,
        divisor: 100,
    };
    percentage.map_or(NONE, FractionalPercent::share)
}

fn compile(message: &HttpFault, ctx: &mut Ctx) -> Result<Faults, Refused> {
    let delay = message.delay.as_ref().map(|delay| {
        let kind = match &delay.fault_delay_secifier {
            DelayKind::Fixed(duration) => Delay::Fixed(*duration),
            DelayKind::Header(HeaderDelay { .. }) => Delay::FromHeader,
        };
        (kind, share(delay.percentage.as_ref()))
    });
    let abort = message.abort.as_ref().map(|abort| {
        let kind = match &abort.error_type {
            AbortKind::Http(status) => Abort::Http(u16::try_from(*status).unwrap_or(500)),
            AbortKind::Grpc(status) => Abort::Grpc(*status),
            AbortKind::Header(HeaderAbort { .. }) => Abort::FromHeader,
        };
        (kind, share(abort.percentage.as_ref()))
    });
    let abort_body = match &message.abort {
        Some(abort) if !abort.response_body.is_empty() => abort.response_body.as_bytes(),
        _ => b"fault filter abort",
    };
    let rate = message.response_rate_limit.as_ref().map(|rate| {
        let kind = match &rate.limit_type {
            LimitKind::Fixed(fixed) => Rate::FixedKib(fixed.limit_kbps),
            LimitKind::Header(HeaderLimit { .. }) => Rate::FromHeader,
        };
        (kind, share(rate.percentage.as_ref()))
    });
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|matcher| CompiledHeaderMatcher::compile(matcher, ctx))
        .collect();
    Ok(Faults {
        delay,
        abort,
        abort_body: abort_body.into(),
        rate,
        metadata: message
            .filter_metadata
            .as_deref()
            .map(struct_of)
            .unwrap_or_default(),
        headers: headers.into_iter().collect::<Result<_, _>>()?,
        downstream_nodes: message.downstream_nodes.clone().into_boxed_slice(),
        upstream_cluster: message.upstream_cluster.as_str().into(),
        max_active: message.max_active_faults.map_or(u64::MAX, u64::from),
        runtime: Runtime::compile(message, &ctx.runtime),
    })
}
