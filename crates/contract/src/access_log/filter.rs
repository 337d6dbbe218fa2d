//! Which streams an access log takes: `envoy.config.accesslog.v3.AccessLogFilter`, compiled.

use std::sync::Arc;

use nuncio_config::runtime::{Fraction, RuntimeKey};
use nuncio_config::typed::{Ctx, Refused};
use nuncio_config::{enumeration, message, one_of};

use super::extension_filter::{self, ExtensionFilter};
use crate::cel::Expression;
use crate::formatter::{AccessLogType, FormatContext, GrpcStatus};
use crate::headers::{HeaderMap, Known};
use crate::matching::{
    CompiledHeaderMatcher, CompiledValueMatcher, FractionalPercent, HeaderMatcher, PathSegment,
    ValueMatcher,
};
use crate::stream_info::{ResponseFlags, TraceReason};

message! {
    /// A filter.
    pub struct AccessLogFilter: "envoy.config.accesslog.v3.AccessLogFilter" {
        pub(crate) oneof filter_specifier: FilterSpecifier,
    }
}

one_of! {
    /// The kinds of filter.
    pub enum FilterSpecifier {
        status_code_filter => StatusCode(StatusCodeFilter),
        duration_filter => Duration(DurationFilter),
        not_health_check_filter => NotHealthCheck(()),
        traceable_filter => Traceable(()),
        runtime_filter => Runtime(RuntimeFilter),
        and_filter => And(AndFilter),
        or_filter => Or(OrFilter),
        header_filter => Header(HeaderFilter),
        response_flag_filter => ResponseFlag(ResponseFlagFilter),
        grpc_status_filter => GrpcStatus(GrpcStatusFilter),
        metadata_filter => Metadata(MetadataFilter),
        extension_filter => Extension(ExtensionFilter),
        log_type_filter => LogType(LogTypeFilter),
    }
}

message! {
    /// By HTTP status; none counts as 0.
    pub struct StatusCodeFilter: "envoy.config.accesslog.v3.StatusCodeFilter" {
        pub(crate) comparison: ComparisonFilter,
    }
}

message! {
    /// By duration in milliseconds.
    pub struct DurationFilter: "envoy.config.accesslog.v3.DurationFilter" {
        pub(crate) comparison: ComparisonFilter,
    }
}

message! {
    /// A comparison with a number.
    pub struct ComparisonFilter: "envoy.config.accesslog.v3.ComparisonFilter" {
        pub(crate) op: Op,
        pub(crate) value: RuntimeUInt32,
    }
}

enumeration! {
    /// How a number is compared.
    pub enum Op: "envoy.config.accesslog.v3.ComparisonFilter.Op" {
        EQ => Eq,
        GE => Ge,
        LE => Le,
        NE => Ne,
    }
}

message! {
    /// A number that a runtime key may override.
    pub struct RuntimeUInt32: "envoy.config.core.v3.RuntimeUInt32" {
        pub(crate) default_value: u32,
        pub(crate) runtime_key: RuntimeKey,
    }
}

message! {
    /// A share of all streams.
    pub struct RuntimeFilter: "envoy.config.accesslog.v3.RuntimeFilter" {
        pub(crate) runtime_key: RuntimeKey,
        pub(crate) percent_sampled: Option<FractionalPercent>,
        pub(crate) use_independent_randomness: bool,
    }
}

message! {
    /// All of some filters.
    pub struct AndFilter: "envoy.config.accesslog.v3.AndFilter" {
        pub(crate) filters: Vec<AccessLogFilter>,
    }
}

message! {
    /// Any of some filters.
    pub struct OrFilter: "envoy.config.accesslog.v3.OrFilter" {
        pub(crate) filters: Vec<AccessLogFilter>,
    }
}

message! {
    /// By a header of the request.
    pub struct HeaderFilter: "envoy.config.accesslog.v3.HeaderFilter" {
        pub(crate) header: HeaderMatcher,
    }
}

message! {
    /// By response flags; an empty list takes any flag.
    pub struct ResponseFlagFilter: "envoy.config.accesslog.v3.ResponseFlagFilter" {
        pub(crate) flags: Vec<String>,
    }
}

message! {
    /// By gRPC status.
    pub struct GrpcStatusFilter: "envoy.config.accesslog.v3.GrpcStatusFilter" {
        pub(crate) statuses: Vec<GrpcStatusName>,
        pub(crate) exclude: bool,
    }
}

