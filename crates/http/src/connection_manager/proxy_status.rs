//! `proxy_status_config`: what went wrong with a request, in a `proxy-status` header (RFC 9209) by its response flags,
//! and if wanted in the status that the RFC recommends. Only the first flag of a fixed order counts, as in Envoy.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};

use crate::config::proxy_status::{ProxyName, ProxyStatusConfig};

/// How the header is made.
#[derive(Clone, Debug)]
pub struct ProxyStatus {
    name: Box<str>,
    tells_details: bool,
    tells_termination: bool,
    tells_flags: bool,
    recommends: bool,
}

/// A flag, the error that it stands for, and the status that goes with it, where there is one.
type Error = (ResponseFlags, &'static str, Option<&'static [u8]>);

const UNAVAILABLE: (&str, Option<&[u8]>) = ("destination_unavailable", Some(b"503"));
const RESPONSE_TIMEOUT: (&str, Option<&[u8]>) = ("http_response_timeout", Some(b"504"));
const CONNECTION_TIMEOUT: (&str, Option<&[u8]>) = ("connection_timeout", Some(b"504"));
const TERMINATED: (&str, Option<&[u8]>) = ("connection_terminated", Some(b"502"));
const REFUSED: (&str, Option<&[u8]>) = ("connection_refused", Some(b"502"));
const LIMIT_REACHED: (&str, Option<&[u8]>) = ("connection_limit_reached", Some(b"503"));
const REQUEST_ERROR: (&str, Option<&[u8]>) = ("http_request_error", None);
const NOT_FOUND: (&str, Option<&[u8]>) = ("destination_not_found", Some(b"500"));
const CONFIGURATION: (&str, Option<&[u8]>) = ("proxy_configuration_error", Some(b"500"));
const PROTOCOL: (&str, Option<&[u8]>) = ("http_protocol_error", Some(b"502"));
const DNS: (&str, Option<&[u8]>) = ("dns_error", Some(b"502"));

const fn error(
    flag: ResponseFlags,
    (text, status): (&'static str, Option<&'static [u8]>),
) -> Error {
    (flag, text, status)
}

/// The first one counts whose flag is set.
static ERRORS: [Error; 27] = [
    error(ResponseFlags::FAILED_LOCAL_HEALTH_CHECK, UNAVAILABLE),
    error(ResponseFlags::NO_HEALTHY_UPSTREAM, UNAVAILABLE),
    error(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT, RESPONSE_TIMEOUT),
    error(ResponseFlags::DURATION_TIMEOUT, CONNECTION_TIMEOUT),
    error(ResponseFlags::LOCAL_RESET, CONNECTION_TIMEOUT),
    error(ResponseFlags::UPSTREAM_REMOTE_RESET, TERMINATED),
    error(ResponseFlags::UPSTREAM_CONNECTION_FAILURE, REFUSED),
    error(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE, REFUSED),
    error(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION, TERMINATED),
    error(ResponseFlags::OVERLOAD_MANAGER, LIMIT_REACHED),
    error(ResponseFlags::DROP_OVERLOAD, LIMIT_REACHED),
    error(ResponseFlags::FAULT_INJECTED, REQUEST_ERROR),
    error(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION, TERMINATED),
    error(ResponseFlags::DOWNSTREAM_REMOTE_RESET, TERMINATED),
    error(ResponseFlags::UPSTREAM_OVERFLOW, LIMIT_REACHED),
    error(ResponseFlags::NO_ROUTE_FOUND, NOT_FOUND),
    error(ResponseFlags::RATE_LIMITED, LIMIT_REACHED),
    error(ResponseFlags::RATE_LIMIT_SERVICE_ERROR, LIMIT_REACHED),
    error(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED, UNAVAILABLE),
    error(ResponseFlags::STREAM_IDLE_TIMEOUT, RESPONSE_TIMEOUT),
    error(ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS, REQUEST_ERROR),
    error(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, REQUEST_ERROR),
    error(
        ResponseFlags::UPSTREAM_MAX_STREAM_DURATION_REACHED,
        RESPONSE_TIMEOUT,
    ),
    error(ResponseFlags::NO_FILTER_CONFIG_FOUND, CONFIGURATION),
    error(ResponseFlags::UPSTREAM_PROTOCOL_ERROR, PROTOCOL),
    error(ResponseFlags::NO_CLUSTER_FOUND, UNAVAILABLE),
    error(ResponseFlags::DNS_RESOLUTION_FAILED, DNS),
];

impl ProxyStatus {
    pub(super) fn compile(message: &ProxyStatusConfig, node: &str, server: &str) -> Self {
        let name = match &message.proxy_name {
            // Chosen at all, it is taken, whatever its value.
            Some(ProxyName::NodeId(_)) => node,
            Some(ProxyName::Literal(name)) => name,
            None => server,
        };
        ProxyStatus {
            name: name.into(),
            tells_details: !message.remove_details,
            tells_termination: !message.remove_connection_termination_details,
            tells_flags: !message.remove_response_flags,
            recommends: message.set_recommended_response_code,
        }
    }

    /// Tells in the response's head what went wrong, if anything.
    #[cold]
    pub(crate) fn tell(&self, response: &mut HeaderMap, info: &StreamInfo) {
        let flags = info.response_flags;
        let Some((_, text, status)) = ERRORS.iter().find(|(flag, ..)| flags.contains(*flag)) else {
            return;
        };
        let told = self.text(text, info);
        let joined = match response.get(Known::ProxyStatus) {
            Some(before) if !before.is_empty() => [before, b", ", told.as_bytes()].concat(),
            _ => told.into_bytes(),
        };
        response.set(Known::ProxyStatus, &joined);
        if let Some(status) = status.filter(|_| self.recommends) {
            response.set(Known::Status, status);
        }
    }

    fn text(&self, error: &str, info: &StreamInfo) -> String {
        let mut text = format!("{}; error={error}", self.name);
        if let (true, Some(own)) = (self.tells_details, &info.response_code_details) {
            let mut details = vec![own.to_string()];
            let termination = info.connection_termination_details.as_deref();
            details.extend(
                termination
                    .filter(|_| self.tells_termination)
                    .map(str::to_owned),
            );
            if self.tells_flags && !info.response_flags.is_empty() {
                details.push(
                    info.response_flags
                        .short_names()
                        .collect::<Vec<_>>()
                        .join(","),
                );
            }
            text.push_str("; details=\"");
            text.push_str(&escaped(&details.join("; ")));
            text.push('"');
        }
        text
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}
