//! `HttpConnectionManager` and the messages inside of it.

use std::time::Duration;

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::access_log::AccessLog;
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::http_filter_message::HttpFilterMessage;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::matching::{CidrRange, StringMatcher};
use nuncio_upstream::config::{HeaderKeyFormat, Http2Options};

use super::local_reply::LocalReplyConfig;
use super::proxy_status::ProxyStatusConfig;
use super::route::RouteConfiguration;
use super::scoped_routes::ScopedRoutes;
use super::tracing::{Percent, RequestIdExtension, Tracing};

message! {
    /// The connection manager.
    pub struct HttpConnectionManager:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" {
        pub(crate) codec_type: CodecType,
        pub(crate) stat_prefix: String,
        pub(crate) oneof route_specifier: RouteSpecifier,
        pub(crate) http_filters: Vec<HttpFilterMessage>,
        pub(crate) common_http_protocol_options: Option<HttpProtocolOptions>,
        pub(crate) http_protocol_options: Option<Http1ProtocolOptions>,
        pub(crate) http2_protocol_options: Option<Http2Options>,
        pub(crate) server_name: String,
        pub(crate) server_header_transformation: ServerHeaderTransformation,
        pub(crate) scheme_header_transformation: Option<SchemeHeaderTransformation>,
        pub(crate) max_request_headers_kb: Option<u32>,
        pub(crate) stream_idle_timeout: Option<Duration>,
        pub(crate) stream_flush_timeout: Option<Duration>,
        pub(crate) request_timeout: Option<Duration>,
        pub(crate) request_headers_timeout: Option<Duration>,
        pub(crate) drain_timeout: Option<Duration>,
        pub(crate) drain_timeout_jitter: Option<Percent>,
        pub(crate) tracing: Option<Tracing>,
        pub(crate) http1_safe_max_connection_duration: bool,
        pub(crate) delayed_close_timeout: Option<Duration>,
        pub(crate) access_log: Vec<AccessLog>,
        pub(crate) use_remote_address: Option<bool>,
        pub(crate) xff_num_trusted_hops: u32,
        pub(crate) internal_address_config: Option<InternalAddressConfig>,
        pub(crate) skip_xff_append: bool,
        pub(crate) via: String,
        pub(crate) generate_request_id: Option<bool>,
        pub(crate) preserve_external_request_id: bool,
        pub(crate) always_set_request_id_in_response: bool,
        pub(crate) add_user_agent: Option<bool>,
        pub(crate) normalize_path: Option<bool>,
        pub(crate) merge_slashes: bool,
        pub(crate) path_with_escaped_slashes_action: EscapedSlashesAction,
        pub(crate) strip_matching_host_port: bool,
        pub(crate) oneof strip_port_mode: Option<StripPortMode>,
        pub(crate) strip_trailing_host_dot: bool,
        pub(crate) stream_error_on_invalid_http_message: Option<bool>,
        pub(crate) append_x_forwarded_port: bool,
        pub(crate) proxy_100_continue: bool,
        pub(crate) local_reply_config: Option<LocalReplyConfig>,
        pub(crate) original_ip_detection_extensions: Vec<Extension>,
        pub(crate) request_id_extension: Option<RequestIdExtension>,
        pub(crate) typed_header_validation_config: Option<HeaderValidator>,
        pub(crate) proxy_status_config: Option<ProxyStatusConfig>,
        pub(crate) access_log_options: Option<AccessLogOptions>,
        pub(crate) access_log_flush_interval: Option<Duration>,
        pub(crate) flush_access_log_on_new_request: bool,
        inert represent_ipv4_remote_address_as_ipv4_mapped_ipv6 = "Envoy 1.40 does not look at it either";
        pub(crate) http3_protocol_options: Option<Http3Options>,
        inert path_normalization_options = "Envoy 1.40 does not look at it either";
        pub(crate) append_local_overload: bool,
        pub(crate) add_proxy_protocol_connection_state: Option<bool>,
        pub(crate) forward_proto_config: Option<ForwardProtoConfig>,
        pub(crate) early_header_mutation_extensions: Vec<Extension>,
        pub(crate) upgrade_configs: Vec<UpgradeConfig>,
        pub(crate) forward_client_cert_details: ForwardClientCertDetails,
        pub(crate) set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
        pub(crate) forward_client_cert_matcher: Option<MatcherMessage>,
    }
}