enumeration! {
    /// gRPC statuses by name.
    pub enum GrpcStatusName: "envoy.config.accesslog.v3.GrpcStatusFilter.Status" {
        OK => Ok,
        CANCELED => Canceled,
        UNKNOWN => Unknown,
        INVALID_ARGUMENT => InvalidArgument,
        DEADLINE_EXCEEDED => DeadlineExceeded,
        NOT_FOUND => NotFound,
        ALREADY_EXISTS => AlreadyExists,
        PERMISSION_DENIED => PermissionDenied,
        RESOURCE_EXHAUSTED => ResourceExhausted,
        FAILED_PRECONDITION => FailedPrecondition,
        ABORTED => Aborted,
        OUT_OF_RANGE => OutOfRange,
        UNIMPLEMENTED => Unimplemented,
        INTERNAL => Internal,
        UNAVAILABLE => Unavailable,
        DATA_LOSS => DataLoss,
        UNAUTHENTICATED => Unauthenticated,
    }
}

message! {
    /// By dynamic metadata.
    pub struct MetadataFilter: "envoy.config.accesslog.v3.MetadataFilter" {
        pub(crate) matcher: Option<MetadataMatcher>,
        pub(crate) match_if_key_not_found: Option<bool>,
    }
}

message! {
    /// Where a value is and what it has to be like.
    pub struct MetadataMatcher: "envoy.type.matcher.v3.MetadataMatcher" {
        pub(crate) filter: String,
        pub(crate) path: Vec<PathSegment>,
        pub(crate) value: ValueMatcher,
        inert invert = "Envoy's access logs ignore it",
    }
}

message! {
    /// By the moment of logging.
    pub struct LogTypeFilter: "envoy.config.accesslog.v3.LogTypeFilter" {
        pub(crate) types: Vec<LogTypeName>,
        pub(crate) exclude: bool,
    }
}

enumeration! {
    /// Moments of logging by name.
    pub enum LogTypeName: "envoy.data.accesslog.v3.AccessLogType" {
        NotSet => NotSet,
        TcpUpstreamConnected => TcpUpstreamConnected,
        TcpPeriodic => TcpPeriodic,
        TcpConnectionEnd => TcpConnectionEnd,
        DownstreamStart => DownstreamStart,
        DownstreamPeriodic => DownstreamPeriodic,
        DownstreamEnd => DownstreamEnd,
        UpstreamPoolReady => UpstreamPoolReady,
        UpstreamPeriodic => UpstreamPeriodic,
        UpstreamEnd => UpstreamEnd,
        DownstreamTunnelSuccessfullyEstablished => DownstreamTunnelSuccessfullyEstablished,
        UdpTunnelUpstreamConnected => UdpTunnelUpstreamConnected,
        UdpPeriodic => UdpPeriodic,
        UdpSessionEnd => UdpSessionEnd,
    }
}

impl LogTypeName {
    /// The moment itself.
    pub fn log_type(self) -> AccessLogType {
        match self {
            LogTypeName::NotSet => AccessLogType::NotSet,
            LogTypeName::TcpUpstreamConnected => AccessLogType::TcpUpstreamConnected,
            LogTypeName::TcpPeriodic => AccessLogType::TcpPeriodic,
            LogTypeName::TcpConnectionEnd => AccessLogType::TcpConnectionEnd,
            LogTypeName::DownstreamStart => AccessLogType::DownstreamStart,
            LogTypeName::DownstreamPeriodic => AccessLogType::DownstreamPeriodic,
            LogTypeName::DownstreamEnd => AccessLogType::DownstreamEnd,
            LogTypeName::UpstreamPoolReady => AccessLogType::UpstreamPoolReady,
            LogTypeName::UpstreamPeriodic => AccessLogType::UpstreamPeriodic,
            LogTypeName::UpstreamEnd => AccessLogType::UpstreamEnd,
            LogTypeName::DownstreamTunnelSuccessfullyEstablished => {
                AccessLogType::DownstreamTunnelSuccessfullyEstablished
            }
            LogTypeName::UdpTunnelUpstreamConnected => AccessLogType::UdpTunnelUpstreamConnected,
            LogTypeName::UdpPeriodic => AccessLogType::UdpPeriodic,
            LogTypeName::UdpSessionEnd => AccessLogType::UdpSessionEnd,
        }
    }
}

