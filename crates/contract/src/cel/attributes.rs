//! What expressions may ask of a stream, as Envoy's attributes name it. Nothing is looked up before it is asked for.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use super::value::{Map, Message, Value};
use crate::grpc;
use crate::headers::{HeaderMap, HeaderName, Known};
use crate::services::WorkerServices;
use crate::stream_info::{Address, CertificateInfo, FilterStateObject, StreamInfo, TlsInfo};

/// What is known of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a> {
    /// The stream.
    pub(crate) info: &'a StreamInfo,
    /// The request's headers, once they are there.
    pub(crate) request: Option<&'a HeaderMap>,
    /// The response's headers, once they are there.
    pub(crate) response: Option<&'a HeaderMap>,
    /// The response's trailers, once they are there.
    pub(crate) trailers: Option<&'a HeaderMap>,
    /// What knows the process and its clusters; where it is missing, expressions know nothing of these.
    pub(crate) services: Option<&'a dyn WorkerServices>,
    /// Set when the response is asked for and there is none yet.
    pub(crate) lacks_response: Option<&'a Cell<bool>>,
}

/// A kind of attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Request,
    Response,
    Connection,
    Upstream,
    Source,
    Destination,
    FilterState,
    UpstreamFilterState,
    Xds,
    /// `xds.node`.
    Node,
}

const ROOTS: [(&str, Root); 9] = [
    ("request", Root::Request),
    ("response", Root::Response),
    ("connection", Root::Connection),
    ("upstream", Root::Upstream),
    ("source", Root::Source),
    ("destination", Root::Destination),
    ("filter_state", Root::FilterState),
    ("upstream_filter_state", Root::UpstreamFilterState),
    ("xds", Root::Xds),
];

impl Root {
    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = ROOTS.iter().find(|(known, _)| *known == name);
        found.map(|(_, root)| *root)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        let found = ROOTS.iter().find(|(_, root)| *root == self);
        found.map_or("xds.node", |(name, _)| *name)
    }

    /// Whether Envoy has such an attribute and Nuncio does not yet.
    pub(super) fn is_missing(self, field: &str) -> bool {
        match self {
            Root::Upstream => field == "cx_pool_ready_duration",
            Root::Xds => matches!(
                field,
                "virtual_host_name" | "upstream_host_locality_metadata"
            ),
            Root::Node => !matches!(field, "id" | "cluster"),
            _ => false,
        }
    }
}