message! {
    /// QUIC, of which the listener's options count; keepalives would be the connection manager's.
    struct QuicOptions: "envoy.config.core.v3.QuicProtocolOptions" {
        inert max_concurrent_streams = "the listener's counts";
        inert initial_stream_window_size = "the listener's counts";
        inert initial_connection_window_size = "the listener's counts";
        inert num_timeouts_to_trigger_port_migration = "clients alone change their ports";
        inert client_connection_options = "clients alone ask for these";
        inert idle_network_timeout = "the listener's counts";
        inert max_packet_length = "the listener's counts";
    }
}

message! {
    /// HTTP/3.
    pub(crate) struct Http3Options: "envoy.config.core.v3.Http3ProtocolOptions" {
        checked quic_protocol_options: Option<QuicOptions> = "those of the listener count, but for keepalives, which are refused",
        pub(crate) override_stream_error_on_invalid_http_message: Option<bool>,
        pub(crate) allow_extended_connect: bool,
        inert disable_qpack = "there are no dynamic tables in any case";
    }
}

enumeration! {
    /// What becomes of `x-forwarded-client-cert`.
    pub enum ForwardClientCertDetails:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails" {
        SANITIZE => Sanitize,
        FORWARD_ONLY => ForwardOnly,
        APPEND_FORWARD => AppendForward,
        SANITIZE_SET => SanitizeSet,
        ALWAYS_FORWARD_ONLY => AlwaysForwardOnly,
    }
}

message! {
    /// Which ports of a destination that was told or restored mean which scheme.
    pub(crate) struct ForwardProtoConfig: "envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig" {
        pub(crate) https_destination_ports: Vec<u32>,
        pub(crate) http_destination_ports: Vec<u32>,
    }
}

message! {
    /// What is told of the client's certificate beside its hash and our own name.
    pub struct SetCurrentClientCertDetails:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails" {
        pub(crate) subject: Option<bool>,
        pub(crate) cert: bool,
        pub(crate) chain: bool,
        pub(crate) uri: bool,
        pub(crate) dns: bool,
        pub(crate) issuer: bool,
        pub(crate) format: ForwardClientCertFormat,
    }
}

enumeration! {
    /// How that is written.
    pub enum ForwardClientCertFormat:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertFormat" {
        TEXT => Text,
        JSON => Json,
    }
}

message! {
    /// What a tree says of the header; an action of `forward_client_cert_matcher`.
    pub struct ForwardClientCertConfig:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig" {
        pub(crate) forward_client_cert_details: ForwardClientCertDetails,
        pub(crate) set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
    }
}

message! {
    /// Moments beside the end of a stream at which it is logged.
    pub struct AccessLogOptions:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions" {
        pub(crate) access_log_flush_interval: Option<Duration>,
        pub(crate) flush_access_log_on_new_request: bool,
        pub(crate) flush_log_on_tunnel_successfully_established: bool,
    }
}

message! {
    /// What Envoy 1.40 knows no extension for.
    pub struct HeaderValidator: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: String,
        inert typed_config = "whatever it says is refused";
    }
}

message! {
    /// An extension of the connection manager.
    pub struct Extension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: String,
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// An upgrade that is allowed or forbidden, and its filters if it has its own.
    pub struct UpgradeConfig:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig" {
        pub(crate) upgrade_type: Spanned<String>,
        pub(crate) filters: Vec<HttpFilterMessage>,
        pub(crate) enabled: Option<bool>,
    }
}

