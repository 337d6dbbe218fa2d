//! Why bytes are no hello, in the words that Envoy's library has for it.

/// Beginnings of HTTP that the library knows.
const HTTP: [&[u8]; 4] = [b"GET ", b"POST ", b"HEAD ", b"PUT "];
/// Begins a request to a proxy.
const CONNECT: &[u8] = b"CONNE";

/// What access logs say of a connection that begins with these bytes; nothing where that would be a guess.
pub(super) fn not_tls(data: &[u8]) -> &'static str {
    let begins = |with: &&[u8]| data.starts_with(with);
    if HTTP.iter().any(begins) {
        return "TLS_error|error:1000009c:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end";
    }
    if begins(&CONNECT) {
        return "TLS_error|error:1000009b:SSL_routines:OPENSSL_internal:HTTPS_PROXY_REQUEST:TLS_error_end";
    }
    match data {
        [22, 3, _, _, _, 1, ..] => "",
        [22, 3, _, _, _, ..] => {
            "TLS_error|error:100000df:SSL_routines:OPENSSL_internal:UNEXPECTED_MESSAGE:TLS_error_end"
        }
        [_, 3, ..] => {
            "TLS_error|error:100000e1:SSL_routines:OPENSSL_internal:UNEXPECTED_RECORD:TLS_error_end"
        }
        _ => {
            "TLS_error|error:100000f7:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::not_tls;

    #[test]
    fn what_is_said_depends_on_the_first_bytes() {
        let said = |data: &[u8]| not_tls(data).split(':').nth(4).unwrap_or_default();
        for (data, why) in [
            (&b"GET / HTTP/1.1"[..], "HTTP_REQUEST"),
            (b"CONNECT a", "HTTPS_PROXY_REQUEST"),
            (b"DELETE /", "WRONG_VERSION_NUMBER"),
            (&[23, 3, 1, 0, 5], "UNEXPECTED_RECORD"),
            (&[22, 3, 1, 0, 5, 2], "UNEXPECTED_MESSAGE"),
            (&[22, 3, 1, 0, 5, 1], ""),
        ] {
            assert_eq!(said(data), why, "{data:?}");
        }
    }
}
