//! The messages of health checks, as far as they are honoured.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::tree::Json;
use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::header_mutation::HeaderValueOption;
use nuncio_contract::matching::{Int64Range, StringMatcher};

use crate::config::thrift_options::{ProtocolType, TransportType};

message! {
    /// How hosts are checked.
    pub(crate) struct HealthCheck: "envoy.config.core.v3.HealthCheck" {
        pub(crate) timeout: Duration,
        pub(crate) interval: Duration,
        pub(crate) initial_jitter: Option<Duration>,
        pub(crate) interval_jitter: Option<Duration>,
        pub(crate) interval_jitter_percent: u32,
        pub(crate) unhealthy_threshold: u32,
        pub(crate) healthy_threshold: u32,
        pub(crate) reuse_connection: Option<bool>,
        pub(crate) oneof health_checker: HealthChecker,
        pub(crate) no_traffic_interval: Option<Duration>,
        pub(crate) no_traffic_healthy_interval: Option<Duration>,
        pub(crate) unhealthy_interval: Option<Duration>,
        pub(crate) unhealthy_edge_interval: Option<Duration>,
        pub(crate) healthy_edge_interval: Option<Duration>,
        pub(crate) event_log_path: Spanned<String>,
        pub(crate) event_logger: Vec<EventLogger>,
        pub(crate) always_log_health_check_failures: bool,
        pub(crate) always_log_health_check_success: bool,
        pub(crate) name: String,
        pub(crate) tls_options: Option<TlsOptions>,
        inert event_service = "Envoy 1.40 does not look at it";
        inert alt_port = "it means nothing in Envoy either";
        pub(crate) transport_socket_match_criteria: Option<Arc<Json>>,
    }
}

one_of! {
    /// What is asked.
    pub(crate) enum HealthChecker {
        http_health_check => Http(HttpHealthCheck),
        tcp_health_check => Tcp(TcpHealthCheck),
        grpc_health_check => Grpc(GrpcHealthCheck),
        custom_health_check => Custom(CustomHealthCheck),
    }
}

message! {
    /// What an extension asks.
    pub(crate) struct CustomHealthCheck: "envoy.config.core.v3.HealthCheck.CustomHealthCheck" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof config_type: Option<CustomConfig>,
    }
}

one_of! {
    /// Its config.
    pub(crate) enum CustomConfig {
        typed_config => Typed(Any),
    }
}

message! {
    /// A call of Thrift.
    pub(crate) struct ThriftHealthCheck: "envoy.extensions.health_checkers.thrift.v3.Thrift" {
        pub(crate) method_name: String,
        pub(crate) transport: TransportType,
        pub(crate) protocol: ProtocolType,
    }
}

message! {
    /// A command of Redis. Without `aws_iam`.
    pub(crate) struct RedisHealthCheck: "envoy.extensions.health_checkers.redis.v3.Redis" {
        pub(crate) key: String,
    }
}

message! {
    /// A request.
    pub(crate) struct HttpHealthCheck: "envoy.config.core.v3.HealthCheck.HttpHealthCheck" {
        pub(crate) host: String,
        pub(crate) path: String,
        pub(crate) send: Option<Payload>,
        pub(crate) receive: Vec<Payload>,
        pub(crate) response_buffer_size: Option<u64>,
        pub(crate) request_headers_to_add: Vec<HeaderValueOption>,
        pub(crate) request_headers_to_remove: Vec<Spanned<String>>,
        pub(crate) expected_statuses: Vec<Int64Range>,
        pub(crate) retriable_statuses: Vec<Int64Range>,
        pub(crate) codec_client_type: CodecClientType,
        pub(crate) service_name_matcher: Option<StringMatcher>,
        pub(crate) method: RequestMethod,
    }
}

message! {
    /// Bytes.
    pub(crate) struct TcpHealthCheck: "envoy.config.core.v3.HealthCheck.TcpHealthCheck" {
        pub(crate) send: Option<Payload>,
        pub(crate) receive: Vec<Payload>,
        pub(crate) proxy_protocol_config: Option<ProxyProtocolConfig>,
    }
}

message! {
    /// A call.
    pub(crate) struct GrpcHealthCheck: "envoy.config.core.v3.HealthCheck.GrpcHealthCheck" {
        pub(crate) service_name: String,
        pub(crate) authority: String,
        pub(crate) initial_metadata: Vec<HeaderValueOption>,
    }
}

message! {
    /// Bytes to send or to look for.
    pub(crate) struct Payload: "envoy.config.core.v3.HealthCheck.Payload" {
        pub(crate) oneof payload: PayloadKind,
    }
}

one_of! {
    /// How they are written.
    pub(crate) enum PayloadKind {
        text => Text(Spanned<String>),
        binary => Binary(Vec<u8>),
    }
}

message! {
    /// The PROXY protocol.
    pub(crate) struct ProxyProtocolConfig: "envoy.config.core.v3.ProxyProtocolConfig" {
        pub(crate) version: ProxyProtocolVersion,
        inert pass_through_tlvs = "a check has no client whose TLVs could be passed on";
    }
}

enumeration! {
    /// Its versions.
    pub(crate) enum ProxyProtocolVersion: "envoy.config.core.v3.ProxyProtocolConfig.Version" {
        V1 => V1,
        V2 => V2,
    }
}

message! {
    /// How checks differ from traffic in TLS.
    pub(crate) struct TlsOptions: "envoy.config.core.v3.HealthCheck.TlsOptions" {
        pub(crate) alpn_protocols: Vec<String>,
    }
}

message! {
    /// Who is told of events.
    pub(crate) struct EventLogger: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) typed_config: Any,
        inert name = "the type says which extension it is";
    }
}

message! {
    /// A file that is told of events.
    pub(crate) struct EventFileSink: "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink" {
        pub(crate) event_log_path: Spanned<String>,
    }
}

enumeration! {
    /// What a request is sent by.
    pub(crate) enum CodecClientType: "envoy.type.v3.CodecClientType" {
        HTTP1 => Http1,
        HTTP2 => Http2,
    }
}

enumeration! {
    /// A request's method.
    pub(crate) enum RequestMethod: "envoy.config.core.v3.RequestMethod" {
        METHOD_UNSPECIFIED => Unspecified,
        GET => Get,
        HEAD => Head,
        POST => Post,
        PUT => Put,
        DELETE => Delete,
        OPTIONS => Options,
        TRACE => Trace,
        PATCH => Patch,
    }
}
