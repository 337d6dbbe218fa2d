//! `envoy.service.ext_proc.v3.ExternalProcessor`.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use crate::auth::HttpStatus;
use crate::common::{Duration, HeaderList, HeaderValueOption, Metadata, Struct};

/// The path of its method.
pub const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/// `ProcessingRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingRequest {
    /// A part of the stream.
    #[prost(oneof = "Part", tags = "2, 3, 4, 5, 6, 7")]
    pub part: Option<Part>,
    /// Of the stream.
    #[prost(message, optional, tag = "8")]
    pub metadata_context: Option<Metadata>,
    /// By the name of the filter.
    #[prost(btree_map = "string, message", tag = "9")]
    pub attributes: BTreeMap<String, Struct>,
    /// Whether no answer is wanted.
    #[prost(bool, tag = "10")]
    pub observability_mode: bool,
    /// How the stream is told, with the first message.
    #[prost(message, optional, tag = "11")]
    pub protocol_config: Option<ProtocolConfiguration>,
}

/// A part of a stream.
#[derive(Clone, PartialEq, Oneof)]
pub enum Part {
    /// The request's head.
    #[prost(message, tag = "2")]
    RequestHeaders(HttpHeaders),
    /// The response's head.
    #[prost(message, tag = "3")]
    ResponseHeaders(HttpHeaders),
    /// Some of the request's body.
    #[prost(message, tag = "4")]
    RequestBody(HttpBody),
    /// Some of the response's body.
    #[prost(message, tag = "5")]
    ResponseBody(HttpBody),
    /// The request's trailers.
    #[prost(message, tag = "6")]
    RequestTrailers(HttpTrailers),
    /// The response's trailers.
    #[prost(message, tag = "7")]
    ResponseTrailers(HttpTrailers),
}

/// `ProtocolConfiguration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProtocolConfiguration {
    /// The number of the mode.
    #[prost(int32, tag = "1")]
    pub request_body_mode: i32,
    /// The number of the mode.
    #[prost(int32, tag = "2")]
    pub response_body_mode: i32,
    /// Whether bodies come before the answer to heads.
    #[prost(bool, tag = "3")]
    pub send_body_without_waiting_for_header_response: bool,
}

/// `HttpHeaders`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpHeaders {
    /// The headers.
    #[prost(message, optional, tag = "1")]
    pub headers: Option<HeaderList>,
    /// Whether no body follows.
    #[prost(bool, tag = "3")]
    pub end_of_stream: bool,
}

/// `HttpBody`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpBody {
    /// The bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
    /// Whether nothing follows.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// `HttpTrailers`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpTrailers {
    /// The trailers.
    #[prost(message, optional, tag = "1")]
    pub trailers: Option<HeaderList>,
}

/// `ProcessingResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingResponse {
    /// The answer to a part.
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub answer: Option<Answer>,
    /// For the stream, by namespace.
    #[prost(message, optional, tag = "8")]
    pub dynamic_metadata: Option<Struct>,
    /// What is told from now on.
    #[prost(message, optional, tag = "9")]
    pub mode_override: Option<ProcessingMode>,
    /// How long the answer will take; all else is nothing then.
    #[prost(message, optional, tag = "10")]
    pub override_message_timeout: Option<Duration>,
}

/// The answer to a part of a stream.
#[derive(Clone, PartialEq, Oneof)]
pub enum Answer {
    /// To the request's head.
    #[prost(message, tag = "1")]
    RequestHeaders(CommonAnswer),
    /// To the response's head.
    #[prost(message, tag = "2")]
    ResponseHeaders(CommonAnswer),
    /// To the request's body.
    #[prost(message, tag = "3")]
    RequestBody(CommonAnswer),
    /// To the response's body.
    #[prost(message, tag = "4")]
    ResponseBody(CommonAnswer),
    /// To the request's trailers.
    #[prost(message, tag = "5")]
    RequestTrailers(TrailersAnswer),
    /// To the response's trailers.
    #[prost(message, tag = "6")]
    ResponseTrailers(TrailersAnswer),
    /// In the place of all of it.
    #[prost(message, tag = "7")]
    Immediate(ImmediateResponse),
}

/// `HeadersResponse` and `BodyResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct CommonAnswer {
    /// What becomes of the part.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// `TrailersResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct TrailersAnswer {
    /// What becomes of the trailers.
    #[prost(message, optional, tag = "1")]
    pub header_mutation: Option<HeaderMutation>,
}

/// `CommonResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct CommonResponse {
    /// `CONTINUE`, or `CONTINUE_AND_REPLACE`.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// Of headers.
    #[prost(message, optional, tag = "2")]
    pub header_mutation: Option<HeaderMutation>,
    /// Of a body.
    #[prost(message, optional, tag = "3")]
    pub body_mutation: Option<BodyMutation>,
    /// Whether the route is to be found anew.
    #[prost(bool, tag = "5")]
    pub clear_route_cache: bool,
}

/// `HeaderMutation`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMutation {
    /// What is set.
    #[prost(message, repeated, tag = "1")]
    pub set_headers: Vec<HeaderValueOption>,
    /// What goes, before that.
    #[prost(string, repeated, tag = "2")]
    pub remove_headers: Vec<String>,
}

/// `BodyMutation`.
#[derive(Clone, PartialEq, Message)]
pub struct BodyMutation {
    /// Which.
    #[prost(oneof = "Mutation", tags = "1, 2, 3")]
    pub mutation: Option<Mutation>,
}

/// What becomes of a body.
#[derive(Clone, PartialEq, Oneof)]
pub enum Mutation {
    /// These bytes are in its place.
    #[prost(bytes, tag = "1")]
    Body(Vec<u8>),
    /// It goes.
    #[prost(bool, tag = "2")]
    Clear(bool),
    /// More of it comes from the processor.
    #[prost(message, tag = "3")]
    Streamed(HttpBody),
}

/// `ImmediateResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ImmediateResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Of its headers.
    #[prost(message, optional, tag = "2")]
    pub headers: Option<HeaderMutation>,
    /// Its body.
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
    /// For gRPC.
    #[prost(message, optional, tag = "4")]
    pub grpc_status: Option<GrpcStatus>,
    /// Why.
    #[prost(string, tag = "5")]
    pub details: String,
}

/// `GrpcStatus`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct GrpcStatus {
    /// The number.
    #[prost(uint32, tag = "1")]
    pub status: u32,
}

/// `ProcessingMode`, in numbers.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProcessingMode {
    /// Of the request's head.
    #[prost(int32, tag = "1")]
    pub request_header_mode: i32,
    /// Of the response's head.
    #[prost(int32, tag = "2")]
    pub response_header_mode: i32,
    /// Of the request's body.
    #[prost(int32, tag = "3")]
    pub request_body_mode: i32,
    /// Of the response's body.
    #[prost(int32, tag = "4")]
    pub response_body_mode: i32,
    /// Of the request's trailers.
    #[prost(int32, tag = "5")]
    pub request_trailer_mode: i32,
    /// Of the response's trailers.
    #[prost(int32, tag = "6")]
    pub response_trailer_mode: i32,
}
