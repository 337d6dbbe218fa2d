//! An upgrade of HTTP/1 as the extended CONNECT (RFC 8441) that it is towards a host that speaks HTTP/2, and its
//! answer back.

use nuncio_contract::headers::{HeaderMap, Known};

/// The value of `upgrade`, if a request asks for another protocol.
pub(crate) fn asked(request: &HeaderMap) -> Option<Box<[u8]>> {
    let connection = request.get(Known::Connection)?;
    let mut tokens = connection.split(|byte| *byte == b',');
    let is_asked = tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    request
        .get(Known::Upgrade)
        .filter(|_| is_asked)
        .map(Box::from)
}

/// The request as HTTP/2 says it.
pub(crate) fn to_connect(request: &HeaderMap, protocol: &[u8]) -> HeaderMap {
    let mut connect = request.clone();
    connect.set(Known::Method, b"CONNECT");
    connect.set(Known::Protocol, protocol);
    connect.remove(Known::Upgrade);
    connect.remove(Known::Connection);
    if connect.get(Known::ContentLength) == Some(b"0") {
        connect.remove(Known::ContentLength);
    }
    connect
}

/// Makes an agreeing answer what HTTP/1 says.
pub(crate) fn from_connect(response: &mut HeaderMap, protocol: &[u8]) -> bool {
    if response.get(Known::Status) != Some(b"200") {
        return false;
    }
    response.set(Known::Status, b"101");
    response.set(Known::Upgrade, protocol);
    response.set(Known::Connection, b"upgrade");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_an_extended_connect_and_its_200_a_101() {
        let mut request = HeaderMap::request();
        request.set(Known::Method, b"GET");
        request.set(Known::Upgrade, b"websocket");
        assert_eq!(asked(&request), None);
        request.set(Known::Connection, b"keep-alive, Upgrade");
        let protocol = asked(&request).expect("it asks");
        let connect = to_connect(&request, &protocol);
        assert_eq!(connect.get(Known::Method), Some(&b"CONNECT"[..]));
        assert_eq!(connect.get(Known::Protocol), Some(&b"websocket"[..]));
        assert_eq!(connect.len(), 2);
        let mut response = HeaderMap::response();
        response.set(Known::Status, b"200");
        assert!(from_connect(&mut response, &protocol));
        assert_eq!(response.get(Known::Status), Some(&b"101"[..]));
    }
}
