//! Extended CONNECT (RFC 8441) as the upgrade of HTTP/1 that filters, routes and router know, and its answer back.

use nuncio_contract::headers::{HeaderMap, Known};

/// Makes an extended CONNECT the upgrade that it stands for; whether it was one.
pub(super) fn to_upgrade(request: &mut HeaderMap) -> bool {
    if request.get(Known::Method) != Some(b"CONNECT") {
        return false;
    }
    let Some(protocol) = request.get(Known::Protocol).map(Box::<[u8]>::from) else {
        return false;
    };
    request.set(Known::Method, b"GET");
    request.remove(Known::Protocol);
    request.set(Known::Upgrade, &protocol);
    request.set(Known::Connection, b"upgrade");
    true
}

/// The answer to one: 200 in the place of 101, without what only HTTP/1 says.
pub(super) fn from_upgrade(response: &HeaderMap) -> HeaderMap {
    let mut answer = response.clone();
    if answer.get(Known::Status) == Some(b"101") {
        answer.set(Known::Status, b"200");
    }
    answer.remove(Known::Upgrade);
    answer.remove(Known::Connection);
    if answer.get(Known::ContentLength) == Some(b"0") {
        answer.remove(Known::ContentLength);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_connect_is_an_upgrade_and_a_connect_is_none() {
        let mut request = HeaderMap::request();
        request.set(Known::Method, b"CONNECT");
        assert!(!to_upgrade(&mut request));
        request.set(Known::Protocol, b"websocket");
        assert!(to_upgrade(&mut request));
        assert_eq!(request.get(Known::Method), Some(&b"GET"[..]));
        assert_eq!(request.get(Known::Upgrade), Some(&b"websocket"[..]));
        assert_eq!(request.get(Known::Connection), Some(&b"upgrade"[..]));
        assert!(!request.contains(Known::Protocol));
    }

    #[test]
    fn its_answer_is_a_200() {
        let mut response = HeaderMap::response();
        response.set(Known::Status, b"101");
        response.set(Known::Upgrade, b"websocket");
        response.set(Known::Connection, b"upgrade");
        let answer = from_upgrade(&response);
        assert_eq!(answer.get(Known::Status), Some(&b"200"[..]));
        assert_eq!(answer.len(), 1);
    }
}
