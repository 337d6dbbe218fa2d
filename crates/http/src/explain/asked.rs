//! The request that is asked about, and how it is understood before it is routed.

use nuncio_codec::http1::{HeadScan, decode_request_head, reason_phrase};
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, is_token, is_valid_value};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::matching::plain;
use nuncio_contract::stream_info::{Address, ResponseFlags};

use super::changes::{Change, Snapshot};
use crate::config::connection_manager::EscapedSlashesAction;
use crate::connection_manager::ConnectionManagerConfig;
use crate::connection_manager::config::{RequestOptions, StripPort};
use crate::connection_manager::request::Refusal;
use crate::stream::StreamState;

/// A request that is asked about.
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// `host`.
    pub authority: &'a str,
    /// Path and query as the client sends them; of CONNECT host and port.
    pub target: &'a str,
    /// All other headers.
    pub headers: &'a [(String, String)],
    /// Where the client is.
    pub remote: Address,
    /// Where it came in.
    pub local: Address,
    /// Whether it comes over TLS.
    pub is_tls: bool,
    /// What every draw yields.
    pub random: u64,
}

/// What was asked cannot be sent as a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Unaskable(pub String);

/// A request as it is understood.
#[derive(Debug, Default)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// `:scheme`; empty before it is known.
    pub scheme: String,
    /// `:authority` as sent and as routed by.
    pub authority: (String, String),
    /// `:path` as sent and as routed by.
    pub path: (String, String),
    /// The options that change paths, of those that are on.
    pub path_options: Vec<&'static str>,
    /// The options that change hosts, of those that are on.
    pub host_options: Vec<&'static str>,
    /// The address that counts as the client's, without its port.
    pub client: String,
    /// Whether the client counts as internal (`x-envoy-internal`).
    pub is_internal: bool,
    /// What every draw yielded.
    pub random: u64,
    /// Other headers that came, went or changed.
    pub changes: Vec<Change>,
    sent: Option<Box<HeaderMap>>,
}

impl Seen {
    pub(super) fn new(asked: &Asked<'_>) -> Result<Self, Unaskable> {
        let wrong = |what: String| Err(Unaskable(what));
        if !is_token(asked.method.as_bytes()) {
            return wrong(format!("`{}` is no method", plain(asked.method.as_bytes())));
        }
        let breaks = |text: &str| text.bytes().any(|byte| byte <= b' ' || byte == 0x7f);
        if breaks(asked.target) || breaks(asked.authority) {
            return wrong(
                "blanks and control characters in a URL must be percent-encoded".to_owned(),
            );
        }
        let mut sent = HeaderMap::request();
        sent.append(Known::Authority, asked.authority.as_bytes());
        let path = match asked.method {
            "CONNECT" => "",
            _ => asked.target,
        };
        if !path.is_empty() {
            sent.append(Known::Path, path.as_bytes());
        }
        for (name, value) in asked.headers {
            let shown = plain(name.as_bytes());
            let Ok(name) = HeaderName::parse(name) else {
                return wrong(format!("`{shown}` is no header name"));
            };
            if !is_valid_value(value.as_bytes()) {
                return wrong(format!(
                    "the value of header `{shown}` has a control character"
                ));
            }
            sent.append(&name, value.trim().as_bytes());
        }
        Ok(Seen {
            method: asked.method.to_owned(),
            authority: (asked.authority.to_owned(), asked.authority.to_owned()),
            path: (path.to_owned(), path.to_owned()),
            random: asked.random,
            sent: Some(Box::new(sent)),
            ..Seen::default()
        })
    }

    /// Writes the request as a client would and decodes it into `headers` as the connection's codec does.
    pub(super) fn decode(
        &mut self,
        manager: &ConnectionManagerConfig,
        asked: &Asked<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), LocalReply> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", asked.method, asked.target).into_bytes();
        if !asked.authority.is_empty() {
            bytes.extend_from_slice(format!("host: {}\r\n", asked.authority).as_bytes());
        }
        for (name, value) in asked.headers {
            bytes.extend_from_slice(format!("{name}: {}\r\n", value.trim()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        let mut scan = HeadScan::default();
        match decode_request_head(&manager.codec, &bytes, &mut scan, headers) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(unreadable(400, "http1.codec_error")),
            Err(error) => Err(unreadable(error.status(), error.details())),
        }
    }

    /// Reads off what became of the head.
    pub(super) fn finish(&mut self, manager: &ConnectionManagerConfig, state: &StreamState) {
        let text = |known| plain(state.request.get(known).unwrap_or_default());
        self.scheme = text(Known::Scheme);
        self.authority.1 = text(Known::Authority);
        self.path.1 = text(Known::Path);
        self.path_options = path_options(&manager.request);
        self.host_options = host_options(&manager.request);
        self.is_internal = state.request.get(Known::XEnvoyInternal) == Some(b"true".as_slice());
        let address = state.info.downstream_remote_address();
        self.client = address
            .and_then(Address::ip)
            .map(|ip| ip.to_string())
            .unwrap_or_default();
        if let Some(sent) = self.sent.take() {
            self.changes = Snapshot::of(&sent).changes_to(&Snapshot::of(&state.request));
            self.changes.retain(|change| !change.name.starts_with(':'));
        }
    }
}

fn unreadable(status: u16, details: &'static str) -> LocalReply {
    LocalReply::new(status, reason_phrase(status).as_bytes(), details)
        .with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
}

/// Why the connection manager refuses, and how it answers.
pub(super) fn refused(refusal: Refusal) -> (&'static str, LocalReply) {
    match refusal {
        Refusal::Reply(reply) => ("the request lacks what a route is found by", reply),
        Refusal::PathNormalization(reply) => ("the path cannot be normalised", reply),
        Refusal::Redirect(reply) => (
            "the client is sent to the normalised path (`path_with_escaped_slashes_action`)",
            reply,
        ),
        Refusal::NonRelativePath(reply) => ("the path does not begin with `/`", reply),
        Refusal::NoAddress(reply) => (
            "the client's address is not told (`original_ip_detection_extensions`)",
            reply,
        ),
    }
}

fn path_options(options: &RequestOptions) -> Vec<&'static str> {
    let escaped = match options.escaped_slashes {
        EscapedSlashesAction::RejectRequest => Some("REJECT_REQUEST"),
        EscapedSlashesAction::UnescapeAndRedirect => Some("UNESCAPE_AND_REDIRECT"),
        EscapedSlashesAction::UnescapeAndForward => Some("UNESCAPE_AND_FORWARD"),
        EscapedSlashesAction::Default | EscapedSlashesAction::KeepUnchanged => None,
    };
    let on = [
        options.normalize_path.then_some("normalize_path"),
        options.merge_slashes.then_some("merge_slashes"),
        escaped,
    ];
    on.into_iter().flatten().collect()
}

fn host_options(options: &RequestOptions) -> Vec<&'static str> {
    let port = match options.strip_port {
        StripPort::No => None,
        StripPort::Matching => Some("strip_matching_host_port"),
        StripPort::Any => Some("strip_any_host_port"),
    };
    let dot = options
        .strip_trailing_host_dot
        .then_some("strip_trailing_host_dot");
    [port, dot].into_iter().flatten().collect()
}
