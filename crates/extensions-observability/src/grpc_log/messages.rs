//! The messages of both loggers.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message};
use nuncio_contract::calls::CoreRetryPolicy;
use nuncio_contract::custom_tag::CustomTagMessage;
use nuncio_contract::grpc_client::GrpcServiceMessage;

message! {
    /// A log of requests.
    pub(crate) struct HttpGrpcAccessLog: "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig" {
        pub(crate) common_config: CommonGrpcAccessLog,
        pub(crate) additional_request_headers_to_log: Vec<Spanned<String>>,
        pub(crate) additional_response_headers_to_log: Vec<Spanned<String>>,
        pub(crate) additional_response_trailers_to_log: Vec<Spanned<String>>,
    }
}

message! {
    /// A log of connections.
    pub(crate) struct TcpGrpcAccessLog: "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig" {
        pub(crate) common_config: CommonGrpcAccessLog,
    }
}

message! {
    /// What both have.
    pub(crate) struct CommonGrpcAccessLog: "envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig" {
        pub(crate) log_name: String,
        pub(crate) grpc_service: GrpcServiceMessage,
        pub(crate) buffer_flush_interval: Option<Duration>,
        pub(crate) buffer_size_bytes: Option<u32>,
        pub(crate) filter_state_objects_to_log: Vec<String>,
        pub(crate) grpc_stream_retry_policy: Option<CoreRetryPolicy>,
        pub(crate) custom_tags: Vec<CustomTagMessage>,
        checked transport_api_version: ApiVersion = "there is one version of the service's messages",
    }
}

enumeration! {
    /// The version of the service.
    pub(crate) enum ApiVersion: "envoy.config.core.v3.ApiVersion" {
        AUTO => Auto,
        V3 => V3,
    }
}
