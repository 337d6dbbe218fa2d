//! What is asked about: headers, trailers and query parameters, the status, the connection's addresses and names, what
//! filters left behind.
//!
//! Several values of a header are one text, joined by commas. A name that no header can have is never there.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use nuncio_config::message;
use nuncio_config::typed::{Any, FromValue, Refused, Spanned, SupportTable};

use super::message::Extension;
use super::of_hosts::{self, Place};
use super::{MatchContext, MatchData};
use crate::headers::{HeaderMap, HeaderName, Known};
use crate::stream_info::metadata::Value;
use crate::stream_info::{Address, PeerCertificateInfo};

/// The details of responses of hosts.
const VIA_UPSTREAM: &str = "via_upstream";
const ENVIRONMENT: &str = "envoy.extensions.matching.common_inputs.environment_variable.v3.Config";
const ATTRIBUTES: &str = "xds.type.matcher.v3.HttpAttributesCelMatchInput";
/// The message of an input, and the input.
type Plain = (&'static str, fn() -> Input);

/// Inputs without options.
const PLAIN: [Plain; 14] = [
    (ATTRIBUTES, || Input::Attributes),
    (
        "envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput",
        || Input::Status,
    ),
    (
        "envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput",
        || Input::StatusClass,
    ),
    (
        "envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput",
        || Input::LocalReply,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput",
        || Input::DestinationIp,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
        || Input::DestinationPort,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput",
        || Input::SourceIp,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput",
        || Input::SourcePort,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput",
        || Input::DirectSourceIp,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.SourceTypeInput",
        || Input::SourceType,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput",
        || Input::ServerName,
    ),
    (
        "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput",
        || Input::UriSans,
    ),
    (
        "envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput",
        || Input::DnsSans,
    ),
    (
        "envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput",
        || Input::Subject,
    ),
];
/// The same of what is known before a connection has a filter chain.
const OF_LISTENERS: [Plain; 2] = [
    (
        "envoy.extensions.matching.common_inputs.network.v3.TransportProtocolInput",
        || Input::TransportProtocol,
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput",
        || Input::ApplicationProtocols,
    ),
];
/// What may be asked of stats.
const OF_STATS: [Plain; 1] = [(
    "envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput",
    || Input::StatName,
)];
const HTTP: &str = "envoy.type.matcher.v3.";
/// What is spoken where nobody found anything else.
const RAW_BUFFER: &str = "raw_buffer";
/// What Envoy has besides, and Nuncio not yet.
const NOT_YET: [&str; 2] = [
    "envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput",
    "envoy.extensions.matching.common_inputs.network.v3.NetworkNamespaceInput",
];

macro_rules! named_inputs {
    ($($(#[$meta:meta])* $name:ident: $proto:literal { $field:ident }),+ $(,)?) => {$(
        message! {
            $(#[$meta])*
            pub(super) struct $name: $proto {
                pub(super) $field: Spanned<String>,
            }
        }
    )+};
}

named_inputs! {
    /// A header of the request.
    RequestHeaderInput: "envoy.type.matcher.v3.HttpRequestHeaderMatchInput" { header_name },
    /// A trailer of the request.
    RequestTrailerInput: "envoy.type.matcher.v3.HttpRequestTrailerMatchInput" { header_name },
    /// A header of the response.
    ResponseHeaderInput: "envoy.type.matcher.v3.HttpResponseHeaderMatchInput" { header_name },
    /// A trailer of the response.
    ResponseTrailerInput: "envoy.type.matcher.v3.HttpResponseTrailerMatchInput" { header_name },
    /// A parameter of the query.
    QueryParamInput: "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput" { query_param },
    /// What a filter left behind, as text.
    FilterStateInput: "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput" { key },
    /// A variable of the environment.
    EnvironmentInput: "envoy.extensions.matching.common_inputs.environment_variable.v3.Config" { name },
}

message! {
    /// A value of dynamic metadata.
    pub(super) struct DynamicMetadataInput: "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput" {
        pub(super) filter: String,
        pub(super) path: Vec<PathSegment>,
    }
}

message! {
    /// A step into metadata.
    pub(super) struct PathSegment: "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput.PathSegment" {
        pub(super) key: String,
    }
}

/// Adds the inputs.
pub(super) fn support(table: &mut SupportTable) {
    RequestHeaderInput::support(table);
    RequestTrailerInput::support(table);
    ResponseHeaderInput::support(table);
    ResponseTrailerInput::support(table);
    QueryParamInput::support(table);
    FilterStateInput::support(table);
    EnvironmentInput::support(table);
    DynamicMetadataInput::support(table);
    for (plain, _) in PLAIN.into_iter().chain(OF_LISTENERS).chain(OF_STATS) {
        table.add_message(plain);
    }
}

/// An input, compiled.
#[derive(Debug)]
pub(super) enum Input {
    RequestHeader(Option<HeaderName>),
    RequestTrailer(Option<HeaderName>),
    ResponseHeader(Option<HeaderName>),
    ResponseTrailer(Option<HeaderName>),
    QueryParameter(Box<[u8]>),
    Status,
    StatusClass,
    /// Whether the response is the proxy's own.
    LocalReply,
    DestinationIp,
    DestinationPort,
    SourceIp,
    SourcePort,
    DirectSourceIp,
    SourceType,
    ServerName,
    TransportProtocol,
    ApplicationProtocols,
    StatName,
    UriSans,
    DnsSans,
    Subject,
    FilterState(Box<str>),
    DynamicMetadata {
        filter: Box<str>,
        path: Box<[Box<str>]>,
    },
    /// As it was at the start.
    Environment(Option<Box<[u8]>>),
    /// Metadata of a host.
    EndpointMetadata(Place),
    /// That of its locality.
    LocalityMetadata(Place),
    /// All that expressions may ask of a stream.
    Attributes,
}

/// The kinds of what inputs give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Text,
    /// A value of metadata.
    Value,
    /// What expressions look up.
    Attributes,
}

/// What an input gives.
#[derive(Debug, PartialEq)]
pub(super) enum Fetched<'a> {
    /// It may come later.
    NotYet,
    /// There is none.
    Absent,
    Text(Cow<'a, [u8]>),
    Value(&'a Value),
}

impl Input {
    /// Compiles an input that `context` allows.
    pub(super) fn compile<C: MatchContext>(
        input: &Extension,
        context: &mut C,
    ) -> Result<Self, Refused> {
        Self::of_config(&input.name, &input.typed_config, context)
    }

    /// The same of an extension in the words of another API.
    pub(super) fn of_config<C: MatchContext>(
        name: &str,
        any: &Any,
        context: &mut C,
    ) -> Result<Self, Refused> {
        let kind = any.type_name();
        let is_of_listener = context.is_of_listener();
        let is_of_stats = OF_STATS.iter().any(|(name, _)| *name == kind);
        let is_unknown = kind != ENVIRONMENT
            && (!context.knows_input(kind)
                || context.is_of_stats() != is_of_stats
                || context.is_of_hosts() != of_hosts::is_one(kind));
        if is_unknown || is_of_listener && (kind.starts_with(HTTP) || kind == ATTRIBUTES) {
            return Err(super::build::unknown_named(name, any, context.ctx()));
        }
        let plain = Self::without_options(kind, is_of_listener);
        let is_known = plain.is_some() || NAMED.contains(&kind);
        if (is_known || NOT_YET.contains(&kind))
            && kind != ENVIRONMENT
            && let Err(words) = context.check_input(&any.type_url)
        {
            context.ctx().error(any.span, words);
            return Err(Refused);
        }
        if let Some(plain) = plain {
            return Ok(plain);
        }
        if of_hosts::is_one(kind) {
            return of_hosts::compile(kind, any, context);
        }
        if is_known {
            return Self::with_options(kind, any, context);
        }
        if NOT_YET.contains(&kind) {
            let what = format!("the input `{kind}`");
            return Err(context.ctx().unsupported_here(any.span, what));
        }
        Err(super::build::unknown_named(name, any, context.ctx()))
    }

    fn without_options(kind: &str, is_of_listener: bool) -> Option<Self> {
        let more = OF_LISTENERS.iter().filter(|_| is_of_listener);
        // Whether stats are what is asked about has been looked at.
        let mut known = PLAIN.iter().chain(more).chain(&OF_STATS);
        known.find(|(name, _)| *name == kind).map(|plain| plain.1())
    }

    fn with_options<C: MatchContext>(
        kind: &str,
        any: &Any,
        context: &mut C,
    ) -> Result<Self, Refused> {
        let ctx = context.ctx();
        let header = |name: Spanned<String>| HeaderName::parse_with_pseudo(&name.value).ok();
        if kind == ENVIRONMENT {
            let config: EnvironmentInput = any.decode(ctx)?;
            let value = std::env::var_os(&config.name.value);
            let bytes = value.map(|value| value.as_encoded_bytes().into());
            return Ok(Input::Environment(bytes));
        }
        Ok(match kind.rsplit('.').next().unwrap_or_default() {
            "HttpRequestHeaderMatchInput" => {
                Input::RequestHeader(header(any.decode::<RequestHeaderInput>(ctx)?.header_name))
            }
            "HttpRequestTrailerMatchInput" => {
                Input::RequestTrailer(header(any.decode::<RequestTrailerInput>(ctx)?.header_name))
            }
            "HttpResponseHeaderMatchInput" => {
                Input::ResponseHeader(header(any.decode::<ResponseHeaderInput>(ctx)?.header_name))
            }
            "HttpResponseTrailerMatchInput" => {
                Input::ResponseTrailer(header(any.decode::<ResponseTrailerInput>(ctx)?.header_name))
            }
            "HttpRequestQueryParamMatchInput" => {
                let config: QueryParamInput = any.decode(ctx)?;
                Input::QueryParameter(config.query_param.value.into_bytes().into())
            }
            "FilterStateInput" => {
                let config: FilterStateInput = any.decode(ctx)?;
                Input::FilterState(config.key.value.into())
            }
            _ => {
                let config: DynamicMetadataInput = any.decode(ctx)?;
                Input::DynamicMetadata {
                    filter: config.filter.into(),
                    path: config
                        .path
                        .into_iter()
                        .map(|step| step.key.into())
                        .collect(),
                }
            }
        })
    }

    /// What it gives: a text, or what not every matcher can be asked about.
    pub(super) fn gives(&self) -> Given {
        match self {
            Input::DynamicMetadata { .. } => Given::Value,
            Input::Attributes => Given::Attributes,
            _ => Given::Text,
        }
    }

    /// What it gives of a stream.
    pub(super) fn fetch<'a>(&'a self, data: &MatchData<'a>) -> Fetched<'a> {
        let connection = &data.info.connection;
        match self {
            Input::RequestHeader(name) => header(data.request, name.as_ref()),
            Input::RequestTrailer(name) => header(data.request_trailers, name.as_ref()),
            Input::ResponseHeader(name) => header(data.response, name.as_ref()),
            Input::ResponseTrailer(name) => header(data.response_trailers, name.as_ref()),
            Input::QueryParameter(name) => match data.request {
                None => Fetched::NotYet,
                Some(request) => owned(query_parameter(request, name)),
            },
            Input::Status => status(data, |status| Some(status.to_vec())),
            Input::StatusClass => status(data, |status| {
                let class = status
                    .first()
                    .filter(|class| (b'1'..=b'5').contains(*class))?;
                Some(vec![*class, b'x', b'x'])
            }),
            Input::LocalReply => match data.response {
                None => Fetched::NotYet,
                Some(_) => {
                    let details = data.info.response_code_details.as_deref();
                    let is_local = details != Some(VIA_UPSTREAM);
                    let text: &[u8] = if is_local { b"true" } else { b"false" };
                    Fetched::Text(Cow::Borrowed(text))
                }
            },
            Input::DestinationIp => ip(connection.local_address.as_ref()),
            Input::DestinationPort => port(connection.local_address.as_ref()),
            Input::SourceIp => ip(data.info.downstream_remote_address()),
            Input::SourcePort => port(data.info.downstream_remote_address()),
            Input::DirectSourceIp => ip(connection.direct_remote_address.as_ref()),
            Input::SourceType => match is_local(data) {
                true => Fetched::Text(Cow::Borrowed(b"local")),
                false => Fetched::Absent,
            },
            Input::ServerName => filled(&connection.requested_server_name),
            Input::TransportProtocol => match data.inspected {
                Some(inspected) if inspected.transport_protocol.is_empty() => filled(RAW_BUFFER),
                Some(inspected) => filled(inspected.transport_protocol),
                None => Fetched::Absent,
            },
            Input::ApplicationProtocols => {
                let offered = data
                    .inspected
                    .map(|inspected| &inspected.application_protocols);
                owned(offered.and_then(|offered| quoted(offered)))
            }
            Input::StatName => filled(data.stat.unwrap_or_default()),
            Input::UriSans => peer(data, |peer| joined(&peer.certificate.uri_sans)),
            Input::DnsSans => peer(data, |peer| joined(&peer.certificate.dns_sans)),
            Input::Subject => peer(data, |peer| peer.certificate.subject.to_string()),
            Input::FilterState(key) => {
                let object = data.info.object(key);
                let text = object.and_then(|object| object.serialize_as_string());
                owned(text.map(String::into_bytes))
            }
            Input::DynamicMetadata { filter, path } => {
                let metadata = data.info.dynamic_metadata();
                let value = metadata.and_then(|metadata| metadata.value(filter, path));
                value.map_or(Fetched::Absent, Fetched::Value)
            }
            Input::Environment(value) => match value {
                Some(value) => Fetched::Text(Cow::Borrowed(value)),
                None => Fetched::Absent,
            },
            Input::EndpointMetadata(place) => place.fetch(data.host, |host| host.endpoint),
            Input::LocalityMetadata(place) => place.fetch(data.host, |host| host.locality),
            // Expressions ask by themselves.
            Input::Attributes => Fetched::Absent,
        }
    }
}

impl Given {
    /// As Envoy calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Given::Text => "string",
            Given::Value => "dynamic_metadata",
            Given::Attributes => "cel_data_input",
        }
    }
}

/// Inputs with a name of something, besides those without options.
const NAMED: [&str; 8] = [
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
    "envoy.type.matcher.v3.HttpRequestTrailerMatchInput",
    "envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
    "envoy.type.matcher.v3.HttpResponseTrailerMatchInput",
    "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput",
    "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
    "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
    ENVIRONMENT,
];

fn owned<'a>(text: Option<Vec<u8>>) -> Fetched<'a> {
    text.map_or(Fetched::Absent, |text| Fetched::Text(Cow::Owned(text)))
}

fn filled(text: &str) -> Fetched<'_> {
    match text {
        "" => Fetched::Absent,
        text => Fetched::Text(Cow::Borrowed(text.as_bytes())),
    }
}

