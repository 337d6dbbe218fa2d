//! `envoy.service.accesslog.v3.AccessLogService`, and the entries of `envoy.data.accesslog.v3` that it is told.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use crate::common::{Address, Any, Duration, Metadata, Timestamp, UInt32Value};

/// The path of its method.
pub const STREAM_ACCESS_LOGS: &str =
    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// `StreamAccessLogsMessage`.
#[derive(Clone, PartialEq, Message)]
pub struct StreamAccessLogsMessage {
    /// Who tells, in the first message of a stream.
    #[prost(message, optional, tag = "1")]
    pub identifier: Option<Identifier>,
    /// What.
    #[prost(oneof = "Entries", tags = "2, 3")]
    pub log_entries: Option<Entries>,
}

/// `StreamAccessLogsMessage.Identifier`.
#[derive(Clone, PartialEq, Message)]
pub struct Identifier {
    /// The node, which is encoded already.
    #[prost(bytes = "vec", tag = "1")]
    pub node: Vec<u8>,
    /// The log.
    #[prost(string, tag = "2")]
    pub log_name: String,
}

/// Entries of one kind.
#[derive(Clone, PartialEq, Oneof)]
pub enum Entries {
    /// Of requests.
    #[prost(message, tag = "2")]
    Http(HttpEntries),
    /// Of connections.
    #[prost(message, tag = "3")]
    Tcp(TcpEntries),
}

/// `StreamAccessLogsMessage.HTTPAccessLogEntries`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpEntries {
    /// In a row.
    #[prost(message, repeated, tag = "1")]
    pub log_entry: Vec<HttpEntry>,
}

/// `StreamAccessLogsMessage.TCPAccessLogEntries`.
#[derive(Clone, PartialEq, Message)]
pub struct TcpEntries {
    /// In a row.
    #[prost(message, repeated, tag = "1")]
    pub log_entry: Vec<TcpEntry>,
}

/// `HTTPAccessLogEntry`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpEntry {
    /// What connections have as well.
    #[prost(message, optional, tag = "1")]
    pub common_properties: Option<Common>,
    /// HTTP/1.0 is 1, HTTP/3 is 4.
    #[prost(int32, tag = "2")]
    pub protocol_version: i32,
    /// The request.
    #[prost(message, optional, tag = "3")]
    pub request: Option<Request>,
    /// The response.
    #[prost(message, optional, tag = "4")]
    pub response: Option<Response>,
}

/// `TCPAccessLogEntry`.
#[derive(Clone, PartialEq, Message)]
pub struct TcpEntry {
    /// What requests have as well.
    #[prost(message, optional, tag = "1")]
    pub common_properties: Option<Common>,
    /// The connection.
    #[prost(message, optional, tag = "2")]
    pub connection_properties: Option<Connection>,
}

/// `ConnectionProperties`.
#[derive(Clone, PartialEq, Message)]
pub struct Connection {
    /// From the client.
    #[prost(uint64, tag = "1")]
    pub received_bytes: u64,
    /// To the client.
    #[prost(uint64, tag = "2")]
    pub sent_bytes: u64,
}