enumeration! {
    /// The codec. AUTO goes by what was agreed on by ALPN, or else by the first bytes.
    pub enum CodecType:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType" {
        AUTO => Auto,
        HTTP1 => Http1,
        HTTP2 => Http2,
        HTTP3 => Http3,
    }
}

one_of! {
    /// Where the route table comes from.
    pub enum RouteSpecifier {
        route_config => RouteConfig(RouteConfiguration),
        rds => Rds(Rds),
        scoped_routes => ScopedRoutes(ScopedRoutes),
    }
}

message! {
    /// Routes that come by themselves.
    pub struct Rds: "envoy.extensions.filters.network.http_connection_manager.v3.Rds" {
        pub(crate) config_source: ConfigSource,
        pub(crate) route_config_name: String,
    }
}

one_of! {
    /// How much of the port is taken off `:authority`.
    pub enum StripPortMode {
        strip_any_host_port => Any(bool),
    }
}

enumeration! {
    /// What becomes of the upstream's `server` header.
    pub enum ServerHeaderTransformation:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation" {
        OVERWRITE => Overwrite,
        APPEND_IF_ABSENT => AppendIfAbsent,
        PASS_THROUGH => PassThrough,
    }
}

enumeration! {
    /// What becomes of a path with `%2F` or `%5C` in it.
    pub enum EscapedSlashesAction:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction" {
        IMPLEMENTATION_SPECIFIC_DEFAULT => Default,
        KEEP_UNCHANGED => KeepUnchanged,
        REJECT_REQUEST => RejectRequest,
        UNESCAPE_AND_REDIRECT => UnescapeAndRedirect,
        UNESCAPE_AND_FORWARD => UnescapeAndForward,
    }
}

message! {
    /// Which peers count as internal.
    pub struct InternalAddressConfig:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig" {
        pub(crate) unix_sockets: bool,
        pub(crate) cidr_ranges: Vec<CidrRange>,
    }
}

message! {
    /// The scheme that requests get.
    pub struct SchemeHeaderTransformation: "envoy.config.core.v3.SchemeHeaderTransformation" {
        pub(crate) oneof transformation: Option<SchemeTransformation>,
        pub(crate) match_upstream: bool,
    }
}

one_of! {
    /// The kinds of transformation.
    pub enum SchemeTransformation {
        scheme_to_overwrite => Overwrite(String),
    }
}

message! {
    /// Options of every HTTP version.
    pub struct HttpProtocolOptions: "envoy.config.core.v3.HttpProtocolOptions" {
        pub(crate) idle_timeout: Option<Duration>,
        pub(crate) max_connection_duration: Option<Duration>,
        pub(crate) max_connection_duration_jitter: Option<Percent>,
        pub(crate) max_headers_count: Option<u32>,
        pub(crate) max_stream_duration: Option<Duration>,
        pub(crate) headers_with_underscores_action: HeadersWithUnderscoresAction,
        pub(crate) max_requests_per_connection: Option<u32>,
    }
}

enumeration! {
    /// What becomes of header names with an underscore.
    pub enum HeadersWithUnderscoresAction: "envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction" {
        ALLOW => Allow,
        REJECT_REQUEST => RejectRequest,
        DROP_HEADER => DropHeader,
    }
}

message! {
    /// Options of HTTP/1.
    pub struct Http1ProtocolOptions: "envoy.config.core.v3.Http1ProtocolOptions" {
        pub(crate) allow_absolute_url: Option<bool>,
        pub(crate) accept_http_10: bool,
        pub(crate) default_host_for_http_10: String,
        pub(crate) enable_trailers: bool,
        pub(crate) allow_chunked_length: bool,
        pub(crate) header_key_format: Option<HeaderKeyFormat>,
        pub(crate) override_stream_error_on_invalid_http_message: Option<bool>,
        pub(crate) allow_custom_methods: bool,
        pub(crate) ignore_http_11_upgrade: Vec<StringMatcher>,
        inert use_balsa_parser = "there is one parser";
    }
}
