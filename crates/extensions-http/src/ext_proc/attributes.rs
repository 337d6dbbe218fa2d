//! Attributes of a stream by their names, as texts, numbers and truths. One that the stream does not have is left out.
//!
//! Envoy takes any expression of CEL; these are the names that are one. Maps are told as Envoy tells them, by a word.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::service_values::text;
use nuncio_contract::stream_info::{Address, StreamInfo};
use nuncio_service_messages::common::{Kind, Struct, Value};

/// What Envoy says of a map.
const MAP: &str = "CelMap value";

/// The stream as it is.
pub(super) struct Seen<'a> {
    pub(super) info: &'a StreamInfo,
    pub(super) request: &'a HeaderMap,
    /// None before it has come.
    pub(super) response: Option<&'a HeaderMap>,
}

type Look = fn(&Seen<'_>) -> Option<Kind>;

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    name: &'static str,
    look: Look,
}

static ATTRIBUTES: &[(&str, Look)] = &[
    ("request.path", |seen| header(seen, Known::Path)),
    ("request.url_path", |seen| {
        let path = seen.request.get(Known::Path)?;
        let end = path.iter().position(|byte| *byte == b'?');
        Some(string(path.get(..end.unwrap_or(path.len()))?))
    }),
    ("request.query", |seen| {
        let path = seen.request.get(Known::Path)?;
        let mark = path.iter().position(|byte| *byte == b'?');
        let query = mark.and_then(|mark| path.get(mark + 1..));
        Some(string(query.unwrap_or_default()))
    }),
    ("request.host", |seen| header(seen, Known::Authority)),
    ("request.scheme", |seen| header(seen, Known::Scheme)),
    ("request.method", |seen| header(seen, Known::Method)),
    ("request.referer", |seen| header(seen, Known::Referer)),
    ("request.useragent", |seen| header(seen, Known::UserAgent)),
    ("request.id", |seen| header(seen, Known::XRequestId)),
    ("request.headers", |_| Some(string(MAP.as_bytes()))),
    ("request.protocol", |seen| {
        let protocol = seen.info.protocol?;
        Some(string(protocol.as_str().as_bytes()))
    }),
    ("source.address", |seen| {
        let address = seen.info.downstream_remote_address()?;
        Some(Kind::String(address_text(address)))
    }),
    ("source.port", |seen| {
        number(seen.info.downstream_remote_address()?.port()?)
    }),
    ("destination.address", |seen| {
        let address = seen.info.connection.local_address.as_ref()?;
        Some(Kind::String(address_text(address)))
    }),
    ("destination.port", |seen| {
        number(seen.info.connection.local_address.as_ref()?.port()?)
    }),
    ("connection.mtls", |seen| {
        let tls = seen.info.connection.tls.as_deref();
        Some(Kind::Bool(tls.is_some_and(|tls| tls.peer.is_some())))
    }),
    ("connection.requested_server_name", |seen| {
        let name = seen.info.connection.requested_server_name.as_bytes();
        Some(string(name))
    }),
    ("upstream.address", |seen| {
        let address = seen.info.upstream.remote_address.as_ref()?;
        Some(Kind::String(address_text(address)))
    }),
    ("xds.cluster_name", |seen| {
        let cluster = seen.info.upstream_cluster.as_ref()?;
        Some(string(cluster.name.as_bytes()))
    }),
    ("xds.route_name", |seen| {
        let name = seen.info.route_name.as_deref();
        Some(string(name.unwrap_or_default().as_bytes()))
    }),
    ("response.code", |seen| {
        seen.response?;
        number(seen.info.response_code?)
    }),
    ("response.code_details", |seen| {
        seen.response?;
        let details = seen.info.response_code_details.as_deref()?;
        Some(string(details.as_bytes()))
    }),
    ("response.headers", |_| Some(string(MAP.as_bytes()))),
];

impl Attribute {
    /// The attribute of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        let (name, look) = ATTRIBUTES.iter().find(|(known, _)| *known == name)?;
        Some(Attribute { name, look: *look })
    }
}

/// The attributes that the stream has, under the filter's name; nothing where it has none.
pub(super) fn told(attributes: &[Attribute], seen: &Seen<'_>) -> BTreeMap<String, Struct> {
    let found: BTreeMap<_, _> = attributes
        .iter()
        .filter_map(|attribute| {
            let kind = Some((attribute.look)(seen)?);
            Some((attribute.name.to_owned(), Value { kind }))
        })
        .collect();
    let mut all = BTreeMap::new();
    if !found.is_empty() {
        let name = super::ROOM.name.to_owned();
        all.insert(name, Struct { fields: found });
    }
    all
}

fn address_text(address: &Address) -> String {
    match (address, address.ip(), address.port()) {
        (Address::Pipe(path), ..) => path.to_string(),
        (_, Some(ip), Some(port)) => SocketAddr::new(ip, port).to_string(),
        _ => String::new(),
    }
}

fn string(bytes: &[u8]) -> Kind {
    Kind::String(text(bytes))
}

fn number(value: u16) -> Option<Kind> {
    Some(Kind::Number(f64::from(value)))
}

fn header(seen: &Seen<'_>, known: Known) -> Option<Kind> {
    seen.request.get(known).map(string)
}
