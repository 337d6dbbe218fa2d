//! `envoy.service.auth.v3.Authorization`.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use crate::common::{Address, HeaderList, HeaderValueOption, Metadata, Status, Struct, Timestamp};

/// The path of its method.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// `CheckRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    /// What is known.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// `AttributeContext`.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeContext {
    /// The client.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// This end.
    #[prost(message, optional, tag = "2")]
    pub destination: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// What routes say.
    #[prost(btree_map = "string, string", tag = "10")]
    pub context_extensions: BTreeMap<String, String>,
    /// Of the stream and its connection.
    #[prost(message, optional, tag = "11")]
    pub metadata_context: Option<Metadata>,
    /// Of the connection's TLS.
    #[prost(message, optional, tag = "12")]
    pub tls_session: Option<TlsSession>,
    /// Of the route.
    #[prost(message, optional, tag = "13")]
    pub route_metadata_context: Option<Metadata>,
}

/// `AttributeContext.Peer`.
#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    /// Where it is.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
    /// Which service it says that it is.
    #[prost(string, tag = "2")]
    pub service: String,
    /// Whom its certificate names.
    #[prost(string, tag = "4")]
    pub principal: String,
    /// Its certificate.
    #[prost(string, tag = "5")]
    pub certificate: String,
}

/// `AttributeContext.Request`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// When it came.
    #[prost(message, optional, tag = "1")]
    pub time: Option<Timestamp>,
    /// Of HTTP.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// `AttributeContext.HttpRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpRequest {
    /// The stream's number.
    #[prost(string, tag = "1")]
    pub id: String,
    /// `:method`.
    #[prost(string, tag = "2")]
    pub method: String,
    /// Headers by name.
    #[prost(btree_map = "string, string", tag = "3")]
    pub headers: BTreeMap<String, String>,
    /// `:path`.
    #[prost(string, tag = "4")]
    pub path: String,
    /// `:authority`.
    #[prost(string, tag = "5")]
    pub host: String,
    /// `:scheme`.
    #[prost(string, tag = "6")]
    pub scheme: String,
    /// The length of what has come of the body.
    #[prost(int64, tag = "9")]
    pub size: i64,
    /// The version of HTTP.
    #[prost(string, tag = "10")]
    pub protocol: String,
    /// The body as a text.
    #[prost(string, tag = "11")]
    pub body: String,
    /// The body as bytes.
    #[prost(bytes = "vec", tag = "12")]
    pub raw_body: Vec<u8>,
    /// Headers one by one.
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderList>,
}

/// `AttributeContext.TLSSession`.
#[derive(Clone, PartialEq, Message)]
pub struct TlsSession {
    /// The name that the client asked for.
    #[prost(string, tag = "1")]
    pub sni: String,
}

/// `CheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    /// Whether it may.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// What follows from that.
    #[prost(oneof = "HttpResponse", tags = "2, 3, 5")]
    pub http_response: Option<HttpResponse>,
    /// For the stream.
    #[prost(message, optional, tag = "4")]
    pub dynamic_metadata: Option<Struct>,
}

/// What follows from a check.
#[derive(Clone, PartialEq, Oneof)]
pub enum HttpResponse {
    /// The client gets this.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// The request is changed so.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
    /// The client gets this, as the service could not tell.
    #[prost(message, tag = "5")]
    Error(DeniedHttpResponse),
}

/// `envoy.type.v3.HttpStatus`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpStatus {
    /// The number.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// `DeniedHttpResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct DeniedHttpResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its headers.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Its body.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// `OkHttpResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct OkHttpResponse {
    /// Headers of the request.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// For the stream, in the old place.
    #[prost(message, optional, tag = "3")]
    pub dynamic_metadata: Option<Struct>,
    /// Headers that the request loses.
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
    /// Headers of the response.
    #[prost(message, repeated, tag = "6")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
    /// Query parameters.
    #[prost(message, repeated, tag = "7")]
    pub query_parameters_to_set: Vec<QueryParameter>,
    /// Query parameters that the request loses.
    #[prost(string, repeated, tag = "8")]
    pub query_parameters_to_remove: Vec<String>,
}

/// `envoy.config.core.v3.QueryParameter`.
#[derive(Clone, PartialEq, Message)]
pub struct QueryParameter {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}