/// `AccessLogCommon`.
#[derive(Clone, PartialEq, Message)]
pub struct Common {
    /// The client.
    #[prost(message, optional, tag = "2")]
    pub downstream_remote_address: Option<Address>,
    /// This side towards it.
    #[prost(message, optional, tag = "3")]
    pub downstream_local_address: Option<Address>,
    /// TLS of the client's connection.
    #[prost(message, optional, tag = "4")]
    pub tls_properties: Option<Tls>,
    /// When it began.
    #[prost(message, optional, tag = "5")]
    pub start_time: Option<Timestamp>,
    /// Until the request was complete; this and all others since the beginning.
    #[prost(message, optional, tag = "6")]
    pub time_to_last_rx_byte: Option<Duration>,
    /// Until the first byte went to the host.
    #[prost(message, optional, tag = "7")]
    pub time_to_first_upstream_tx_byte: Option<Duration>,
    /// Until the last one did.
    #[prost(message, optional, tag = "8")]
    pub time_to_last_upstream_tx_byte: Option<Duration>,
    /// Until the first byte came from the host.
    #[prost(message, optional, tag = "9")]
    pub time_to_first_upstream_rx_byte: Option<Duration>,
    /// Until the last one did.
    #[prost(message, optional, tag = "10")]
    pub time_to_last_upstream_rx_byte: Option<Duration>,
    /// Until the first byte went to the client.
    #[prost(message, optional, tag = "11")]
    pub time_to_first_downstream_tx_byte: Option<Duration>,
    /// Until the last one did.
    #[prost(message, optional, tag = "12")]
    pub time_to_last_downstream_tx_byte: Option<Duration>,
    /// The host.
    #[prost(message, optional, tag = "13")]
    pub upstream_remote_address: Option<Address>,
    /// This side towards it.
    #[prost(message, optional, tag = "14")]
    pub upstream_local_address: Option<Address>,
    /// Its cluster.
    #[prost(string, tag = "15")]
    pub upstream_cluster: String,
    /// What happened.
    #[prost(message, optional, tag = "16")]
    pub response_flags: Option<Flags>,
    /// The stream's metadata.
    #[prost(message, optional, tag = "17")]
    pub metadata: Option<Metadata>,
    /// Why the host's transport failed.
    #[prost(string, tag = "18")]
    pub upstream_transport_failure_reason: String,
    /// The route.
    #[prost(string, tag = "19")]
    pub route_name: String,
    /// The client's address on the socket.
    #[prost(message, optional, tag = "20")]
    pub downstream_direct_remote_address: Option<Address>,
    /// Objects of filters.
    #[prost(btree_map = "string, message", tag = "21")]
    pub filter_state_objects: BTreeMap<String, Any>,
    /// Tags of the configuration.
    #[prost(btree_map = "string, string", tag = "22")]
    pub custom_tags: BTreeMap<String, String>,
    /// How long it took.
    #[prost(message, optional, tag = "23")]
    pub duration: Option<Duration>,
    /// How many tries.
    #[prost(uint32, tag = "24")]
    pub upstream_request_attempt_count: u32,
    /// Why a connection was ended.
    #[prost(string, tag = "25")]
    pub connection_termination_details: String,
    /// The id of the stream.
    #[prost(string, tag = "26")]
    pub stream_id: String,
    /// Whether it still lives.
    #[prost(bool, tag = "27")]
    pub intermediate_log_entry: bool,
    /// Why the client's transport failed.
    #[prost(string, tag = "28")]
    pub downstream_transport_failure_reason: String,
    /// On the client's wire.
    #[prost(uint64, tag = "29")]
    pub downstream_wire_bytes_sent: u64,
    /// On the client's wire.
    #[prost(uint64, tag = "30")]
    pub downstream_wire_bytes_received: u64,
    /// On the host's wire.
    #[prost(uint64, tag = "31")]
    pub upstream_wire_bytes_sent: u64,
    /// On the host's wire.
    #[prost(uint64, tag = "32")]
    pub upstream_wire_bytes_received: u64,
    /// The moment.
    #[prost(int32, tag = "33")]
    pub access_log_type: i32,
}

/// `ResponseFlags`: the numbers of the fields are those of the flags, from 1 on, but for one that is a message.
#[derive(Clone, PartialEq, Message)]
pub struct Flags {
    /// LH.
    #[prost(bool, tag = "1")]
    pub failed_local_healthcheck: bool,
    /// UH.
    #[prost(bool, tag = "2")]
    pub no_healthy_upstream: bool,
    /// UT.
    #[prost(bool, tag = "3")]
    pub upstream_request_timeout: bool,
    /// LR.
    #[prost(bool, tag = "4")]
    pub local_reset: bool,
    /// UR.
    #[prost(bool, tag = "5")]
    pub upstream_remote_reset: bool,
    /// UF.
    #[prost(bool, tag = "6")]
    pub upstream_connection_failure: bool,
    /// UC.
    #[prost(bool, tag = "7")]
    pub upstream_connection_termination: bool,
    /// UO.
    #[prost(bool, tag = "8")]
    pub upstream_overflow: bool,
    /// NR.
    #[prost(bool, tag = "9")]
    pub no_route_found: bool,
    /// DI.
    #[prost(bool, tag = "10")]
    pub delay_injected: bool,
    /// FI.
    #[prost(bool, tag = "11")]
    pub fault_injected: bool,
    /// RL.
    #[prost(bool, tag = "12")]
    pub rate_limited: bool,
    /// UAEX.
    #[prost(message, optional, tag = "13")]
    pub unauthorized_details: Option<Unauthorized>,
    /// RLSE.
    #[prost(bool, tag = "14")]
    pub rate_limit_service_error: bool,
    /// DC.
    #[prost(bool, tag = "15")]
    pub downstream_connection_termination: bool,
    /// URX.
    #[prost(bool, tag = "16")]
    pub upstream_retry_limit_exceeded: bool,
    /// SI.
    #[prost(bool, tag = "17")]
    pub stream_idle_timeout: bool,
    /// IH.
    #[prost(bool, tag = "18")]
    pub invalid_envoy_request_headers: bool,
    /// DPE.
    #[prost(bool, tag = "19")]
    pub downstream_protocol_error: bool,
    /// UMSDR.
    #[prost(bool, tag = "20")]
    pub upstream_max_stream_duration_reached: bool,
    /// RFCF.
    #[prost(bool, tag = "21")]
    pub response_from_cache_filter: bool,
    /// NFCF.
    #[prost(bool, tag = "22")]
    pub no_filter_config_found: bool,
    /// DT.
    #[prost(bool, tag = "23")]
    pub duration_timeout: bool,
    /// UPE.
    #[prost(bool, tag = "24")]
    pub upstream_protocol_error: bool,
    /// NC.
    #[prost(bool, tag = "25")]
    pub no_cluster_found: bool,
    /// OM.
    #[prost(bool, tag = "26")]
    pub overload_manager: bool,
    /// DF.
    #[prost(bool, tag = "27")]
    pub dns_resolution_failure: bool,
    /// DR.
    #[prost(bool, tag = "28")]
    pub downstream_remote_reset: bool,
}

