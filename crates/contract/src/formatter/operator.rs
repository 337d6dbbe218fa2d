//! A compiled operator: one `%COMMAND%` of a format, and how its value is appended.

use std::sync::Arc;
use std::time::SystemTime;

use super::FormatContext;
use super::address_text::{append_address, append_masked, append_without_port};
use super::cel_operator::CelOperator;
use super::coalesce::Coalesce;
use super::durations::CommonDuration;
use super::file_content::FileContent;
use super::filter_state_value::{FilterStateOperator, Shown};
use super::grpc_status::{GrpcStatus, GrpcStatusStyle, is_grpc_request};
use super::json_text::escape_from;
use super::metadata_value::{Found, MetadataOperator};
use super::number::{append_json_u64, append_u64};
use super::path::{PathOperator, append_query, append_query_param, without_query};
use super::server_name::RequestedServerName;
use super::time_format::TimeFormat;
use crate::headers::{HeaderMap, HeaderName};
use crate::secret_bytes::GenericSecret;
use crate::stream_info::{Address, StreamInfo, TlsInfo};

/// What fills the place of a command.
#[derive(Clone, Debug)]
pub(super) enum Operator {
    /// A value without an argument.
    Simple(Simple),
    /// A header's first value, or another's.
    Header {
        map: Map,
        main: Option<HeaderName>,
        alternative: Option<HeaderName>,
        without_query: bool,
    },
    /// A time.
    Time {
        source: TimeSource,
        format: Arc<TimeFormat>,
    },
    /// `%COMMON_DURATION%`.
    CommonDuration(CommonDuration),
    /// An address without its port, perhaps masked.
    AddressWithoutPort {
        address: AddressOf,
        mask_bits: Option<i32>,
    },
    /// Metadata of any kind.
    Metadata(MetadataOperator),
    /// Filter state.
    FilterState(FilterStateOperator),
    /// `%PATH%`.
    Path(PathOperator),
    /// `%QUERY_PARAM%`.
    QueryParam(Box<[u8]>),
    /// `%QUERY_PARAMS%`.
    QueryParams { decoded: bool },
    /// `%GRPC_STATUS%`.
    GrpcStatus(GrpcStatusStyle),
    /// `%RESPONSE_CODE_DETAILS%`.
    ResponseCodeDetails { keep_white_space: bool },
    /// `%REQUESTED_SERVER_NAME%`.
    RequestedServerName(RequestedServerName),
    /// Text known at load, already cut: `%HOSTNAME%`, `%ENVIRONMENT%`.
    Fixed(Box<[u8]>),
    /// `%COALESCE%`.
    Coalesce(Coalesce),
    /// `%CEL%`, `%TYPED_CEL%`.
    Cel(CelOperator),
    /// `%FILE_CONTENT%`.
    FileContent(FileContent),
    /// `%SECRET%`.
    Secret(GenericSecret),
}