fn header<'a>(map: Option<&'a HeaderMap>, name: Option<&'a HeaderName>) -> Fetched<'a> {
    let Some(map) = map else {
        return Fetched::NotYet;
    };
    let Some(name) = name else {
        return Fetched::Absent;
    };
    let mut values = map.get_all_named(name);
    let Some(first) = values.next() else {
        return Fetched::Absent;
    };
    let mut text = Cow::Borrowed(first);
    for value in values {
        let joined = text.to_mut();
        joined.push(b',');
        joined.extend_from_slice(value);
    }
    Fetched::Text(text)
}

fn status<'a>(data: &MatchData<'a>, text: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Fetched<'a> {
    match data.response {
        None => Fetched::NotYet,
        Some(response) => owned(response.get(Known::Status).and_then(text)),
    }
}

fn ip(address: Option<&Address>) -> Fetched<'static> {
    let ip = address.and_then(Address::ip);
    owned(ip.map(|ip| ip.to_string().into_bytes()))
}

fn port(address: Option<&Address>) -> Fetched<'static> {
    let port = address.and_then(Address::port);
    owned(port.map(|port| port.to_string().into_bytes()))
}

/// Whether the client is this machine.
fn is_local(data: &MatchData<'_>) -> bool {
    let connection = &data.info.connection;
    let remote = data.info.downstream_remote_address();
    match (remote, connection.local_address.as_ref()) {
        (Some(Address::Ip(remote)), local) => {
            let same = |local: &Address| local.ip() == Some(remote.ip());
            // Of the addresses that never leave the machine only the common one counts, as in Envoy.
            let ip = remote.ip();
            ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST || local.is_some_and(same)
        }
        (Some(Address::Pipe(_)), _) => true,
        _ => false,
    }
}