/// A compiled filter. Nesting is bounded by the config loader's depth. Cheap to copy.
#[derive(Clone, Debug)]
pub struct CompiledFilter(Arc<Filter>);

#[derive(Debug)]
enum Filter {
    StatusCode(Comparison),
    Duration(Comparison),
    NotHealthCheck,
    Traceable,
    Sampled {
        percent: Fraction,
        key: RuntimeKey,
        independent: bool,
    },
    All(Box<[CompiledFilter]>),
    Any(Box<[CompiledFilter]>),
    Header(CompiledHeaderMatcher),
    Flags(Option<ResponseFlags>),
    /// A bit for each status.
    GrpcStatus {
        wanted: u32,
        exclude: bool,
    },
    Metadata {
        matcher: Option<MetadataMatch>,
        if_missing: bool,
    },
    Expression(Expression),
    /// A bit for each type.
    LogType {
        wanted: u32,
        exclude: bool,
    },
}

#[derive(Clone, Debug)]
struct Comparison {
    op: Op,
    default: u64,
    key: RuntimeKey,
}

#[derive(Debug)]
struct MetadataMatch {
    namespace: Box<str>,
    path: Box<[Box<str>]>,
    value: CompiledValueMatcher,
}

impl CompiledFilter {
    /// Compiles; what is wrong is reported at its place.
    pub fn compile(filter: &AccessLogFilter, ctx: &mut Ctx) -> Result<Self, Refused> {
        Ok(CompiledFilter(Arc::new(match &filter.filter_specifier {
            FilterSpecifier::StatusCode(filter) => {
                Filter::StatusCode(Comparison::of(&filter.comparison))
            }
            FilterSpecifier::Duration(filter) => {
                Filter::Duration(Comparison::of(&filter.comparison))
            }
            FilterSpecifier::NotHealthCheck(()) => Filter::NotHealthCheck,
            FilterSpecifier::Traceable(()) => Filter::Traceable,
            FilterSpecifier::Runtime(filter) => Filter::Sampled {
                percent: percent(filter),
                key: filter.runtime_key.clone(),
                independent: filter.use_independent_randomness,
            },
            FilterSpecifier::And(filter) => Filter::All(compile_all(&filter.filters, ctx)?),
            FilterSpecifier::Or(filter) => Filter::Any(compile_all(&filter.filters, ctx)?),
            FilterSpecifier::Header(filter) => {
                Filter::Header(CompiledHeaderMatcher::compile(&filter.header, ctx)?)
            }
            FilterSpecifier::ResponseFlag(filter) => Filter::Flags(flags(&filter.flags)),
            FilterSpecifier::GrpcStatus(filter) => Filter::GrpcStatus {
                wanted: bits(filter.statuses.iter().map(|status| *status as u32)),
                exclude: filter.exclude,
            },
            FilterSpecifier::Metadata(filter) => metadata(filter, ctx)?,
            FilterSpecifier::Extension(filter) => {
                Filter::Expression(extension_filter::compile(filter, ctx)?)
            }
            FilterSpecifier::LogType(filter) => Filter::LogType {
                wanted: bits(filter.types.iter().map(|name| *name as u32)),
                exclude: filter.exclude,
            },
        })))
    }

    /// Whether the stream is to be logged.
    pub fn matches(&self, context: &FormatContext<'_>) -> bool {
        let info = context.stream_info;
        match &*self.0 {
            Filter::StatusCode(comparison) => {
                comparison.holds(info.response_code.unwrap_or(0).into())
            }
            Filter::Duration(comparison) => {
                let milliseconds = info.duration(context.services.now()).as_millis();
                comparison.holds(u64::try_from(milliseconds).unwrap_or(u64::MAX))
            }
            Filter::NotHealthCheck => !info.health_check,
            Filter::Traceable => {
                !info.health_check && info.trace_reason == TraceReason::ServiceForced
            }
            Filter::Sampled {
                percent,
                key,
                independent,
            } => sampled(*percent, key, random(context, *independent)),
            Filter::All(filters) => filters.iter().all(|filter| filter.matches(context)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.matches(context)),
            Filter::Header(matcher) => match context.request_headers {
                Some(headers) => matcher.matches(headers),
                None => matcher.matches(&HeaderMap::request()),
            },
            Filter::Flags(None) => !info.response_flags.is_empty(),
            Filter::Flags(Some(flags)) => info.response_flags.intersects(*flags),
            Filter::GrpcStatus { wanted, exclude } => {
                const UNKNOWN: i64 = 2;
                let status =
                    GrpcStatus::of_stream(context, false).map_or(UNKNOWN, GrpcStatus::as_i64);
                u32::try_from(status).is_ok_and(|status| has_bit(*wanted, status)) != *exclude
            }
            Filter::Metadata {
                matcher,
                if_missing,
            } => match matcher {
                Some(matcher) => matcher.matches(context).unwrap_or(*if_missing),
                None => *if_missing,
            },
            Filter::Expression(expression) => extension_filter::matches(expression, context),
            Filter::LogType { wanted, exclude } => has_bit(*wanted, log_type(context)) != *exclude,
        }
    }
}