/// Values that need no argument, each a function of what is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Simple {
    /// Always a number.
    Number(fn(&FormatContext<'_>) -> u64),
    /// A number that may be missing.
    OptionalNumber(fn(&FormatContext<'_>) -> Option<u64>),
    /// A text that may be missing; the function appends it and says whether it was there.
    Text(fn(&FormatContext<'_>, &mut Vec<u8>) -> bool),
    /// A whole address.
    Address(AddressOf),
    /// A port: nothing in text, and `null` in JSON, for an address without one.
    Port(AddressOf),
    /// The endpoint id of an internal address: nothing for any other.
    EndpointId(AddressOf),
    /// A text of the client's TLS; an empty one is missing.
    DownstreamTls(fn(&TlsInfo, &mut Vec<u8>)),
    /// A text of the upstream's TLS; an empty one is missing.
    UpstreamTls(fn(&TlsInfo, &mut Vec<u8>)),
}

/// Gives one of the stream's addresses.
pub(super) type AddressOf = fn(&StreamInfo) -> Option<&Address>;

/// Gives one of the stream's times.
pub(super) type TimeSource = fn(&FormatContext<'_>) -> Option<SystemTime>;

/// Whose headers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Map {
    /// The request's.
    Request,
    /// The response's.
    Response,
    /// The response's trailers.
    ResponseTrailers,
}

/// What an operator found.
enum Value<'a> {
    Missing,
    /// Nothing in text, and missing in JSON.
    NoPort,
    /// Text that has been appended already.
    Appended,
    Bytes(&'a [u8]),
    Number(u64),
    Metadata(Found<'a>),
    /// A value of JSON: as it stands in text, and in JSON if that differs.
    Json(String, Option<String>),
}

/// An operator with the length limit that was given to it.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    /// The operator.
    pub operator: Operator,
    /// The longest text in bytes.
    pub max_length: Option<usize>,
}

impl Limited {
    /// Appends the value as text; `false` if there is none.
    pub(super) fn append_text(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if let Operator::Coalesce(coalesce) = &self.operator {
            return coalesce.append_text(context, out) && self.cut(start, out);
        }
        match self.operator.evaluate(context, out) {
            Value::Missing => return false,
            Value::Appended | Value::NoPort => {}
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Number(number) => append_u64(number, out),
            Value::Metadata(found) => found.append_text(out),
            Value::Json(text, _) => out.extend_from_slice(text.as_bytes()),
        }
        self.cut(start, out)
    }

    /// Appends the value as JSON, keeping its type; `false`, and nothing appended, if there is none.
    pub(super) fn append_json(&self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        if let Operator::Coalesce(coalesce) = &self.operator {
            return coalesce.append_json(self.max_length, context, out);
        }
        if let Operator::Cel(cel) = &self.operator
            && cel.is_typed()
        {
            return cel.append_json(self.max_length, context, out);
        }
        let start = out.len();
        out.push(b'"');
        let quoted = match self.operator.evaluate(context, out) {
            Value::Missing | Value::NoPort => {
                out.truncate(start);
                return false;
            }
            Value::Appended => true,
            Value::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                true
            }
            Value::Number(number) => {
                out.truncate(start);
                append_json_u64(number, out);
                false
            }
            Value::Json(text, json) => {
                out.truncate(start);
                out.extend_from_slice(json.as_ref().unwrap_or(&text).as_bytes());
                false
            }
            Value::Metadata(found) => self.append_metadata(found, start, out),
        };
        if quoted {
            self.cut(start + 1, out);
            escape_from(start + 1, out);
            out.push(b'"');
        }
        true
    }

    /// Appends metadata behind the quote at `start`; whether it stays a text.
    fn append_metadata(&self, found: Found<'_>, start: usize, out: &mut Vec<u8>) -> bool {
        found.append_text(out);
        let too_long = self
            .max_length
            .is_some_and(|limit| out.len() - start - 1 > limit);
        if too_long && found.is_cut() {
            return true;
        }
        out.truncate(start);
        found.append_json(out);
        false
    }

    fn cut(&self, start: usize, out: &mut Vec<u8>) -> bool {
        if let (Some(limit), false) = (self.max_length, matches!(self.operator, Operator::Fixed(_)))
        {
            out.truncate(start.saturating_add(limit));
        }
        true
    }
}

impl Operator {
    fn evaluate<'a>(&'a self, context: &FormatContext<'a>, out: &mut Vec<u8>) -> Value<'a> {
        match self {
            Operator::Simple(simple) => simple.evaluate(context, out),
            Operator::Header {
                map,
                main,
                alternative,
                without_query: cut,
            } => {
                let Some(headers) = map.of(context) else {
                    return Value::Missing;
                };
                let get =
                    |name: &Option<HeaderName>| name.as_ref().and_then(|name| headers.get(name));
                let value = get(main).or_else(|| get(alternative));
                bytes(value.map(|value| if *cut { without_query(value) } else { value }))
            }
            Operator::Time { source, format } => match source(context) {
                None => Value::Missing,
                Some(time) => {
                    format.append(time, out);
                    Value::Appended
                }
            },
            Operator::CommonDuration(duration) => number(duration.evaluate(context.stream_info)),
            Operator::AddressWithoutPort { address, mask_bits } => {
                let Some(address) = address(context.stream_info) else {
                    return Value::Missing;
                };
                match mask_bits {
                    None => append_without_port(address, out),
                    Some(bits) => append_masked(address, *bits, out),
                }
                Value::Appended
            }
            Operator::Metadata(metadata) => metadata
                .evaluate(context)
                .map_or(Value::Missing, Value::Metadata),
            Operator::FilterState(state) => match state.evaluate(context) {
                None => Value::Missing,
                Some(Shown::Json(text, json)) => Value::Json(text, json),
                Some(Shown::Text(text)) => {
                    out.extend_from_slice(text.as_bytes());
                    Value::Appended
                }
            },
            Operator::Path(path) => bytes(path.evaluate(context)),
            Operator::QueryParam(name) => appended(append_query_param(name, context, out)),
            Operator::QueryParams { decoded } => appended(append_query(*decoded, context, out)),
            Operator::GrpcStatus(style) => grpc_status(*style, context, out),
            Operator::ResponseCodeDetails { keep_white_space } => {
                let Some(details) = &context.stream_info.response_code_details else {
                    return Value::Missing;
                };
                if *keep_white_space {
                    return Value::Bytes(details.as_bytes());
                }
                append_without_white_space(details, out);
                Value::Appended
            }
            Operator::RequestedServerName(name) => appended(name.append(context, out)),
            Operator::Fixed(text) => Value::Bytes(text),
            Operator::Cel(cel) => appended(cel.append_text(context, out)),
            Operator::Secret(secret) => appended(append_secret(secret, out)),
            Operator::FileContent(file) => appended(file.append(context, out)),
            // Handled by `Limited`, which knows whether text or JSON is wanted.
            Operator::Coalesce(_) => Value::Missing,
        }
    }
}

fn append_secret(secret: &GenericSecret, out: &mut Vec<u8>) -> bool {
    let secret = secret.read();
    out.extend_from_slice(&secret);
    !secret.is_empty()
}

impl Simple {
    fn evaluate<'a>(self, context: &FormatContext<'a>, out: &mut Vec<u8>) -> Value<'a> {
        let info = context.stream_info;
        match self {
            Simple::Number(get) => Value::Number(get(context)),
            Simple::OptionalNumber(get) => number(get(context)),
            Simple::Text(append) => appended(append(context, out)),
            Simple::Address(get) => {
                let address = get(info);
                if let Some(address) = address {
                    append_address(address, out);
                }
                appended(address.is_some())
            }
            Simple::Port(get) => match get(info) {
                None => Value::Missing,
                Some(address) => address
                    .port()
                    .map_or(Value::NoPort, |port| Value::Number(port.into())),
            },
            Simple::EndpointId(get) => match get(info) {
                None => Value::Missing,
                Some(Address::Internal(internal)) => Value::Bytes(internal.endpoint_id.as_bytes()),
                Some(_) => Value::Bytes(b""),
            },
            Simple::DownstreamTls(append) => tls_text(info.connection.tls.as_deref(), append, out),
            Simple::UpstreamTls(append) => tls_text(info.upstream.tls.as_deref(), append, out),
        }
    }
}

impl Map {
    /// The headers.
    pub(super) fn of<'a>(self, context: &FormatContext<'a>) -> Option<&'a HeaderMap> {
        match self {
            Map::Request => context.request_headers,
            Map::Response => context.response_headers,
            Map::ResponseTrailers => context.response_trailers,
        }
    }
}