impl<'a> Attributes<'a> {
    /// All attributes of a kind; none where there is nothing of the kind.
    pub(super) fn root(&self, root: Root) -> Option<Value<'a>> {
        if root == Root::UpstreamFilterState && !self.info.upstream.is_set {
            return None;
        }
        if root == Root::Response
            && self.response.is_none()
            && self.trailers.is_none()
            && let Some(lacks) = self.lacks_response
        {
            lacks.set(true);
        }
        Some(Value::Map(Map::Root(root)))
    }

    /// The metadata that filters left.
    pub(super) fn dynamic_metadata(&self) -> Value<'a> {
        Value::Message(Message::Metadata(self.info.dynamic_metadata()))
    }

    /// An attribute, if it is there.
    pub(super) fn of(&self, root: Root, field: &str) -> Option<Value<'a>> {
        let connection = &self.info.connection;
        match root {
            Root::Request => self.of_request(field),
            Root::Response => self.of_response(field),
            Root::Connection => self.of_connection(field),
            Root::Upstream => self.of_upstream(field),
            Root::Source => of_peer(self.info.downstream_remote_address(), field),
            Root::Destination => of_peer(connection.local_address.as_ref(), field),
            Root::FilterState => of_state(self.info.object(field)),
            Root::UpstreamFilterState => {
                of_state(self.info.upstream.filter_state.as_deref()?.get(field))
            }
            Root::Xds => self.of_configuration(field),
            Root::Node => self.of_node(field),
        }
    }

    fn of_request(&self, field: &str) -> Option<Value<'a>> {
        let header = |known: Known| Some(text(self.request?.get(known)?));
        let bytes = self.request.map_or(0, HeaderMap::byte_size);
        Some(match field {
            "headers" => Value::Map(Map::Headers(self.request)),
            "headers_bytes" => int(bytes),
            "path" => return header(Known::Path),
            "url_path" => {
                let path = self.request?.get(Known::Path)?;
                text(path.split(|byte| *byte == b'?').next().unwrap_or_default())
            }
            "query" => {
                let path = self.request?.get(Known::Path)?;
                let query = path.splitn(2, |byte| *byte == b'?').nth(1);
                let mut parts = query.unwrap_or_default().split(|byte| *byte == b'#');
                text(parts.next().unwrap_or_default())
            }
            "host" => return header(Known::Authority),
            "scheme" => return header(Known::Scheme),
            "method" => return header(Known::Method),
            "referer" => return header(Known::Referer),
            "useragent" => return header(Known::UserAgent),
            "id" => return header(Known::XRequestId),
            "time" => {
                let since = self.info.start_time().duration_since(UNIX_EPOCH).ok()?;
                Value::Timestamp(i128::try_from(since.as_micros()).ok()? * 1000)
            }
            "size" => match self.request.and_then(|it| it.get(Known::ContentLength)) {
                Some(length) => Value::Int(std::str::from_utf8(length).ok()?.parse().ok()?),
                None => int(self.info.bytes_received),
            },
            "total_size" => int(self.info.bytes_received.saturating_add(bytes as u64)),
            "duration" => duration(self.info.end?.saturating_duration_since(self.info.start)),
            "protocol" => Value::text(self.info.protocol?.as_str()),
            _ => return None,
        })
    }

    fn of_response(&self, field: &str) -> Option<Value<'a>> {
        let info = self.info;
        let bytes = self.response.map_or(0, HeaderMap::byte_size);
        Some(match field {
            "code" => Value::Int(info.response_code?.into()),
            "code_details" => Value::text(info.response_code_details.as_deref()?),
            "size" => int(info.bytes_sent),
            "total_size" => {
                let trailers = self.trailers.map_or(0, HeaderMap::byte_size);
                int(info.bytes_sent.saturating_add((bytes + trailers) as u64))
            }
            "headers" => Value::Map(Map::Headers(self.response)),
            "headers_bytes" => int(bytes),
            "trailers" => Value::Map(Map::Headers(self.trailers)),
            "flags" => Value::Int(info.response_flags.bits().into()),
            "grpc_status" => Value::Int(self.grpc_status()?),
            "backend_latency" => {
                let timing = &info.upstream.timing;
                duration(
                    timing
                        .last_rx_byte?
                        .saturating_duration_since(timing.first_tx_byte?),
                )
            }
            _ => return None,
        })
    }

    fn grpc_status(&self) -> Option<i64> {
        let told = |headers: Option<&HeaderMap>| {
            let value = headers?
                .get_str(Known::GrpcStatus)
                .filter(|it| !it.is_empty())?;
            let code = value.trim().parse::<i64>().ok();
            Some(code.filter(|code| (0..=16).contains(code)).unwrap_or(-1))
        };
        let of_status = || {
            self.info
                .response_code
                .map(grpc::status_of_http)
                .map(i64::from)
        };
        told(self.trailers)
            .or_else(|| told(self.response))
            .or_else(of_status)
    }

    fn of_connection(&self, field: &str) -> Option<Value<'a>> {
        let connection = &*self.info.connection;
        let tls = connection.tls.as_deref();
        Some(match field {
            "mtls" => Value::Bool(tls.is_some_and(|tls| tls.peer.is_some())),
            "requested_server_name" => Value::text(&connection.requested_server_name),
            "id" => Value::Uint(connection.id),
            "termination_details" => {
                Value::text(self.info.connection_termination_details.as_deref()?)
            }
            "transport_failure_reason" => {
                Value::text(present(&connection.transport_failure_reason)?)
            }
            other => return of_tls(tls?, other),
        })
    }

    fn of_upstream(&self, field: &str) -> Option<Value<'a>> {
        let upstream = &self.info.upstream;
        if field == "request_attempt_count" {
            return Some(Value::Uint(self.info.attempt_count.unwrap_or(0).into()));
        }
        if field == "num_endpoints" {
            let cluster = self.info.upstream_cluster.as_ref()?;
            let hosts = self.services?.membership(&cluster.name)?;
            return Some(Value::Uint(hosts.total as u64));
        }
        if !upstream.is_set {
            return None;
        }
        Some(match field {
            "address" | "port" => return of_peer(Some(&upstream.host()?.address), field),
            "locality" => Value::Message(Message::Locality(&upstream.host()?.locality)),
            "local_address" => return of_peer(upstream.local_address.as_ref(), "address"),
            "transport_failure_reason" => Value::text(&upstream.transport_failure_reason),
            other => return of_tls(upstream.tls.as_deref()?, other),
        })
    }

    fn of_configuration(&self, field: &str) -> Option<Value<'a>> {
        let (info, connection) = (self.info, &*self.info.connection);
        let cluster = info.upstream_cluster.as_deref();
        let metadata = |metadata| Some(Value::Message(Message::Metadata(metadata)));
        match field {
            "cluster_name" => Some(Value::text(&cluster?.name)),
            "cluster_metadata" => metadata(Some(&cluster?.metadata)),
            "route_name" if info.has_route => {
                Some(Value::text(info.route_name.as_deref().unwrap_or_default()))
            }
            "route_metadata" if info.has_route => metadata(info.route_metadata.as_deref()),
            "virtual_host_metadata" if info.has_route || info.virtual_host_metadata.is_some() => {
                metadata(info.virtual_host_metadata.as_deref())
            }
            "upstream_host_metadata" => match &info.upstream.host()?.metadata {
                none if none.is_empty() => Some(Value::Null),
                some => metadata(Some(some)),
            },
            "filter_chain_name" => {
                let chain = connection.filter_chain.as_ref();
                Some(Value::text(chain.map_or("", |chain| &chain.name)))
            }
            "listener_direction" => Some(Value::Int(connection.listener.as_ref()?.direction)),
            "listener_metadata" => metadata(Some(&connection.listener.as_ref()?.metadata)),
            _ => None,
        }
    }

    fn of_node(&self, field: &str) -> Option<Value<'a>> {
        let node = self.services?.local_node()?;
        match field {
            "id" => Some(Value::made(node.id.as_bytes())),
            "cluster" => Some(Value::made(node.cluster.as_bytes())),
            _ => None,
        }
    }
}

