//! `HealthCheck`: how a cluster's hosts are checked.
//!
//! Of checks that are extensions there are Redis and Thrift. Refused: HTTP/3, other extensions, and the service that is told of
//! events.

pub(super) mod messages;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::access_log::AccessLogFiles;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::matching::{CompiledStringMatcher, Int64Range};
use nuncio_contract::metadata_message::struct_of;

use super::messages::Cluster;
use crate::cluster::UpstreamProtocol;
use crate::health_check::{
    ActiveChecks, AlwaysLog, Check, GrpcProbe, HttpProbe, Probe, RedisProbe, Segments, TcpProbe,
    Thresholds, ThriftProbe, Timing, from_hex,
};
use crate::proxy_protocol::ProxyVersion;
use messages::{
    CodecClientType, CustomConfig, CustomHealthCheck, EventFileSink, GrpcHealthCheck, HealthCheck,
    HealthChecker, HttpHealthCheck, Payload, PayloadKind, ProxyProtocolVersion, RedisHealthCheck,
    RequestMethod, TcpHealthCheck, ThriftHealthCheck,
};

const FILE_SINK: &str =
    "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink";
const REDIS: &str = "envoy.extensions.health_checkers.redis.v3.Redis";
const THRIFT: &str = "envoy.extensions.health_checkers.thrift.v3.Thrift";
/// How much of a response's body is looked at.
const DEFAULT_RESPONSE_BUFFER_BYTES: u64 = 1024;
/// The most that is kept of it where the configuration has no limit.
const MOST_RESPONSE_BUFFER_BYTES: u64 = 16 << 20;

/// The checks of a cluster, if it has some. That several have names of their own is looked at with the whole
/// configuration.
pub(super) fn read(
    cluster: &Cluster,
    protocol: UpstreamProtocol,
    ctx: &mut Ctx,
) -> Result<Option<Arc<ActiveChecks>>, Refused> {
    if cluster.health_checks.is_empty() {
        return Ok(None);
    }
    let checks = cluster.health_checks.iter();
    let checks = checks.map(|check| Ok(Arc::new(one(check, cluster, protocol, ctx)?)));
    let common = cluster.common_lb_config.as_ref();
    Ok(Some(Arc::new(ActiveChecks {
        excludes_new_hosts: common.is_some_and(|common| common.ignore_new_hosts_until_first_hc),
        ignores_health_on_removal: cluster.ignore_health_on_host_removal,
        ..ActiveChecks::new(checks.collect::<Result<_, Refused>>()?)
    })))
}

fn one(
    check: &HealthCheck,
    cluster: &Cluster,
    protocol: UpstreamProtocol,
    ctx: &mut Ctx,
) -> Result<Check, Refused> {
    let probe = match &check.health_checker {
        HealthChecker::Http(http) => Probe::Http(Box::new(http.compile(ctx)?)),
        HealthChecker::Tcp(tcp) => Probe::Tcp(tcp.compile(ctx)?),
        HealthChecker::Grpc(grpc) => {
            if protocol != UpstreamProtocol::Http2 {
                let name = &cluster.name.value;
                let text = format!("{name} cluster must support HTTP/2 for gRPC healthchecking");
                ctx.error(grpc.span(), text);
                return Err(Refused);
            }
            Probe::Grpc(Box::new(grpc.compile(ctx)?))
        }
        HealthChecker::Custom(custom) => custom.compile(ctx)?,
    };
    let thresholds = Thresholds {
        healthy: check.healthy_threshold,
        unhealthy: check.unhealthy_threshold,
    };
    let alpn = check.tls_options.as_ref();
    let alpn = alpn.map(|options| options.alpn_protocols.as_slice());
    Ok(Check {
        name: check.name.as_str().into(),
        always_log: AlwaysLog {
            failures: check.always_log_health_check_failures,
            successes: check.always_log_health_check_success,
        },
        reuses_connection: check.reuse_connection.unwrap_or(true),
        alpn: alpn
            .unwrap_or_default()
            .iter()
            .map(|name| name.clone().into_bytes())
            .collect(),
        socket_criteria: check
            .transport_socket_match_criteria
            .as_ref()
            .map(|criteria| struct_of(criteria)),
        ..Check::new(
            timing(check, ctx),
            thresholds,
            probe,
            event_logs(check, ctx)?,
        )
    })
}

