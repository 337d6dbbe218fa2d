//! Upgrades of HTTP/1 as extended CONNECT of HTTP/2 and back (RFC 8441). Inside, a request for another protocol looks
//! as in HTTP/1, whichever version it came by; these turn it at the codec, as Envoy does.
//!
//! `bytestream` is no upgrade: it stays a CONNECT with `:protocol`.

use nuncio_contract::headers::{HeaderMap, Known};

use crate::http1::is_upgrade;

/// Whether a request that came by HTTP/2 asks for another protocol.
#[inline]
pub fn is_extended_connect(headers: &HeaderMap) -> bool {
    match headers.get(Known::Protocol) {
        None | Some(b"" | b"bytestream") => false,
        Some(_) => headers.get(Known::Method) == Some(b"CONNECT"),
    }
}

/// Makes of a request with `:protocol` one with `Upgrade`; whether it was one.
pub fn upgrade_request_from_http2(headers: &mut HeaderMap) -> bool {
    if !is_extended_connect(headers) {
        return false;
    }
    let protocol = headers.get(Known::Protocol).unwrap_or_default().to_vec();
    headers.set(Known::Method, b"GET");
    headers.set(Known::Upgrade, &protocol);
    headers.set(Known::Connection, b"upgrade");
    headers.remove(Known::Protocol);
    true
}

/// Makes of a request with `Upgrade` one with `:protocol`; the protocol, which the response's way back needs.
pub fn upgrade_request_to_http2(headers: &mut HeaderMap) -> Option<Vec<u8>> {
    if !is_upgrade(headers) {
        return None;
    }
    let protocol = headers.get(Known::Upgrade)?.to_vec();
    headers.set(Known::Method, b"CONNECT");
    headers.set(Known::Protocol, &protocol);
    headers.remove(Known::Upgrade);
    headers.remove(Known::Connection);
    remove_no_length(headers);
    Some(protocol)
}

/// Makes of a response that agrees in the words of HTTP/1 one in those of HTTP/2; whether it was one.
pub fn upgrade_response_to_http2(headers: &mut HeaderMap) -> bool {
    if !is_upgrade(headers) {
        return false;
    }
    if headers.get(Known::Status) == Some(b"101") {
        headers.set(Known::Status, b"200");
    }
    headers.remove(Known::Upgrade);
    headers.remove(Known::Connection);
    remove_no_length(headers);
    true
}

/// Makes of a response to [`upgrade_request_to_http2`] one in the words of HTTP/1, if it agrees.
pub fn upgrade_response_from_http2(headers: &mut HeaderMap, protocol: &[u8]) {
    if headers.get(Known::Status) == Some(b"200") {
        headers.set(Known::Status, b"101");
        headers.set(Known::Upgrade, protocol);
        headers.set(Known::Connection, b"upgrade");
    }
}

/// A tunnel has no length, and one of 0 would end it.
fn remove_no_length(headers: &mut HeaderMap) {
    if headers.get(Known::ContentLength) == Some(b"0") {
        headers.remove(Known::ContentLength);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::request();
        for (name, value) in lines {
            headers.append_from_wire(name.as_bytes(), value.as_bytes());
        }
        headers
    }

    fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let lines = headers
            .iter()
            .map(|header| (text(header.name), text(header.value)));
        lines.collect()
    }

    #[test]
    fn a_websocket_goes_over_http2_and_comes_back_the_same() {
        let lines = [
            (":method", "GET"),
            (":path", "/chat"),
            ("sec-websocket-version", "13"),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
        ];
        let mut headers = request(&lines);
        assert_eq!(
            upgrade_request_to_http2(&mut headers).as_deref(),
            Some(&b"websocket"[..])
        );
        assert!(is_extended_connect(&headers));
        assert_eq!(
            listed(&headers),
            listed(&request(&[
                (":method", "CONNECT"),
                (":path", "/chat"),
                (":protocol", "websocket"),
                ("sec-websocket-version", "13"),
            ]))
        );
        assert!(upgrade_request_from_http2(&mut headers));
        assert_eq!(listed(&headers), listed(&request(&lines)));
    }

    #[test]
    fn an_answer_is_said_in_the_words_of_either_version() {
        let agreed = [
            (":status", "101"),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("content-length", "0"),
        ];
        let mut headers = request(&agreed);
        assert!(upgrade_response_to_http2(&mut headers));
        assert_eq!(listed(&headers), listed(&request(&[(":status", "200")])));
        upgrade_response_from_http2(&mut headers, b"websocket");
        assert_eq!(listed(&headers), listed(&request(&agreed[..3])));
        let mut refused = request(&[(":status", "403")]);
        upgrade_response_from_http2(&mut refused, b"websocket");
        assert_eq!(listed(&refused), listed(&request(&[(":status", "403")])));
    }

    #[test]
    fn other_requests_stay_as_they_are() {
        for lines in [
            &[(":method", "GET")][..],
            &[(":method", "CONNECT")],
            &[(":method", "CONNECT"), (":protocol", "bytestream")],
        ] {
            let mut headers = request(lines);
            assert!(!upgrade_request_from_http2(&mut headers));
            assert_eq!(upgrade_request_to_http2(&mut headers), None);
            assert!(!upgrade_response_to_http2(&mut headers));
            assert_eq!(listed(&headers), listed(&request(lines)));
        }
    }
}