/// `ResponseFlags.Unauthorized`.
#[derive(Clone, PartialEq, Message)]
pub struct Unauthorized {
    /// An external service is 1.
    #[prost(int32, tag = "1")]
    pub reason: i32,
}

/// `TLSProperties`.
#[derive(Clone, PartialEq, Message)]
pub struct Tls {
    /// 1.0 is 1, 1.3 is 4.
    #[prost(int32, tag = "1")]
    pub tls_version: i32,
    /// Its number.
    #[prost(message, optional, tag = "2")]
    pub tls_cipher_suite: Option<UInt32Value>,
    /// The name that was asked for.
    #[prost(string, tag = "3")]
    pub tls_sni_hostname: String,
    /// Of this side.
    #[prost(message, optional, tag = "4")]
    pub local_certificate_properties: Option<Certificate>,
    /// Of the client.
    #[prost(message, optional, tag = "5")]
    pub peer_certificate_properties: Option<Certificate>,
    /// The id.
    #[prost(string, tag = "6")]
    pub tls_session_id: String,
    /// JA3.
    #[prost(string, tag = "7")]
    pub ja3_fingerprint: String,
}

/// `TLSProperties.CertificateProperties`.
#[derive(Clone, PartialEq, Message)]
pub struct Certificate {
    /// Alternative names.
    #[prost(message, repeated, tag = "1")]
    pub subject_alt_name: Vec<AltName>,
    /// The subject.
    #[prost(string, tag = "2")]
    pub subject: String,
    /// The issuer.
    #[prost(string, tag = "3")]
    pub issuer: String,
}

/// `TLSProperties.CertificateProperties.SubjectAltName`.
#[derive(Clone, PartialEq, Message)]
pub struct AltName {
    /// Which.
    #[prost(oneof = "San", tags = "1, 2")]
    pub san: Option<San>,
}

/// An alternative name.
#[derive(Clone, PartialEq, Oneof)]
pub enum San {
    /// A URI.
    #[prost(string, tag = "1")]
    Uri(String),
    /// A name of DNS.
    #[prost(string, tag = "2")]
    Dns(String),
}

/// `HTTPRequestProperties`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// Its number in Envoy's API; 0 for others.
    #[prost(int32, tag = "1")]
    pub request_method: i32,
    /// `:scheme`.
    #[prost(string, tag = "2")]
    pub scheme: String,
    /// `:authority`.
    #[prost(string, tag = "3")]
    pub authority: String,
    /// `:path`.
    #[prost(string, tag = "5")]
    pub path: String,
    /// `user-agent`.
    #[prost(string, tag = "6")]
    pub user_agent: String,
    /// `referer`.
    #[prost(string, tag = "7")]
    pub referer: String,
    /// `x-forwarded-for`.
    #[prost(string, tag = "8")]
    pub forwarded_for: String,
    /// `x-request-id`.
    #[prost(string, tag = "9")]
    pub request_id: String,
    /// `x-envoy-original-path`.
    #[prost(string, tag = "10")]
    pub original_path: String,
    /// Of names and values.
    #[prost(uint64, tag = "11")]
    pub request_headers_bytes: u64,
    /// Of the body.
    #[prost(uint64, tag = "12")]
    pub request_body_bytes: u64,
    /// Those that the configuration names.
    #[prost(btree_map = "string, string", tag = "13")]
    pub request_headers: BTreeMap<String, String>,
    /// On the host's wire.
    #[prost(uint64, tag = "14")]
    pub upstream_header_bytes_sent: u64,
    /// On the client's wire.
    #[prost(uint64, tag = "15")]
    pub downstream_header_bytes_received: u64,
}

/// `HTTPResponseProperties`.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// The status.
    #[prost(message, optional, tag = "1")]
    pub response_code: Option<UInt32Value>,
    /// Of names and values.
    #[prost(uint64, tag = "2")]
    pub response_headers_bytes: u64,
    /// Of the body.
    #[prost(uint64, tag = "3")]
    pub response_body_bytes: u64,
    /// Those that the configuration names.
    #[prost(btree_map = "string, string", tag = "4")]
    pub response_headers: BTreeMap<String, String>,
    /// The same of trailers.
    #[prost(btree_map = "string, string", tag = "5")]
    pub response_trailers: BTreeMap<String, String>,
    /// Why.
    #[prost(string, tag = "6")]
    pub response_code_details: String,
    /// On the host's wire.
    #[prost(uint64, tag = "7")]
    pub upstream_header_bytes_received: u64,
    /// On the client's wire.
    #[prost(uint64, tag = "8")]
    pub downstream_header_bytes_sent: u64,
}
