//! The methods that are served.

use nuncio_contract::headers::is_token;

use super::error::Error;
use super::settings::Http1Settings;

/// The methods that framing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: its response has no body.
    Head,
    /// `CONNECT`: a tunnel.
    Connect,
    /// Any other.
    Other,
}

/// Without `allow_custom_methods` these are served and no others; in order.
const METHODS: &[&[u8]] = &[
    b"ACL",
    b"BIND",
    b"CHECKOUT",
    b"CONNECT",
    b"COPY",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LINK",
    b"LOCK",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MOVE",
    b"MSEARCH",
    b"NOTIFY",
    b"OPTIONS",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PURGE",
    b"PUT",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"SOURCE",
    b"SUBSCRIBE",
    b"TRACE",
    b"UNBIND",
    b"UNLINK",
    b"UNLOCK",
    b"UNSUBSCRIBE",
];

#[inline]
pub(super) fn check_method(settings: &Http1Settings, method: &[u8]) -> Result<Method, Error> {
    match method {
        b"GET" => return Ok(Method::Get),
        b"HEAD" => return Ok(Method::Head),
        b"CONNECT" => return Ok(Method::Connect),
        _ => {}
    }
    let served = if settings.allow_custom_methods {
        is_token(method)
    } else {
        METHODS.binary_search(&method).is_ok()
    };
    match served {
        true => Ok(Method::Other),
        false => Err(Error::Syntax("HPE_INVALID_METHOD")),
    }
}