fn peer<'a>(
    data: &MatchData<'_>,
    text: impl FnOnce(&PeerCertificateInfo) -> String,
) -> Fetched<'a> {
    let tls = data.info.connection.tls.as_deref();
    let peer = tls.and_then(|tls| tls.peer.as_deref());
    let text = peer.map(text).filter(|text| !text.is_empty());
    owned(text.map(String::into_bytes))
}

/// `'h2','http/1.1'`, as Envoy writes them.
fn quoted(protocols: &[Vec<u8>]) -> Option<Vec<u8>> {
    let each: Vec<_> = protocols
        .iter()
        .map(|protocol| [b"'", protocol.as_slice(), b"'"].concat())
        .collect();
    (!each.is_empty()).then(|| each.join(&b','))
}

fn joined(names: &[Box<str>]) -> String {
    names.join(",")
}

/// `%2F` and the like as the bytes that they stand for.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let escape = match (first, behind) {
            (b'%', [high, low, after @ ..]) => hex(high)
                .zip(hex(low))
                .map(|(high, low)| (high * 16 + low, after)),
            _ => None,
        };
        let (byte, after) = escape.unwrap_or((*first, behind));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

/// The first value of a parameter, decoded.
pub(crate) fn query_parameter(request: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    let path = request.get(Known::Path)?;
    let start = memchr::memchr(b'?', path)? + 1;
    let query = path.get(start..)?.split(|byte| *byte == b'#').next()?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let found = percent_decoded(parts.next()?);
        (found == name).then(|| percent_decoded(parts.next().unwrap_or_default()))
    })
}
