//! A connection manager without a message.

use std::sync::Arc;
use std::time::Duration;

use nuncio_codec::http1::Http1Settings;
use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_config::runtime::RuntimeKey;
use nuncio_contract::access_log::AccessLogConfig;
use nuncio_contract::matching::AddressRanges;

use super::timeouts::DRAIN_TIMEOUT;
use super::{
    ConnectionManagerConfig, LogMoments, RequestOptions, ResponseOptions, StripPort, Terminal,
    Timeouts,
};
use crate::config::connection_manager as config;
use crate::connection_manager::client_certificate::ForwardedCertificate;
use crate::connection_manager::jitter::Jitter;
use crate::connection_manager::premature_resets::ResetLimits;
use crate::connection_manager::request_id::RequestIds;

impl ConnectionManagerConfig {
    /// A connection manager whose requests the process answers itself: the admin, the demo's upstreams.
    pub fn for_service(
        stat_prefix: &str,
        access_logs: Vec<Arc<dyn AccessLogConfig>>,
        codec: Http1Settings,
    ) -> Self {
        ConnectionManagerConfig {
            stat_prefix: stat_prefix.into(),
            service_cluster: Box::default(),
            filters: Vec::new(),
            terminal: Terminal::Service,
            upgrades: Vec::new(),
            access_logs,
            codec_type: config::CodecType::Auto,
            http2: Http2Settings::default(),
            http3: Http3Settings::default(),
            reset_limits: ResetLimits::default(),
            codec,
            timeouts: Timeouts {
                stream_idle: Some(Duration::from_secs(300)),
                stream_flush: Some(Duration::from_secs(300)),
                connection_idle: Some(Duration::from_secs(3600)),
                request: None,
                request_headers: None,
                max_connection_duration: None,
                max_stream_duration: None,
                drain: DRAIN_TIMEOUT,
                drain_jitter: Jitter::default(),
                max_connection_jitter: Jitter::default(),
                outlives_quietly: false,
                delayed_close: Some(Duration::from_secs(1)),
            },
            max_requests_per_connection: None,
            request: RequestOptions {
                use_remote_address: true,
                xff_num_trusted_hops: 0,
                skip_xff_append: false,
                internal_addresses: AddressRanges::default(),
                unix_sockets_are_internal: false,
                rejects_fragments: RuntimeKey::default(),
                detections: Box::default(),
                append_x_forwarded_port: false,
                schemes_of_ports: None,
                generate_request_id: false,
                request_ids: RequestIds::default(),
                preserve_external_request_id: false,
                user_agent: None,
                service_node: "".into(),
                client_certificate: ForwardedCertificate::SANITIZE,
                client_certificate_tree: None,
                via: "".into(),
                scheme: None,
                scheme_matches_upstream: false,
                tells_hosts_of_client: true,
                normalize_path: false,
                merge_slashes: false,
                escaped_slashes: config::EscapedSlashesAction::KeepUnchanged,
                strip_port: StripPort::No,
                strip_trailing_host_dot: false,
            },
            response: response_options(),
            buffer_limit_bytes: 1 << 20,
            stream_error_on_invalid_http_message: false,
            proxy_100_continue: false,
            local_replies: None,
            early_mutations: Box::default(),
            tracing: None,
            log_moments: LogMoments::default(),
            append_local_overload: false,
            route_source: None,
            scope_source: None,
        }
    }
}

fn response_options() -> ResponseOptions {
    ResponseOptions {
        server_name: "envoy".into(),
        server: config::ServerHeaderTransformation::Overwrite,
        always_set_request_id: false,
        proxy_status: None,
    }
}
