//! `%REQUESTED_SERVER_NAME(X:Y)%`: the name asked for by SNI, or by the host header.

use super::FormatContext;
use super::error::FormatError;
use crate::headers::Known;

/// Where the name is taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestedServerName {
    order: Order,
    host: HostSource,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    SniOnly,
    SniFirst,
    HostFirst,
}

#[derive(Clone, Copy, Debug)]
enum HostSource {
    OriginalOrCurrent,
    Current,
    Original,
}

impl RequestedServerName {
    /// Compiles `SNI_ONLY|SNI_FIRST|HOST_FIRST` and `ORIG_OR_HOST|HOST|ORIG`.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        let refused = |option: &str, allowed: &str| {
            FormatError::new(format!(
                "Invalid REQUESTED_SERVER_NAME option: '{option}', only {allowed} are allowed"
            ))
        };
        let mut parts = argument.split(':');
        let (source, option) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let order = match source {
            "" | "SNI_ONLY" => Order::SniOnly,
            "SNI_FIRST" => Order::SniFirst,
            "HOST_FIRST" => Order::HostFirst,
            _ => return Err(refused(source, "'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST'")),
        };
        let host = match option {
            "" | "ORIG_OR_HOST" => HostSource::OriginalOrCurrent,
            "HOST" => HostSource::Current,
            "ORIG" => HostSource::Original,
            _ => return Err(refused(option, "'ORIG_OR_HOST'/'HOST'/'ORIG'")),
        };
        Ok(RequestedServerName { order, host })
    }

    /// Appends the name; `false` if there is none.
    pub(super) fn append(self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        match self.order {
            Order::SniOnly => append_sni(context, out),
            Order::SniFirst => append_sni(context, out) || self.append_host(context, out),
            Order::HostFirst => self.append_host(context, out) || append_sni(context, out),
        }
    }

    fn append_host(self, context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
        let headers = context.request_headers;
        let Some(headers) = headers.filter(|_| !context.stream_info.refused_early) else {
            return false;
        };
        let host = match self.host {
            HostSource::Current => headers.get(Known::Authority),
            HostSource::Original => headers.get(Known::XEnvoyOriginalHost),
            HostSource::OriginalOrCurrent => headers
                .get(Known::XEnvoyOriginalHost)
                .or_else(|| headers.get(Known::Authority)),
        };
        out.extend_from_slice(host.unwrap_or(b""));
        host.is_some()
    }
}

/// Appends the SNI; what no host name may hold is shown as `_` behind `invalid:`.
fn append_sni(context: &FormatContext<'_>, out: &mut Vec<u8>) -> bool {
    let name = context
        .stream_info
        .connection
        .requested_server_name
        .as_bytes();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !name.iter().all(|byte| allowed(*byte)) {
        out.extend_from_slice(b"invalid:");
    }
    out.extend(
        name.iter()
            .map(|byte| if allowed(*byte) { *byte } else { b'_' }),
    );
    !name.is_empty()
}