fn timing(check: &HealthCheck, ctx: &mut Ctx) -> Timing {
    let interval = milliseconds(check.interval);
    let or = |duration: Option<Duration>, default| duration.map_or(default, milliseconds);
    let no_traffic = or(check.no_traffic_interval, 60_000);
    let unhealthy = or(check.unhealthy_interval, interval);
    Timing {
        timeout: Duration::from_millis(milliseconds(check.timeout)),
        interval_ms: interval,
        no_traffic_interval_ms: no_traffic,
        no_traffic_healthy_interval_ms: or(check.no_traffic_healthy_interval, no_traffic),
        unhealthy_interval_ms: unhealthy,
        unhealthy_edge_interval_ms: or(check.unhealthy_edge_interval, unhealthy),
        healthy_edge_interval_ms: or(check.healthy_edge_interval, interval),
        initial_jitter_ms: or(check.initial_jitter, 0),
        interval_jitter_ms: or(check.interval_jitter, 0),
        interval_jitter_percent: check.interval_jitter_percent,
        min_interval: ctx.runtime.key("health_check.min_interval"),
        max_interval: ctx.runtime.key("health_check.max_interval"),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn event_logs(check: &HealthCheck, ctx: &mut Ctx) -> Result<Vec<Spanned<String>>, Refused> {
    let mut paths = Vec::new();
    if !check.event_log_path.value.is_empty() {
        paths.push(check.event_log_path.clone());
    }
    for logger in &check.event_logger {
        let any = &logger.typed_config;
        if any.type_name() != FILE_SINK {
            let what = format!("the sink of health check events `{}`", any.type_name());
            return Err(ctx.unsupported_here(any.span, what));
        }
        paths.push(any.decode::<EventFileSink>(ctx)?.event_log_path);
    }
    Ok(paths)
}

/// Opens the files that are told of events.
pub(super) fn open_event_logs(
    checks: &ActiveChecks,
    files: Option<&dyn AccessLogFiles>,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let mut all = checks.all.iter();
    all.try_for_each(|check| open_logs_of(check, files, ctx))
}

fn open_logs_of(
    check: &Check,
    files: Option<&dyn AccessLogFiles>,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let mut logs = Vec::new();
    for path in &check.event_log_paths {
        let Some(files) = files else {
            return Err(ctx.unsupported_here(path.span, "a log of events without files"));
        };
        match files.open_lines(&path.value) {
            Ok(log) => logs.push(log),
            Err(why) => {
                ctx.error(path.span, why);
                return Err(Refused);
            }
        }
    }
    if !logs.is_empty() {
        let _opened_once = check.event_logs.set(logs);
    }
    Ok(())
}

impl HttpHealthCheck {
    fn compile(&self, ctx: &mut Ctx) -> Result<HttpProbe, Refused> {
        let method = self.method.name();
        let payload = match &self.send {
            None => Box::default(),
            Some(payload) if !self.method.has_body() => {
                let text = format!(
                    "HTTP health check cannot specify a request payload with method '{method}'. Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload."
                );
                ctx.error(payload.span(), text);
                return Err(Refused);
            }
            Some(payload) => payload.bytes(ctx)?,
        };
        let headers = HeaderMutations::compile(
            &self.request_headers_to_add,
            &self.request_headers_to_remove,
            ctx,
        )?;
        let mut expected = ranges(&self.expected_statuses, "expected", ctx)?;
        if expected.is_empty() {
            expected.push(200..201);
        }
        let service_name = self.service_name_matcher.as_ref();
        Ok(HttpProbe {
            method,
            host: self.host.as_str().into(),
            path: self.path.as_str().into(),
            payload,
            headers,
            is_http2: self.codec_client_type == CodecClientType::Http2,
            response_buffer_bytes: self.response_buffer_bytes(),
            receive: self.receive(ctx)?,
            expected,
            retriable: ranges(&self.retriable_statuses, "retriable", ctx)?,
            service_name: service_name
                .map(|matcher| CompiledStringMatcher::compile(matcher, ctx))
                .transpose()?,
            verify_cluster: ctx.runtime.key("health_check.verify_cluster"),
        })
    }

    fn response_buffer_bytes(&self) -> usize {
        let written = self
            .response_buffer_size
            .unwrap_or(DEFAULT_RESPONSE_BUFFER_BYTES);
        let most = match written {
            0 => MOST_RESPONSE_BUFFER_BYTES,
            limit => limit,
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    fn receive(&self, ctx: &mut Ctx) -> Result<Segments, Refused> {
        let receive = segments(&self.receive, ctx)?;
        let (total, most) = (receive.total_bytes(), self.response_buffer_bytes());
        if self.response_buffer_size != Some(0) && total > most {
            let text = format!(
                "The expected response length '{total}' is over than http health response buffer size '{most}'"
            );
            ctx.error(self.span(), text);
            return Err(Refused);
        }
        Ok(receive)
    }
}

impl TcpHealthCheck {
    /// Of bytes to send only those count that are written as text, as in Envoy.
    fn compile(&self, ctx: &mut Ctx) -> Result<TcpProbe, Refused> {
        let send = match self
            .send
            .as_ref()
            .map(|payload| (payload, &payload.payload))
        {
            Some((payload, PayloadKind::Text(_))) => payload.bytes(ctx)?,
            Some((payload, PayloadKind::Binary(_))) => {
                ctx.warning(
                    payload.span(),
                    "bytes to send must be written as `text`: these are not sent",
                );
                Box::default()
            }
            None => Box::default(),
        };
        let proxy_protocol = self.proxy_protocol_config.as_ref();
        Ok(TcpProbe {
            send,
            receive: segments(&self.receive, ctx)?,
            proxy_protocol: proxy_protocol.map(|config| match config.version {
                ProxyProtocolVersion::V1 => ProxyVersion::V1,
                ProxyProtocolVersion::V2 => ProxyVersion::V2,
            }),
        })
    }
}

impl CustomHealthCheck {
    fn compile(&self, ctx: &mut Ctx) -> Result<Probe, Refused> {
        let any = self.config_type.as_ref();
        match any.map(|CustomConfig::Typed(any)| (any.type_name(), any)) {
            Some((REDIS, any)) => {
                let redis: RedisHealthCheck = any.decode(ctx)?;
                let key = Some(redis.key).filter(|key| !key.is_empty());
                Ok(Probe::Redis(RedisProbe {
                    key: key.map(|key| key.into_bytes().into()),
                }))
            }
            Some((THRIFT, any)) => {
                let thrift: ThriftHealthCheck = any.decode(ctx)?;
                let (Some(transport), Some(protocol)) =
                    (thrift.transport.known(), thrift.protocol.known())
                else {
                    let text =
                        "Unsupported transport or protocol in thrift health check configuration";
                    ctx.error(any.span, text);
                    return Err(Refused);
                };
                Ok(Probe::Thrift(ThriftProbe {
                    method: thrift.method_name.into_bytes().into(),
                    transport,
                    protocol,
                }))
            }
            other => {
                let (name, span) = match other {
                    Some((name, any)) => (name, any.span),
                    None => (self.name.value.as_str(), self.name.span),
                };
                if name.contains("thrift") {
                    let what = format!("the health checker `{name}`");
                    return Err(ctx.unsupported_here(span, what));
                }
                let kind = other.map_or("", |(kind, _)| kind);
                let text = format!(
                    "Didn't find a registered implementation for '{}' with type URL: '{kind}'",
                    self.name.value
                );
                ctx.error(span, text);
                Err(Refused)
            }
        }
    }
}

impl GrpcHealthCheck {
    fn compile(&self, ctx: &mut Ctx) -> Result<GrpcProbe, Refused> {
        Ok(GrpcProbe {
            service: self.service_name.as_str().into(),
            authority: self.authority.as_str().into(),
            headers: HeaderMutations::compile(&self.initial_metadata, &[], ctx)?,
        })
    }
}

fn segments(payloads: &[Payload], ctx: &mut Ctx) -> Result<Segments, Refused> {
    let bytes = payloads.iter().map(|payload| payload.bytes(ctx));
    Ok(Segments(bytes.collect::<Result<_, _>>()?))
}

impl Payload {
    fn bytes(&self, ctx: &mut Ctx) -> Result<Box<[u8]>, Refused> {
        match &self.payload {
            PayloadKind::Binary(bytes) => Ok(bytes.as_slice().into()),
            PayloadKind::Text(text) => from_hex(&text.value).ok_or_else(|| {
                ctx.error(text.span, format!("invalid hex string '{}'", text.value));
                Refused
            }),
        }
    }
}

impl RequestMethod {
    const fn name(self) -> &'static str {
        match self {
            Self::Unspecified | Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }

    const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Options | Self::Patch)
    }
}

fn ranges(written: &[Int64Range], kind: &str, ctx: &mut Ctx) -> Result<Vec<Range<u16>>, Refused> {
    written
        .iter()
        .map(|range| statuses(range, kind, ctx))
        .collect()
}

/// As in Envoy a negative number is a very large one.
fn statuses(range: &Int64Range, kind: &str, ctx: &mut Ctx) -> Result<Range<u16>, Refused> {
    let [start, end] = range.bounds().map(i64::cast_unsigned);
    let fault = if start >= end {
        format!("expecting start < end, but found start={start} and end={end}")
    } else if start < 100 {
        format!("expecting start >= 100, but found start={start}")
    } else if end > 600 {
        format!("expecting end <= 600, but found end={end}")
    } else {
        let status = |number| u16::try_from(number).unwrap_or(u16::MAX);
        return Ok(status(start)..status(end));
    };
    let span: Span = range.span();
    ctx.error(span, format!("Invalid http {kind} status range: {fault}"));
    Err(Refused)
}