/// A header's value; those of several are joined by commas.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<Value<'a>> {
    let lower = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    let name = HeaderName::parse_with_pseudo(&lower).ok()?;
    let first = headers.get(&name)?;
    let values = headers.get_all_named(&name);
    if values.clone().nth(1).is_none() {
        return Some(text(first));
    }
    let values: Vec<&[u8]> = values.collect();
    Some(Value::made(values.join(&b","[..])))
}

fn of_peer<'a>(address: Option<&'a Address>, field: &str) -> Option<Value<'a>> {
    let address = address?;
    match field {
        "address" => FilterStateObject::serialize_as_string(address).map(Value::made),
        "port" => address.port().map(|port| Value::Int(port.into())),
        _ => None,
    }
}

fn of_state<'a>(object: Option<&dyn FilterStateObject>) -> Option<Value<'a>> {
    let text = object?.serialize_as_string()?;
    Some(Value::Bytes(Cow::Owned(text.into_bytes())))
}

fn of_tls<'a>(tls: &'a TlsInfo, field: &str) -> Option<Value<'a>> {
    let (local, peer) = (tls.local.as_deref(), tls.peer.as_deref());
    let of_peer = peer.map(|peer| &peer.certificate);
    let subject = |of: Option<&'a CertificateInfo>| Value::text(of.map_or("", |of| &of.subject));
    let first = |names: &'a [Box<str>]| names.first().map(|name| Value::text(name));
    match field {
        "tls_version" => Some(Value::text(&tls.version)),
        "subject_local_certificate" => Some(subject(local)),
        "subject_peer_certificate" => Some(subject(of_peer)),
        "uri_san_local_certificate" => first(&local?.uri_sans),
        "uri_san_peer_certificate" => first(&of_peer?.uri_sans),
        "dns_san_local_certificate" => first(&local?.dns_sans),
        "dns_san_peer_certificate" => first(&of_peer?.dns_sans),
        "sha256_peer_certificate_digest" => present(&peer?.sha256).map(Value::text),
        "peer_certificate" => Some(Value::text(&peer?.url_encoded_pem)),
        _ => None,
    }
}

fn present(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn text(bytes: &[u8]) -> Value<'_> {
    Value::String(Cow::Borrowed(bytes))
}

fn int<'a>(number: impl TryInto<i64>) -> Value<'a> {
    Value::Int(number.try_into().unwrap_or(i64::MAX))
}

fn duration<'a>(duration: Duration) -> Value<'a> {
    Value::Duration(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX))
}