fn bytes(value: Option<&[u8]>) -> Value<'_> {
    value.map_or(Value::Missing, Value::Bytes)
}

fn number<'a>(value: Option<u64>) -> Value<'a> {
    value.map_or(Value::Missing, Value::Number)
}

fn appended<'a>(present: bool) -> Value<'a> {
    if present {
        Value::Appended
    } else {
        Value::Missing
    }
}

fn tls_text<'a>(
    tls: Option<&TlsInfo>,
    append: fn(&TlsInfo, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Value<'a> {
    let Some(tls) = tls else {
        return Value::Missing;
    };
    let start = out.len();
    append(tls, out);
    appended(out.len() > start)
}

fn grpc_status<'a>(
    style: GrpcStatusStyle,
    context: &FormatContext<'_>,
    out: &mut Vec<u8>,
) -> Value<'a> {
    if !context.request_headers.is_some_and(is_grpc_request) {
        return Value::Missing;
    }
    let Some(status) = GrpcStatus::of_stream(context, true) else {
        return Value::Missing;
    };
    match (style, u64::try_from(status.as_i64())) {
        (GrpcStatusStyle::Number, Ok(code)) => Value::Number(code),
        (GrpcStatusStyle::Number, Err(_)) => Value::Json(status.as_i64().to_string(), None),
        _ => {
            style.append(status, out);
            Value::Appended
        }
    }
}

/// Appends `text` with `_` for every white space.
pub(super) fn append_without_white_space(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    for byte in out.iter_mut().skip(start) {
        if matches!(*byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
            *byte = b'_';
        }
    }
}