fn percent(filter: &RuntimeFilter) -> Fraction {
    const NONE: Fraction = Fraction {
        numerator: 0,
        divisor: 100,
    };
    let percent = filter.percent_sampled.as_ref();
    percent.map_or(NONE, FractionalPercent::share)
}

/// A runtime value takes the numerator's place here, whatever the denominator; one that is a fraction counts not.
fn sampled(percent: Fraction, key: &RuntimeKey, random: u64) -> bool {
    let numerator = key.integer(percent.numerator.into());
    Fraction {
        numerator: u32::try_from(numerator).unwrap_or(u32::MAX),
        ..percent
    }
    .chooses(random)
}

fn compile_all(
    filters: &[AccessLogFilter],
    ctx: &mut Ctx,
) -> Result<Box<[CompiledFilter]>, Refused> {
    let compiled: Vec<_> = filters
        .iter()
        .map(|filter| CompiledFilter::compile(filter, ctx))
        .collect();
    compiled.into_iter().collect()
}

fn log_type(context: &FormatContext<'_>) -> u32 {
    let log_type: AccessLogType = context.access_log_type;
    log_type as u32
}

/// A number of the stream's own (the first 32 bits of its request id), so that all logs choose the same
/// streams; of the worker's random source where there is none.
fn random(context: &FormatContext<'_>, independent: bool) -> u64 {
    let of_request = || {
        let id = context.request_headers?.get_str(Known::XRequestId)?;
        const UUID_LENGTH: usize = 36;
        let head = id.get(..8).filter(|_| id.len() >= UUID_LENGTH)?;
        u64::from_str_radix(head, 16).ok()
    };
    let own = if independent { None } else { of_request() };
    own.unwrap_or_else(|| context.services.random_u64())
}

fn flags(names: &[String]) -> Option<ResponseFlags> {
    // The names have been validated against the API's list, which is that of the flags.
    let known = names
        .iter()
        .filter_map(|name| ResponseFlags::from_short_name(name));
    (!names.is_empty()).then(|| known.fold(ResponseFlags::NONE, |all, flag| all | flag))
}

fn metadata(filter: &MetadataFilter, ctx: &mut Ctx) -> Result<Filter, Refused> {
    let matcher = filter.matcher.as_ref().map(|matcher| {
        Ok(MetadataMatch {
            namespace: matcher.filter.as_str().into(),
            path: matcher.path.iter().map(PathSegment::key).collect(),
            value: CompiledValueMatcher::compile(&matcher.value, ctx)?,
        })
    });
    Ok(Filter::Metadata {
        matcher: matcher.transpose()?,
        if_missing: filter.match_if_key_not_found.unwrap_or(true),
    })
}

impl MetadataMatch {
    fn matches(&self, context: &FormatContext<'_>) -> Option<bool> {
        let metadata = context.stream_info.dynamic_metadata()?;
        let value = metadata.value(&self.namespace, &self.path)?;
        Some(self.value.matches(value))
    }
}

impl Comparison {
    fn of(filter: &ComparisonFilter) -> Self {
        Comparison {
            op: filter.op,
            default: filter.value.default_value.into(),
            key: filter.value.runtime_key.clone(),
        }
    }

    fn holds(&self, number: u64) -> bool {
        let value = self.key.integer(self.default);
        match self.op {
            Op::Eq => number == value,
            Op::Ge => number >= value,
            Op::Le => number <= value,
            Op::Ne => number != value,
        }
    }
}

fn bits(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.fold(0, |bits, number| {
        bits | 1u32.checked_shl(number).unwrap_or(0)
    })
}

fn has_bit(bits: u32, number: u32) -> bool {
    bits.checked_shr(number).unwrap_or(0) & 1 == 1
}
